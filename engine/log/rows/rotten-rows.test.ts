/**
 * Rows of a log in which bits have changed: the metadata store has no checksums, so the rows have their own. One bit is
 * changed back (store-row-checksum.ts); more of them leave the row to what else is known.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Failure } from '../../kernel/failure.ts';
import { RowCorrupt } from '../../store-row-json.ts';
import { batchOf, segmentsDirectory, topicA, topicB, World } from '../log-fixture.suite.ts';
import { logPk, logStateKey } from './log-state.ts';
import { segmentFilePk } from './segment-file.ts';
import { segmentSkPrefix } from './segment.ts';

const values = Array.from({ length: 8 }, (_, i) => `${i}`.padEnd(50, '.'));

/** A broker that died: two logs with two segments each, in different files, and the same again in its write-ahead log. */
async function deadBroker(): Promise<World> {
  const world = new World({ mergeBytesMax: 0 });
  const store = await world.startSession();
  const logs = [await world.open(store), await world.open(store, undefined, {}, topicB)];
  for (const [i, value] of values.entries()) {
    for (const log of logs) await world.append(log, batchOf([value], world.clock.wallMs() + i));
    if (i === 2 || i === 4) await world.run(store.rollUp());
  }
  for (const log of logs) await world.run(log.deleteRecords(1));
  world.crash('all');
  return world;
}

type Row = Awaited<ReturnType<World['rows']['range']>>['rows'][number];

/** Changes one bit of the row's value, and the same bit of `more` further characters. */
async function flip(world: World, row: Row, at: number, bit: number, more: number): Promise<void> {
  const bytes = Buffer.from(row.value);
  for (let i = 0; i <= more; i++) bytes[(at + i * 5) % bytes.length]! ^= 1 << bit;
  await world.rows.transact([{ op: 'put', key: { pk: row.pk, sk: row.sk }, value: bytes.toString() }]);
}

/** What is served of the log after a recovery; what was deleted is not. */
async function servedAfterRecovery(world: World, topicId: string): Promise<string[]> {
  const store = await world.startSession();
  const log = await world.open(store, world.sessionEpoch + 5, {}, topicId);
  const served = await world.values(log);
  await world.run(store.rollUp());
  await world.run(store.applyRetention());
  expect(await world.values(log)).toEqual(served);
  await world.run(store.close());
  expect(world.fatal).toEqual([]);
  return served;
}

async function rowsOf(world: World, pk: string, prefix: string): Promise<readonly Row[]> {
  const { rows } = await world.rows.range(pk);
  return rows.filter(({ sk }) => sk.startsWith(prefix));
}

const place = fc.record({ at: fc.nat(), bit: fc.nat(6), which: fc.nat(1), more: fc.nat(3) });

it('a segment’s row is restored from the segment files, whatever bit of it has changed', async () => {
  await fc.assert(
    fc.asyncProperty(place, async ({ at, bit, which, more }) => {
      const world = await deadBroker();
      const row = (await rowsOf(world, logPk(topicA, 0), segmentSkPrefix))[which]!;
      await flip(world, row, at % row.value.length, bit, more);
      expect(await world.recover()).toMatchObject({ segmentsPublished: 2 });
      expect(await servedAfterRecovery(world, topicA)).toEqual(values.slice(1));
      expect(await servedAfterRecovery(world, topicB)).toEqual(values.slice(1));
    }),
    { numRuns: 60 },
  );
});

it('the row of a log’s start costs that log alone: no other, and no record of it', async () => {
  await fc.assert(
    fc.asyncProperty(place, async ({ at, bit, more }) => {
      const world = await deadBroker();
      const row = (await world.rows.get(logStateKey(topicA, 0)))!;
      const known = { ...logStateKey(topicA, 0), value: row.value, version: row.version };
      await flip(world, known, at % row.value.length, bit, more);
      expect(await world.recover()).toMatchObject({ segmentsPublished: 2 });
      expect(await servedAfterRecovery(world, topicB)).toEqual(values.slice(1));
      const served = await servedAfterRecovery(world, topicA).catch((error: unknown) => error);
      if (more === 0 || !(served instanceof Failure)) expect(served).toEqual(values.slice(1));
      await world.rows.transact([{ op: 'put', key: logStateKey(topicA, 0), value: row.value }]);
      expect(await servedAfterRecovery(world, topicA)).toEqual(values.slice(1));
    }),
    { numRuns: 40 },
  );
});

it('the row of a segment file costs no segment, even when another log leaves the file', async () => {
  const check = async (which: number, at: (value: string) => number, bit: number, more: number): Promise<void> => {
    const world = await deadBroker();
    const row = (await rowsOf(world, segmentFilePk, ''))[which]!;
    await flip(world, row, at(row.value), bit, more);
    await world.recover();
    const store = await world.startSession();
    const other = await world.open(store, world.sessionEpoch + 5, {}, topicB);
    await world.run(other.deleteRecords(-1));
    await world.run(store.applyRetention());
    await world.run(store.close());
    expect(world.fatal).toEqual([]);
    expect(await servedAfterRecovery(world, topicA)).toEqual(values.slice(1));
  };
  const counterAt = (value: string): number => value.indexOf('"segments":') + '"segments":'.length;
  for (let bit = 0; bit < 7; bit++) for (const more of [0, 1]) await check(0, counterAt, bit, more);
  const drawn = fc.asyncProperty(place, ({ at, bit, which, more }) =>
    check(which, (value) => at % value.length, bit, more),
  );
  await fc.assert(drawn, { numRuns: 40 });
});

it('a segment’s row that nothing tells any more stops the recovery, until an operator gives its log up', async () => {
  const world = await deadBroker();
  const [, last] = await rowsOf(world, logPk(topicA, 0), segmentSkPrefix);
  await flip(world, last!, 0, 0, 1);
  const { fileId } = JSON.parse(last!.value) as { readonly fileId: string };
  const path = `${segmentsDirectory}/${fileId}.seg`;
  // The table, whose checksum then says that it is not what was written.
  world.disk.flipBit(path, (world.disk.open(path).sizeBytes() - 40) * 8);
  await expect(world.recover()).rejects.toThrow(RowCorrupt);
  world.disk.create('/v1/given-up').close();
  expect(await world.recover()).toMatchObject({ segmentsPublished: 1 });
  expect(await servedAfterRecovery(world, topicB)).toEqual(values.slice(1));
  await expect(servedAfterRecovery(world, topicA)).rejects.toThrow(RowCorrupt);
});
