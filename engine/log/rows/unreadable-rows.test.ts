/** Rows that cannot be read: the metadata store has no checksums, and every broker reads the rows of all files. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { batchOf, topicA, topicB, World } from '../log-fixture.suite.ts';
import { Failure } from '../../kernel/failure.ts';
import { RowCorrupt } from '../../store-row-json.ts';
import { decodeDamage } from './damage.ts';
import { decodeLogState, logPk } from './log-state.ts';
import { decodeSegmentFile, encodeSegmentFile, isFileUsed, segmentFilePk } from './segment-file.ts';
import { decodeSegmentAndState, segmentKey } from './segment.ts';

/** A store that was closed cleanly: two logs with three segments each, in three files. */
async function installation(): Promise<World> {
  const world = new World({ mergeBytesMax: 0 });
  const store = await world.startSession();
  const logs = [await world.open(store), await world.open(store, undefined, {}, topicB)];
  for (let i = 0; i < 3; i++) {
    for (const log of logs) await world.append(log, batchOf([`${i}`.padEnd(60, '.')], world.clock.wallMs() + i));
    await world.run(store.rollUp());
  }
  await world.run(store.close());
  return world;
}

async function rewrite(world: World, pk: string, at: number, change: (value: string) => string): Promise<void> {
  const { rows } = await world.rows.range(pk);
  const { sk, value } = rows.at(at)!;
  await world.rows.transact([{ op: 'put', key: { pk, sk }, value: change(value) }]);
}

/** A row that is cut short, or has another value in one field. */
const rot = fc.oneof(
  fc.nat(100).map((percent) => (value: string) => value.slice(0, Math.floor((value.length * percent) / 100))),
  fc
    .tuple(fc.nat(9), fc.constantFrom<unknown>(-1, 0.5, 2 ** 31, 2 ** 40, 2 ** 53, null, 'x', {}, []))
    .map(([field, other]) => (value: string) => {
      const fields = JSON.parse(value) as Record<string, unknown>;
      const name = Object.keys(fields)[field % Object.keys(fields).length]!;
      return JSON.stringify({ ...fields, [name]: other });
    }),
);

it('an unreadable file row keeps its file, and ends no broker', async () => {
  for (const change of [(value: string) => value.slice(1), () => '{"bytes":-1,"segments":1}', () => 'null']) {
    const world = await installation();
    const files = (await world.files()).map(({ fileId }) => fileId);
    await rewrite(world, segmentFilePk, 0, change);
    const store = await world.startSession();
    const logs = [await world.open(store), await world.open(store, undefined, {}, topicB)];
    store.scrub('start');
    await world.clock.advance(60_000);
    expect(store.scrub('status')).toMatchObject({ passes: 1, files: 3, damaged: 0 });
    await world.run(store.applyRetention());
    for (const log of logs) expect(await world.values(log)).toHaveLength(3);
    // The file's segments are removed but the file stays: its unreadable row could not tell that they were the last.
    for (const log of logs) await world.run(log.deleteRecords(3));
    await world.run(store.applyRetention());
    await world.run(store.close());
    expect(world.fatal).toEqual([]);
    const { rows } = await world.rows.range(segmentFilePk);
    expect(rows.map(({ sk }) => sk)).toContain(files[0]);
  }
});

it('nonsensical rows of one log affect that log alone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(0, 1, 2), rot, async (at, change) => {
      const world = await installation();
      await rewrite(world, logPk(topicA, 0), at, change);
      const store = await world.startSession();
      try {
        const log = await world.open(store);
        // A row may say that the log ends anywhere.
        const offsets = [0, 1, 2, 3].flatMap((i) => [log.startOffset + i, log.highWatermark - i]);
        for (const offset of offsets) await world.read(log, offset);
        await world.run(log.offsetForTimestamp(world.clock.wallMs() + 1));
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
      }
      expect(await world.values(await world.open(store, undefined, {}, topicB))).toHaveLength(3);
      await world.run(store.applyRetention());
      expect(world.fatal).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

it('every text decodes to a row or is refused by name', () => {
  const key = segmentKey(topicA, 0, 7);
  const text = fc.oneof(fc.string(), fc.json(), fc.constantFrom('{"what":1}', '{"startOffset":-1}'));
  fc.assert(
    fc.property(text, (value) => {
      expect(() => decodeSegmentAndState({ ...key, value, version: 1 })).toThrow(RowCorrupt);
      expect(() => decodeLogState({ ...key, value })).toThrow(RowCorrupt);
      expect(typeof decodeDamage('f@1', value).what).toBe('string');
      const file = decodeSegmentFile(value);
      if (!file) expect(isFileUsed(value)).toBe(true);
    }),
  );
  expect(isFileUsed(encodeSegmentFile({ bytes: 9, segments: 0 }))).toBe(false);
});
