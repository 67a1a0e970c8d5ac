import { describe, expect, it } from 'vitest';
import { batchOf, segmentsDirectory, World } from '../log-fixture.suite.ts';
import type { PartitionLog } from '../log.ts';

const hour = 3_600_000;

async function fill(world: World, log: PartitionLog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await world.append(log, batchOf([`${i}`.padEnd(100, '.')], world.clock.wallMs()));
}

describe('retention', () => {
  it('deletes by time: first segments, then what is not rolled up', async () => {
    const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 30 * 24 * hour });
    const store = await world.startSession();
    const log = await world.open(store, 1, { 'retention.ms': `${10 * hour}` });
    for (let i = 0; i < 3; i++) {
      await fill(world, log, 5);
      await world.run(store.rollUp());
      await world.clock.advance(4 * hour);
    }
    await world.run(store.applyRetention());
    await fill(world, log, 5);
    await world.run(store.applyRetention());
    expect([log.startOffset, log.highWatermark]).toEqual([5, 20]);
    expect((await world.read(log, 4)).errorCode).toBe(1);
    expect(await world.values(log)).toHaveLength(15);
    await world.clock.advance(4 * hour);
    await world.run(store.applyRetention());
    expect(log.startOffset).toBe(10);
    await world.clock.advance(20 * hour);
    await world.run(store.applyRetention());
    expect([log.startOffset, log.highWatermark]).toEqual([20, 20]);
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
    await world.run(store.close());
    const again = await world.open(await world.startSession());
    expect([again.startOffset, again.highWatermark, again.epochAt(20)]).toEqual([20, 20, 1]);
  });

  it('spares records that arrived since its last pass, however old their time, but not from the size limit', async () => {
    const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 30 * 24 * hour });
    const store = await world.startSession();
    const log = await world.open(store, 1, { 'retention.ms': `${hour}`, 'retention.bytes': '1000' });
    const old = (): Buffer => batchOf(['old'.padEnd(200, '.')], world.clock.wallMs() - 1000 * hour);
    for (let i = 0; i < 2; i++) await world.append(log, old());
    await world.run(store.rollUp());
    await world.append(log, old());
    await world.run(store.applyRetention());
    expect(log.startOffset).toBe(0);
    for (let i = 0; i < 2; i++) await world.append(log, old());
    await world.run(store.applyRetention());
    expect(log.startOffset).toBe(3);
    for (let i = 0; i < 9; i++) await world.append(log, old());
    await world.run(store.applyRetention());
    expect(log.startOffset).toBeGreaterThan(5);
    expect(log.highWatermark).toBe(14);
  });

  it('deletes by size, oldest first, down to the limit', async () => {
    const world = new World({ mergeBytesMax: 0 });
    const store = await world.startSession();
    const log = await world.open(store, 1, { 'retention.bytes': '1000' });
    for (let i = 0; i < 4; i++) {
      await fill(world, log, 3);
      await world.run(store.rollUp());
    }
    const perSegment = log.sizeBytes / 4;
    await world.run(store.applyRetention());
    expect(log.sizeBytes).toBeGreaterThanOrEqual(1000);
    expect(log.sizeBytes - perSegment).toBeLessThan(1000);
    expect(log.startOffset).toBe(6);
  });

  it('frees space for good: after a power loss no file without a row returns', async () => {
    const world = new World({ mergeBytesMax: 0 });
    const store = await world.startSession();
    const log = await world.open(store, 1, { 'retention.bytes': '0' });
    await fill(world, log, 3);
    await world.run(store.rollUp());
    expect(world.disk.list(segmentsDirectory)).toHaveLength(1);
    await world.run(store.applyRetention());
    expect(await world.files()).toEqual([]);
    world.crash('none');
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
  });

  it('removes a file that an earlier session emptied but could not remove', async () => {
    const world = new World({ mergeBytesMax: 0 });
    const first = await world.startSession();
    await fill(world, await world.open(first), 3);
    await world.run(first.close());
    const store = await world.startSession();
    await world.open(store, 2, { 'retention.bytes': '0' });
    // The rows are written, the file is emptied, and the process dies before it removes it.
    world.faults = (operation) => {
      const isRemoval = operation.op === 'transact' && operation.ops[0]?.op === 'delete';
      return isRemoval ? { delayMs: Infinity } : {};
    };
    void store.applyRetention().catch(() => undefined);
    await world.clock.advance(50);
    world.crash('all');
    world.faults = () => undefined;
    await world.recover();
    expect(await world.files()).toMatchObject([{ segments: 0 }]);
    const next = await world.startSession(2);
    await world.run(next.applyRetention());
    expect(await world.files()).toEqual([]);
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
  });

  it('keeps everything without limits, and with compaction only', async () => {
    const world = new World();
    const store = await world.startSession();
    const forEver = await world.open(store, 1, { 'retention.ms': '-1' });
    const compacted = await world.open(
      store,
      1,
      { 'cleanup.policy': 'compact', 'retention.ms': '1' },
      'compacted-topic!',
    );
    await fill(world, forEver, 2);
    await fill(world, compacted, 2);
    world.clock.jumpWall(1000 * 24 * hour);
    await world.run(store.applyRetention());
    expect([forEver.startOffset, compacted.startOffset]).toEqual([0, 0]);
  });

  it('keeps a last segment for its producers until they expire', async () => {
    const world = new World({ producerIdExpirationMs: 5 * hour, retentionIntervalMs: 30 * 24 * hour });
    const store = await world.startSession();
    const log = await world.open(store, 1, { 'retention.ms': '1000' });
    const producer = { producerId: 4, producerEpoch: 0, baseSequence: 0 };
    const batch = (): Buffer => batchOf(['once'], world.clock.wallMs(), producer);
    const original = batch();
    const repeat = Buffer.from(original);
    await world.append(log, original);
    await world.run(store.rollUp());
    await world.run(store.applyRetention());
    await world.clock.advance(hour);
    await world.run(store.applyRetention());
    expect([log.startOffset, world.disk.list(segmentsDirectory).length]).toEqual([1, 1]);
    await world.run(store.close());
    const next = await world.startSession();
    const again = await world.open(next, 2, { 'retention.ms': '1000' });
    expect(await world.append(again, repeat)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    await world.clock.advance(6 * hour);
    await world.run(next.applyRetention());
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
  });

  it('deletes more segments than one transaction holds', async () => {
    const world = new World({ mergeBytesMax: 0 });
    const store = await world.startSession();
    const log = await world.open(store, 1);
    for (let i = 0; i < 120; i++) {
      await fill(world, log, 1);
      await world.run(store.rollUp());
    }
    expect(await world.run(log.deleteRecords(-1))).toEqual({ errorCode: 0, lowWatermark: 120 });
    expect(await world.files()).toEqual([]);
    expect(await world.run(log.deleteRecords(121))).toEqual({ errorCode: 1, lowWatermark: -1 });
    expect(await world.run(log.deleteRecords(3))).toEqual({ errorCode: 0, lowWatermark: 120 });
  });

  it('reports a request that comes while the log is being released as not done', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store, 1);
    await fill(world, log, 3);
    const released = store.release([log]);
    const deleted = log.deleteRecords(2);
    await world.run(released);
    expect(await world.run(deleted)).toEqual({ errorCode: 6, lowWatermark: -1 });
    const next = await world.open(await world.startSession(), 2);
    expect(next.startOffset).toBe(0);
  });
});
