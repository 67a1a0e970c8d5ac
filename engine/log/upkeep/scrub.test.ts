import { describe, expect, it } from 'vitest';
import { DiskFault } from '../../ports.ts';
import { batchOf, segmentsDirectory, World } from '../log-fixture.suite.ts';
import type { LogStore, PartitionLog } from '../log.ts';
import { decodeDamage } from '../rows/damage.ts';

async function fill(world: World, log: PartitionLog, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await world.append(log, batchOf([`${i}`.padEnd(100, '.')]));
}

async function damageOf(world: World): Promise<ReturnType<typeof decodeDamage>[]> {
  const { rows } = await world.rows.range('DAMAGE');
  return rows.map((row) => decodeDamage(row.sk, row.value));
}

async function pass(world: World, store: LogStore): Promise<void> {
  store.scrub('start');
  for (let i = 0; i < 2000 && store.scrub('status').state !== 'waiting'; i++) await world.clock.advance(5);
}

/** Three files of one log each some batches long. */
async function three(world: World): Promise<{ store: LogStore; log: PartitionLog; paths: string[] }> {
  const store = await world.startSession();
  const log = await world.open(store, 1, { 'retention.ms': '-1' });
  for (let i = 0; i < 3; i++) {
    await fill(world, log, i * 4, i * 4 + 4);
    await world.run(store.rollUp());
  }
  const paths = world.disk.list(segmentsDirectory).map((name) => `${segmentsDirectory}/${name}`);
  expect(paths).toHaveLength(3);
  return { store, log, paths };
}

describe('the scrub', () => {
  it('reports damage for as long as it exists, and nothing else', async () => {
    const world = new World({ mergeBytesMax: 0 });
    const { store, log, paths } = await three(world);
    await pass(world, store);
    expect(store.scrub('status')).toMatchObject({ passes: 1, files: 3, filesOfPass: 3, damaged: 0, unread: 0 });
    world.disk.flipBit(paths[1]!, (8 + 100) * 8);
    await pass(world, store);
    const [row, ...more] = await damageOf(world);
    expect(more).toEqual([]);
    expect(row).toMatchObject({ partition: 0, fromOffset: 4, toOffset: 8, what: 'the checksum does not hold' });
    expect((await world.read(log, 4)).errorCode).toBe(56);
    expect((await world.read(log, 8)).errorCode).toBe(0);
    await pass(world, store);
    expect(await damageOf(world)).toEqual([row]);
    // Somebody brings the file back.
    world.disk.flipBit(paths[1]!, (8 + 100) * 8);
    await pass(world, store);
    expect(await damageOf(world)).toEqual([]);
    expect((await world.read(log, 4)).errorCode).toBe(0);
    world.disk.remove(paths[2]!);
    await pass(world, store);
    expect(await damageOf(world)).toMatchObject([{ position: 0, what: expect.stringContaining('ENOENT') as string }]);
    await world.run(log.deleteRecords(-1));
    await pass(world, store);
    expect(await damageOf(world)).toEqual([]);
  });

  it('checks at once where a reader was refused', async () => {
    const world = new World({ mergeBytesMax: 0, scrubDelayMs: 1e9 });
    const { log, paths } = await three(world);
    world.disk.flipBit(paths[0]!, (8 + 100) * 8);
    expect((await world.read(log, 0)).errorCode).toBe(56);
    await world.clock.advance(50);
    expect(await damageOf(world)).toMatchObject([{ fromOffset: 0, toOffset: 4 }]);
  });

  it('checks at once for a file that a reader did not find', async () => {
    const world = new World({ mergeBytesMax: 0, scrubDelayMs: 1e9 });
    const { log, paths } = await three(world);
    world.disk.remove(paths[1]!);
    expect((await world.read(log, 4)).errorCode).toBe(56);
    await world.clock.advance(50);
    expect(await damageOf(world)).toMatchObject([{ position: 0, what: expect.stringContaining('ENOENT') as string }]);
  });

  it('makes a requested pass while it checks what readers reported, and checks that once', async () => {
    const world = new World({ mergeBytesMax: 0, scrubDelayMs: 1e9, scrubBytesPerSecondMax: 10_000 });
    const { store, log, paths } = await three(world);
    world.disk.flipBit(paths[0]!, (8 + 100) * 8);
    expect((await world.read(log, 0)).errorCode).toBe(56);
    expect(store.scrub('status').state).toBe('running');
    await pass(world, store);
    expect(store.scrub('status')).toMatchObject({ passes: 1, files: 3, damaged: 2 });
    for (let i = 0; i < 5; i++) {
      expect((await world.read(log, 0)).errorCode).toBe(56);
      await world.clock.advance(1000);
    }
    expect(store.scrub('status').damaged).toBe(3);
  });

  it('keeps its rate, waits while paused, and repeats by itself', async () => {
    const rate = 1000;
    const world = new World({
      mergeBytesMax: 0,
      scrubBytesPerSecondMax: rate,
      scrubDelayMs: 1000,
      scrubIntervalMs: 600_000,
    });
    const { store } = await three(world);
    await world.clock.advance(1000);
    const startMs = world.clock.monotonicMs();
    const before = store.scrub('status').bytes;
    await world.clock.advance(1500);
    const { bytes, state } = store.scrub('status');
    expect(state).toBe('running');
    expect(bytes - before).toBeGreaterThan(0);
    // One read may be on credit.
    expect(bytes - before).toBeLessThanOrEqual((rate * (world.clock.monotonicMs() - startMs)) / 1000 + 1200);
    store.scrub('pause');
    await world.clock.advance(2000);
    const held = store.scrub('status');
    await world.clock.advance(60_000);
    expect(store.scrub('status')).toEqual(held);
    expect(held.state).toBe('paused');
    store.scrub('resume');
    await world.clock.advance(60_000);
    expect(store.scrub('status')).toMatchObject({ state: 'waiting', passes: 1 });
    await world.clock.advance(700_000);
    expect(store.scrub('status').passes).toBe(2);
    await world.run(store.close());
    await world.clock.advance(1_000_000);
    expect(store.scrub('status').passes).toBe(2);
  });

  it('repairs a rotten write-ahead log while memory still holds its contents', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 0, 30);
    const [chunk] = world.disk.list(world.walDirectory);
    world.disk.flipBit(`${world.walDirectory}/${chunk!}`, 300 * 8);
    await pass(world, store);
    expect(store.scrub('status').damaged).toBe(1);
    expect(store.status().unrolledBytes).toBe(0);
    world.crash('none');
    await world.recover();
    const again = await world.open(await world.startSession());
    expect(await world.values(again)).toHaveLength(30);
  });

  it('removes files that have had no row for long, as far as the disk allows', async () => {
    const world = new World({ orphanGraceMs: 10_000, mergeBytesMax: 0, scrubBytesPerSecondMax: 0 });
    const { paths } = await three(world);
    const mine = paths[0]!.replace(/-[0-9a-f]+\.seg$/, '-ffffffff.seg');
    const other = `${segmentsDirectory}/b000002-e0000000009-00000000-ffffffff.seg`;
    const stuck = mine.replace('-ffffffff.seg', '-00000000.seg');
    const remove = world.disk.remove.bind(world.disk);
    world.disk.remove = (path) => {
      if (path === stuck) throw new DiskFault(`remove ${path}: EPERM`);
      remove(path);
    };
    for (const path of [mine, other, stuck]) world.disk.create(path).close();
    await world.clock.advance(10_500);
    expect(world.disk.exists(mine)).toBe(true);
    await world.clock.advance(10_500);
    expect([world.disk.exists(mine), world.disk.exists(stuck)]).toEqual([false, true]);
    expect([other, ...paths].every((path) => world.disk.exists(path))).toBe(true);
  });

  it('divides the files of slots that are not in service', async () => {
    const world = new World({ mergeBytesMax: 0 });
    const third = await world.startSession(3);
    await fill(world, await world.open(third), 0, 3);
    await world.run(third.close());
    const [name] = world.disk.list(segmentsDirectory);
    world.disk.flipBit(`${segmentsDirectory}/${name!}`, 9 * 8);
    world.servedSlots = [1, 2];
    const looked: number[] = [];
    for (const brokerId of [1, 2]) {
      const store = await world.startSession(brokerId);
      await pass(world, store);
      looked.push(store.scrub('status').filesOfPass);
    }
    expect(looked.toSorted((a, b) => a - b)).toEqual([0, 1]);
    expect(await damageOf(world)).toHaveLength(1);
  });
});
