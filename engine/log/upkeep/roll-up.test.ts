import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../kernel/random.ts';
import { StoreThrottled, StoreUnavailable } from '../../ports.ts';
import { readI64 } from '../../records/bytes.ts';
import { type LogStore, type PartitionLog, SessionFenced } from '../log.ts';
import { batchOf, segmentsDirectory, topicA, topicB, World } from '../log-fixture.suite.ts';
import type { OwnedLog } from '../partition/partition-log.ts';
import { decodeFooter, segmentFooterBytes, type TableEntry } from '../segments/segment-format.ts';

async function fill(world: World, log: PartitionLog, from: number, count: number, bytes = 100): Promise<void> {
  for (let i = from; i < from + count; i++) {
    expect(await world.append(log, batchOf([`${i}`.padEnd(bytes, '.')]))).toMatchObject({ errorCode: 0 });
  }
}

async function numbers(world: World, log: PartitionLog): Promise<number[]> {
  return (await world.values(log)).map((value) => Number.parseInt(value, 10));
}

function segmentsOf(log: PartitionLog): readonly [number, number][] {
  return (log as OwnedLog).segments.map(({ row }): [number, number] => [row.baseOffset, row.endOffset]);
}

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i);

describe('roll-up', () => {
  it('writes one file with a table for all logs, and empties the WAL', async () => {
    const world = new World();
    const store = await world.startSession();
    const logs = [];
    for (let p = 0; p < 70; p++) logs.push(await world.open(store, 1, {}, p % 2 ? topicA : topicB, p));
    await Promise.all(logs.map((log) => fill(world, log, 0, 3)));
    expect(store.status().walChunks).toBeGreaterThan(5);
    await world.run(store.rollUp());
    expect(store.status()).toMatchObject({ unrolledBytes: 0, walChunks: 1, rollUps: 1 });
    expect(await world.files()).toMatchObject([{ segments: 70 }]);
    for (const log of logs) expect(await numbers(world, log)).toEqual([0, 1, 2]);
    const [name] = world.disk.list(segmentsDirectory);
    const file = world.disk.open(`${segmentsDirectory}/${name!}`);
    const footer = Buffer.alloc(segmentFooterBytes);
    file.readSync(footer, file.sizeBytes() - segmentFooterBytes);
    const { position, bytes } = decodeFooter(footer)!;
    const table = Buffer.alloc(bytes);
    file.readSync(table, position);
    const entries = JSON.parse(table.toString()) as TableEntry[];
    expect(entries).toHaveLength(70);
    const head = Buffer.alloc(8);
    for (const entry of entries) {
      file.readSync(head, entry.position);
      expect(readI64(head, 0)).toBe(entry.baseOffset);
    }
  });

  it('starts by itself once enough is not rolled up', async () => {
    const world = new World({ rollUpBytes: 3000 });
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 60);
    await world.clock.advance(50);
    expect(store.status().rollUps).toBeGreaterThan(1);
    expect(store.status().unrolledBytes).toBeLessThan(3000);
    expect(await numbers(world, log)).toEqual(upTo(60));
  });

  it('merges small segments to keep their number small, and removes the emptied files', async () => {
    const world = new World({ mergeBytesMax: 1000 });
    const store = await world.startSession();
    const log = await world.open(store);
    for (let round = 0; round < 20; round++) {
      await fill(world, log, round * 2, 2);
      await world.run(store.rollUp());
      expect(await numbers(world, log)).toEqual(upTo(round * 2 + 2));
    }
    expect(segmentsOf(log).length).toBeLessThan(10);
    const files = await world.files();
    expect(files.every((file) => file.segments === 1)).toBe(true);
    expect(world.disk.list(segmentsDirectory)).toEqual(files.map((file) => `${file.fileId}.seg`));
    await world.run(store.close());
    const again = await world.open(await world.startSession());
    expect(segmentsOf(again)).toEqual(segmentsOf(log));
    expect(await numbers(world, again)).toEqual(upTo(40));
  });

  it('does not copy damaged bytes into a merged segment', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 1);
    await world.run(store.rollUp());
    const [name] = world.disk.list(segmentsDirectory);
    world.disk.flipBit(`${segmentsDirectory}/${name!}`, (8 + 80) * 8);
    await fill(world, log, 1, 1);
    await world.run(store.rollUp());
    expect(segmentsOf(log)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(await world.read(log, 0)).toMatchObject({ errorCode: 56, batches: [] });
    expect((await world.read(log, 1)).errorCode).toBe(0);
    expect(world.fatal).toEqual([]);
  });

  it('leaves out what lies below the log start', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 10);
    await world.run(log.deleteRecords(6));
    await world.run(store.rollUp());
    expect(segmentsOf(log)).toEqual([[6, 10]]);
    await world.run(log.deleteRecords(10));
    await fill(world, log, 10, 1);
    await world.run(log.deleteRecords(11));
    await world.run(store.rollUp());
    expect(log.sizeBytes).toBe(0);
    await world.run(store.close());
    const again = await world.open(await world.startSession());
    expect([again.startOffset, again.highWatermark]).toEqual([11, 11]);
    await fill(world, again, 11, 1);
    expect(await numbers(world, again)).toEqual([11]);
  });

  it('finishes from any point at which a power loss stopped it', async () => {
    // 0, 1, 2… ms into the roll-up; every step of it takes 1 to 3 ms, and so does every step of the recovery.
    for (let ms = 0; ms < 45; ms++) {
      const world = new World({}, { slow: seededRandom(ms) });
      world.faults = () => ({ delayMs: 2 });
      const store = await world.startSession();
      const logs = [await world.open(store), await world.open(store, 1, {}, topicB)];
      for (const [i, log] of logs.entries()) {
        for (let n = 0; n < 4; n++) {
          const sent = world.send(log, batchOf([`${n}`.padEnd(100 + i, '.')]));
          await world.clock.advance(20);
          expect(sent).toMatchObject([{ errorCode: 0 }]);
        }
      }
      store.rollUp().catch(() => undefined);
      await world.clock.advance(ms);
      world.crash('none');
      await world.recover();
      const next = await world.startSession();
      for (const topicId of [topicA, topicB]) {
        const log = await world.open(next, world.sessionEpoch, {}, topicId);
        expect(await numbers(world, log)).toEqual([0, 1, 2, 3]);
      }
      const files = await world.files();
      expect(files.reduce((sum, file) => sum + file.segments, 0)).toBe(2);
      // A pieced file has further names behind its own.
      const names = world.disk.list(segmentsDirectory).filter((name) => name.endsWith('.seg'));
      expect(names).toEqual(files.map((file) => `${file.fileId}.seg`));
    }
  });

  it('drops chunks so that no power loss leaves a gap among them', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const world = new World({ walChunkBytesMax: 300 }, { slow: seededRandom(seed) });
      const store = await world.startSession();
      const log = await world.open(store);
      const sent = [];
      for (let n = 0; n < 12; n++) {
        sent.push(world.send(log, batchOf([`${n}`.padEnd(100, '.')])));
        await world.clock.advance(20);
      }
      expect(sent.flat()).toHaveLength(12);
      const other = await world.open(store, 1, {}, topicB);
      const late = world.send(other, batchOf(['late']));
      await world.clock.advance(20);
      expect(late).toHaveLength(1);
      expect(store.status().walChunks).toBeGreaterThan(10);
      const released = store.release([log]);
      released.catch(() => undefined);
      await world.clock.advance(15 + (seed % 40));
      world.crash(seededRandom(seed));
      await world.recover();
      const next = await world.startSession();
      expect(await numbers(world, await world.open(next, 9))).toEqual(upTo(12));
      expect(await world.values(await world.open(next, 9, {}, topicB))).toEqual(['late']);
    }
  });

  it('moves segments during a read unnoticed', async () => {
    const world = new World({ mergeBytesMax: 100_000, syncReadBytesMax: 0 }, { slow: seededRandom(3) });
    const store = await world.startSession();
    const log = await world.open(store);
    let sent = 0;
    for (let round = 0; round < 25; round++) {
      for (let n = 0; n < 2; n++) world.send(log, batchOf([`${sent++}`.padEnd(300, '.')]));
      await world.clock.advance(20);
      const rolling = store.rollUp();
      const reads = [];
      for (let n = 0; n < 12; n++) {
        reads.push(Promise.resolve(log.read((n * 7) % sent, 700, true)));
        await world.clock.advance(1);
      }
      for (const { errorCode, bytes } of await world.run(Promise.all(reads))) {
        expect(errorCode).toBe(0);
        expect(bytes).toBeGreaterThan(300);
      }
      await world.run(rolling);
    }
    const segments = segmentsOf(log);
    expect([segments[0]![0], segments.at(-1)![1]]).toEqual([0, 50]);
    expect(segments.length).toBeLessThan(20);
    expect(await numbers(world, log)).toEqual(upTo(50));
    expect(world.fatal).toEqual([]);
  });

  it('tolerates a throttling store, and keeps serving while the store is away', async () => {
    const world = new World({ storeRetryTotalMsMax: 500 });
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 5);
    let throttled = 0;
    world.faults = (operation) => {
      if (operation.op === 'transact' && throttled++ < 4) throw new StoreThrottled('slow down');
      return undefined;
    };
    await world.run(store.rollUp());
    await fill(world, log, 5, 5);
    world.faults = () => {
      throw new StoreUnavailable('away');
    };
    await expect(world.run(store.rollUp())).rejects.toThrow(StoreUnavailable);
    await fill(world, log, 10, 1);
    expect(world.fatal).toEqual([]);
    world.faults = () => undefined;
    await world.run(store.rollUp());
    expect(await numbers(world, log)).toEqual(upTo(11));
  });

  it('keeps the data and retries when the segment store is full', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 5);
    world.disk.plan({ on: 'write', error: 'full', afterBytes: 50 });
    await expect(world.run(store.rollUp())).rejects.toThrow('ENOSPC');
    expect(await world.files()).toEqual([]);
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
    await world.run(store.rollUp());
    expect(await numbers(world, log)).toEqual(upTo(5));
    expect(world.fatal).toEqual([]);
  });

  it('publishes nothing once fenced, and ends the session', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 5);
    await world.rows.transact([{ op: 'put', key: { pk: 'BROKER', sk: '1' }, value: '{"state":"fenced"}' }]);
    await expect(world.run(store.rollUp())).rejects.toThrow(SessionFenced);
    expect(world.fatal).toMatchObject([{ code: 'fenced' }]);
    expect(await world.files()).toEqual([]);
    expect((await world.append(log, batchOf(['late']))).errorCode).toBe(56);
  });

  it('leaves no file behind if its successor had swept it before it was created', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 5);
    // The announcement is answered late: by then the file's row is gone.
    world.faults = (operation) => {
      if (operation.op === 'get' && operation.key.pk === 'FILE') {
        void world.rows.transact([{ op: 'delete', key: operation.key }]);
      }
      return undefined;
    };
    await expect(world.run(store.rollUp())).rejects.toThrow(SessionFenced);
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
  });
});

describe('moves', () => {
  it('releases a log to another broker at a higher epoch, and back', async () => {
    const world = new World();
    const one = await world.startSession(1);
    const two = await world.startSession(2);
    let owner: LogStore = one;
    let log = await world.open(one, 1);
    for (let epoch = 2; epoch < 6; epoch++) {
      await fill(world, log, (epoch - 2) * 3, 3);
      const inFlight = world.send(log, batchOf([`${(epoch - 2) * 3 + 2}`]));
      const released = world.run(owner.release([log]));
      for (let turns = 0; log.isOpen && turns < 1000; turns++) await Promise.resolve();
      expect((await world.append(log, batchOf(['late']))).errorCode).toBe(6);
      await released;
      // What was in flight when the release began was not refused.
      expect(inFlight).toMatchObject([{ errorCode: 0 }]);
      expect(owner.get(topicA, 0)).toBeUndefined();
      expect((await world.read(log, 0)).errorCode).toBe(6);
      owner = owner === one ? two : one;
      log = await world.open(owner, epoch);
      expect(log.highWatermark).toBe((epoch - 1) * 4);
    }
    expect((await world.values(log)).length).toBe(16);
    expect(log.endOfEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 4 });
    expect(log.endOfEpoch(3)).toEqual({ leaderEpoch: 3, endOffset: 12 });
    expect(log.endOfEpoch(5)).toEqual({ leaderEpoch: 5, endOffset: 16 });
    expect(log.endOfEpoch(9)).toEqual({ leaderEpoch: -1, endOffset: -1 });
    expect([log.epochAt(0), log.epochAt(5), log.epochAt(15)]).toEqual([1, 2, 4]);
    await expect(world.open(owner, 3)).rejects.toMatchObject({ code: 'not-owner' });
    expect(world.fatal).toEqual([]);
  });

  it('forgets a deleted topic: rows, counters and files', async () => {
    const world = new World();
    const store = await world.startSession();
    const doomed = await world.open(store);
    const other = await world.open(store, 1, {}, topicB);
    await fill(world, doomed, 0, 5);
    await fill(world, other, 0, 5);
    await world.run(store.rollUp());
    await fill(world, doomed, 5, 5);
    await world.run(store.rollUp());
    await fill(world, doomed, 10, 5);
    await world.run(doomed.deleteRecords(1));
    await world.run(store.forget([doomed]));
    expect(store.status()).toMatchObject({ openLogs: 1, unrolledBytes: 0 });
    expect(await world.files()).toMatchObject([{ segments: 1 }]);
    await world.run(store.forget([other]));
    expect(await world.files()).toEqual([]);
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
    await world.run(store.close());
    expect(world.fatal).toEqual([]);
  });
});
