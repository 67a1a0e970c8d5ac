import { describe, expect, it } from 'vitest';
import { batchOf, segmentsDirectory, topicA, topicB, World } from '../log-fixture.suite.ts';
import type { LogStore, PartitionLog } from '../log.ts';

async function fill(world: World, log: PartitionLog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await world.append(log, batchOf([`${i}`.padEnd(100, '.')]));
}

function bytesOnDisk(world: World): number {
  return world.disk
    .list(segmentsDirectory)
    .map((name) => world.disk.open(`${segmentsDirectory}/${name}`).sizeBytes())
    .reduce((sum, bytes) => sum + bytes, 0);
}

/** A log that keeps everything in `files` files, each shared with nine times as much of one that will be deleted. */
async function shared(
  world: World,
  files: number,
): Promise<{ store: LogStore; kept: PartitionLog; gone: PartitionLog }> {
  const store = await world.startSession();
  const kept = await world.open(store, 1, { 'retention.ms': '-1' }, topicA);
  const gone = await world.open(store, 1, { 'retention.ms': '-1' }, topicB);
  for (let i = 0; i < files; i++) {
    await fill(world, kept, 2);
    await fill(world, gone, 18);
    await world.run(store.rollUp());
  }
  return { store, kept, gone };
}

describe('sparse segment files', () => {
  it('are replaced by one that holds their live data, unnoticed by readers', async () => {
    const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 1e9 });
    const { store, kept, gone } = await shared(world, 6);
    const before = bytesOnDisk(world);
    const [, reading] = [await world.values(kept), kept.read(0, 700, true)];
    await world.run(store.forget([gone]));
    expect(world.disk.list(segmentsDirectory)).toHaveLength(6);
    await world.run(store.applyRetention());
    expect((await reading).errorCode).toBe(0);
    expect(world.disk.list(segmentsDirectory)).toHaveLength(1);
    expect(bytesOnDisk(world)).toBeLessThan(before * 0.3);
    expect(await world.files()).toMatchObject([{ segments: 6 }]);
    expect(await world.values(kept)).toHaveLength(12);
    // Nothing is sparse any more, so nothing is written again.
    const name = world.disk.list(segmentsDirectory);
    await world.run(store.applyRetention());
    expect(world.disk.list(segmentsDirectory)).toEqual(name);
    await world.run(store.close());
    const again = await world.open(await world.startSession());
    expect([again.epochAt(0), (await world.values(again)).length]).toEqual([1, 12]);
  });

  it('stay if a segment in them is damaged: bad bytes are not copied', async () => {
    const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 1e9, syncReadBytesMax: 0 });
    const { store, kept, gone } = await shared(world, 2);
    const [first] = world.disk.list(segmentsDirectory);
    await world.run(store.forget([gone]));
    world.disk.flipBit(`${segmentsDirectory}/${first!}`, (8 + 100) * 8);
    await world.run(store.applyRetention());
    expect(world.disk.list(segmentsDirectory)).toHaveLength(2);
    expect(world.disk.list(segmentsDirectory)).toContain(first);
    expect((await world.read(kept, 0)).errorCode).toBe(56);
    expect((await world.values(kept, 2)).length).toBe(2);
    expect(world.fatal).toEqual([]);
  });

  it('are cleaned up after a power loss at any point', async () => {
    for (let step = 0; step < 40; step++) {
      const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 1e9 });
      const { store, gone } = await shared(world, 3);
      await world.run(store.forget([gone]));
      let calls = 0;
      world.faults = () => (++calls > step ? { delayMs: Infinity } : {});
      void store.applyRetention().catch(() => undefined);
      await world.clock.advance(100);
      const isDone = calls <= step;
      world.crash('none');
      world.faults = () => undefined;
      await world.recover((topicId) => topicId === topicA);
      const next = await world.startSession();
      const log = await world.open(next);
      expect(await world.values(log)).toHaveLength(6);
      await world.run(next.applyRetention());
      expect(world.disk.list(segmentsDirectory)).toHaveLength(1);
      expect(await world.values(log)).toHaveLength(6);
      if (isDone) return;
    }
    throw new Error('more steps than were tried');
  });
});
