/** Chunks of the write-ahead log that are written over: what they held before never comes back. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../kernel/random.ts';
import type { LogStore, PartitionLog } from '../log.ts';
import { batchOf, World } from '../log-fixture.suite.ts';
import { isWalSpare } from './wal-format.ts';

const spares = (world: World): string[] => world.disk.list(world.walDirectory).filter(isWalSpare);

async function answered(world: World, log: PartitionLog, value: string): Promise<void> {
  const outcomes = world.send(log, batchOf([value]));
  while (outcomes.length === 0) await world.clock.advance(1);
}

/** Some chunks full of records, all of them in segments: only the last one is part of the log still. */
async function usedUp(world: World): Promise<{ store: LogStore; log: PartitionLog; values: string[] }> {
  const store = await world.startSession();
  const log = await world.open(store);
  const values: string[] = [];
  for (let i = 0; i < 12; i++) {
    values.push(`first ${i}`);
    await answered(world, log, `first ${i}`);
  }
  await world.run(store.rollUp());
  for (let ms = 0; ms < 50; ms++) await world.clock.advance(1);
  return { store, log, values };
}

/** Paths of files that are synced from now on. */
function syncsOf(world: World): string[] {
  const synced: string[] = [];
  const { disk } = world;
  for (const name of ['create', 'open'] as const) {
    const make = disk[name].bind(disk);
    disk[name] = (path) => {
      const file = make(path);
      const datasync = file.datasync.bind(file);
      return Object.assign(file, {
        datasync: () => {
          synced.push(path);
          return datasync();
        },
      });
    };
  }
  return synced;
}

describe('a chunk that is no longer needed', () => {
  it('is dropped without a sync of the next one if no append waits for a sync', async () => {
    for (const durability of ['page-cache', 'fsync'] as const) {
      const world = new World({ walChunkBytesMax: 400, durability });
      const synced = syncsOf(world);
      await usedUp(world);
      expect(spares(world)).toHaveLength(4);
      expect(synced.some((path) => path.endsWith('.wal'))).toBe(durability === 'fsync');
    }
  });

  it('is kept for reuse, up to a few of them, and removed with the session', async () => {
    const world = new World({ walChunkBytesMax: 400 });
    const { store, log } = await usedUp(world);
    expect(spares(world)).toHaveLength(4);
    for (let i = 0; spares(world).length > 0; i++) await world.append(log, batchOf([`second ${i}`]));
    expect(store.status().walChunks).toBe(world.disk.list(world.walDirectory).length);
    await world.run(store.close());
    expect(world.disk.exists(world.walDirectory)).toBe(false);
  });

  it('shows a recovery only what was written over it', async () => {
    for (const keep of ['none', 'all'] as const) {
      const world = new World({ walChunkBytesMax: 400 });
      const { log, values } = await usedUp(world);
      const before = spares(world).length;
      for (let i = 0; spares(world).length === before; i++) {
        values.push(`second ${i}`);
        await world.append(log, batchOf([`second ${i}`]));
      }
      world.crash(keep);
      const { ignoredBytes } = await world.recover();
      // The rest of the chunk: records with good checksums of their own.
      expect(ignoredBytes).toBeGreaterThan(0);
      expect(world.disk.exists(world.walDirectory)).toBe(false);
      expect(await world.values(await world.open(await world.startSession()))).toEqual(values);
    }
  });

  it('does not count as damage if a power loss takes its new header and nothing older is left', async () => {
    let lost = 0;
    for (let seed = 0; seed < 60; seed++) {
      const world = new World({ walChunkBytesMax: 400 }, { slow: seededRandom(seed) });
      const { store, log, values } = await usedUp(world);
      // One at a time and into a segment at once, two to a chunk: the third opens a chunk when all older ones are used up.
      for (const value of ['second 0', 'second 1']) {
        values.push(value);
        await answered(world, log, value);
        await world.run(store.rollUp());
      }
      const acknowledged = values.length;
      values.push('second 2');
      const outcome = world.send(log, batchOf(['second 2']));
      await world.clock.settle();
      for (let ms = 0; ms < seed % 3; ms++) await world.clock.advance(1);
      const expected = acknowledged + outcome.length;
      world.crash(seededRandom(seed + 1000));
      await world.recover();
      const survived = await world.values(await world.open(await world.startSession()));
      expect(survived).toEqual(values.slice(0, survived.length));
      expect(survived.length).toBeGreaterThanOrEqual(expected);
      if (survived.length < values.length) lost++;
    }
    expect(lost).toBeGreaterThan(0);
  });
});
