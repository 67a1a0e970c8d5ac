import { describe, expect, it } from 'vitest';
import { DiskFault, DiskFull } from '../ports.ts';
import { batchOf, segmentsDirectory, topicA, World } from './log-fixture.suite.ts';
import { announcement } from './rows/change-rows.ts';
import { segmentFileId } from './rows/segment-file.ts';

describe('log store', () => {
  it('appends, reads, closes and opens again', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    const first = await world.append(log, batchOf(['a', 'b']));
    const second = await world.append(log, batchOf(['c']));
    expect([first.errorCode, first.baseOffset, second.baseOffset]).toEqual([0, 0, 2]);
    expect(log.highWatermark).toBe(3);
    expect(await world.values(log)).toEqual(['a', 'b', 'c']);
    expect(await world.values(log, 1)).toEqual(['b', 'c']);
    await world.run(store.close());
    expect(world.disk.exists(world.walDirectory)).toBe(false);
    const again = await world.open(await world.startSession());
    expect(again.highWatermark).toBe(3);
    expect(await world.values(again)).toEqual(['a', 'b', 'c']);
    expect((await world.append(again, batchOf(['d']))).baseOffset).toBe(3);
    expect(await world.values(again)).toEqual(['a', 'b', 'c', 'd']);
    expect(world.fatal).toEqual([]);
  });

  it('refuses settings out of bounds, and a roll-up threshold that can never be reached', async () => {
    await expect(new World({ leaseRetryMs: 0 }).startSession()).rejects.toMatchObject({ field: 'leaseRetryMs' });
    const world = new World({ rollUpBytes: 5000, unrolledBytesMax: 4000 });
    await expect(world.startSession()).rejects.toMatchObject({ field: 'rollUpBytes' });
  });

  it('opens each log once, and tells open logs from released ones', async () => {
    const world = new World();
    const store = await world.startSession();
    const [one, two] = await Promise.all([world.open(store), world.open(store)]);
    expect(one).toBe(two);
    expect(store.get(topicA, 0)).toBe(one);
    expect(store.get(topicA, 1)).toBeUndefined();
    await expect(world.open(store, 7)).rejects.toMatchObject({ code: 'not-owner' });
    await world.run(store.release([one]));
    expect(one.isOpen).toBe(false);
    expect(store.status().openLogs).toBe(0);
    expect((await world.open(store, 7)).leaderEpoch).toBe(7);
    await world.run(store.close());
    await expect(world.open(store, 8)).rejects.toMatchObject({ code: 'not-owner' });
  });

  it('opens a log again at a later epoch when its release has failed, and needs nothing stored for it', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store, 1);
    await world.append(log, batchOf(['a']));
    world.disk.isTaken = true;
    await expect(world.run(store.release([log]))).rejects.toBeInstanceOf(DiskFull);
    expect(log.isOpen).toBe(false);
    await expect(world.open(store, 1)).rejects.toMatchObject({ code: 'not-owner' });
    const again = await Promise.all([world.open(store, 2), world.open(store, 2)]);
    expect([again[0], again[1]]).toEqual([log, log]);
    expect([log.isOpen, log.leaderEpoch]).toEqual([true, 2]);
    expect(await world.values(log)).toEqual(['a']);
    world.disk.isTaken = false;
    expect((await world.append(log, batchOf(['b']))).errorCode).toBe(0);
    expect(await world.values(log)).toEqual(['a', 'b']);
    expect([log.epochAt(0), log.epochAt(1)]).toEqual([1, 2]);
    await world.run(store.release([log]));
    const next = await world.open(store, 3);
    expect(await world.values(next)).toEqual(['a', 'b']);
    expect(world.fatal).toEqual([]);
  });

  it('gives each further file its own name when it releases more logs than one segment file holds', async () => {
    const world = new World({ logsPerFileMax: 2 });
    const store = await world.startSession();
    const logs = await Promise.all([0, 1, 2, 3, 4].map((partition) => world.open(store, 1, {}, topicA, partition)));
    for (const log of logs) await world.append(log, batchOf([`${log.partition}`]));
    await world.run(store.release(logs));
    expect(world.fatal).toEqual([]);
    expect((await world.files()).map(({ segments }) => segments)).toEqual([2, 2, 1]);
    const again = await world.open(store, 2, {}, topicA, 4);
    expect(await world.values(again)).toEqual(['4']);
  });

  it('closes with the fault, not a failed assertion, if a recovery has removed its log meanwhile', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await world.append(log, batchOf(['a']));
    await world.run(store.rollUp());
    const { disk, walDirectory } = world;
    for (const name of disk.list(walDirectory)) disk.remove(`${walDirectory}/${name}`);
    await expect(world.run(store.close())).rejects.toMatchObject({ code: 'disk-fault' });
  });

  it('closes with all records stored although the start of a log moves while they are written', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await world.append(log, batchOf(['a']));
    await world.run(store.rollUp());
    const large = 'b'.padEnd(500, '.');
    await world.append(log, batchOf([large]));
    // The deletion of the segment, which the last roll-up means to merge, takes effect once the file is written.
    let isFirst = true;
    world.faults = ({ op }) => {
      if (op !== 'transact' || !isFirst) return undefined;
      isFirst = false;
      return { delayMs: 1_000 };
    };
    const deleting = log.deleteRecords(1);
    await world.clock.settle();
    expect(isFirst).toBe(false);
    await world.run(store.close());
    expect(await deleting).toMatchObject({ lowWatermark: 1 });
    expect(world.fatal).toEqual([]);
    expect(world.disk.exists(world.walDirectory)).toBe(false);
    const again = await world.open(await world.startSession());
    expect(await world.values(again, 1)).toEqual([large]);
  });

  it('recovers what was acknowledged before a power loss', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    for (let i = 0; i < 50; i++) await world.append(log, batchOf([`v${i}`.padEnd(100, '.')]));
    world.crash('none');
    const recovery = await world.recover();
    expect(recovery.logs).toEqual([{ topicId: log.topicId, partition: 0, endOffset: 50, batches: 50 }]);
    expect(world.disk.exists(world.walDirectory)).toBe(false);
    const again = await world.open(await world.startSession());
    expect((await world.values(again)).map((v) => v.replaceAll('.', ''))).toEqual(
      Array.from({ length: 50 }, (_, i) => `v${i}`),
    );
  });

  it('keeps serving, and removes all other files, while one emptied file cannot be removed', async () => {
    const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 30 * 24 * 3_600_000 });
    let refused: string | undefined;
    const remove = world.disk.remove.bind(world.disk);
    world.disk.remove = (path) => {
      if (path === refused) throw new DiskFault(`remove ${path}: EPERM`);
      remove(path);
    };
    const paths = (): string[] => world.disk.list(segmentsDirectory).map((name) => `${segmentsDirectory}/${name}`);
    const store = await world.startSession();
    const log = await world.open(store);
    for (const value of ['a', 'b', 'c']) {
      await world.append(log, batchOf([value]));
      await world.run(store.rollUp());
    }
    [refused] = paths();
    await world.run(log.deleteRecords(2));
    await world.run(store.applyRetention());
    expect(paths()).toHaveLength(2);
    // Every session sweeps what earlier ones left, and this file must not end it.
    await world.run(store.close());
    const next = await world.startSession();
    await world.run(next.applyRetention());
    expect(world.fatal).toEqual([]);
    expect(paths()).toContain(refused);
    refused = undefined;
    await world.run(next.applyRetention());
    expect(paths()).toHaveLength(1);
  });

  it('goes on when a roll-up finds no room and what it wrote cannot be removed', async () => {
    const world = new World({ copiedBytesMax: 50 });
    const { disk } = world;
    const remove = disk.remove.bind(disk);
    let isRefused = true;
    disk.remove = (path) => {
      if (isRefused && path.startsWith(segmentsDirectory)) throw new DiskFault(`remove ${path}: EPERM`);
      remove(path);
    };
    const link = disk.link.bind(disk);
    const store = await world.startSession();
    const log = await world.open(store);
    await world.append(log, batchOf(['a'.repeat(100)]));
    disk.isTaken = true;
    await expect(world.run(store.rollUp())).rejects.toBeInstanceOf(DiskFull);
    disk.isTaken = false;
    // The same where the file refers to the write-ahead log: no second name can be made, and the file stays.
    disk.link = () => false;
    await world.run(store.release([log]));
    disk.link = link;
    expect(world.fatal).toEqual([]);
    const again = await world.open(store, 2);
    expect(await world.values(again)).toEqual(['a'.repeat(100)]);
    isRefused = false;
    await world.run(store.applyRetention());
    expect(disk.list(segmentsDirectory)).toHaveLength(1);
    expect(await world.files()).toHaveLength(1);
  });

  it('ends, and is recovered, while an announced and unused file cannot be removed', async () => {
    const world = new World();
    let isRefused = true;
    const fileIds = new Set<string>();
    const { disk } = world;
    const remove = disk.remove.bind(disk);
    disk.remove = (path) => {
      if (isRefused && path.startsWith(segmentsDirectory)) throw new DiskFault(`remove ${path}: EPERM`);
      remove(path);
    };
    const unused = async (n: number): Promise<void> => {
      const fileId = segmentFileId(1, world.sessionEpoch, 90 + n, n);
      fileIds.add(fileId);
      await world.rows.transact([announcement(fileId, 1)]);
      disk.create(`${segmentsDirectory}/${fileId}.seg`).close();
    };
    const store = await world.startSession();
    for (const n of [1, 2]) await unused(n);
    await world.run(store.close());
    await world.startSession();
    for (const n of [3, 4]) await unused(n);
    world.crash('all');
    await world.recover();
    expect(disk.exists(world.walDirectory)).toBe(false);
    expect((await world.files()).map(({ fileId }) => fileId).sort()).toEqual([...fileIds].sort());
    isRefused = false;
    const last = await world.startSession();
    await world.run(last.applyRetention());
    expect(await world.files()).toEqual([]);
    expect(disk.list(segmentsDirectory)).toEqual([]);
  });
});
