import { describe, expect, it } from 'vitest';
import { encodeBatch } from '../../records/encode.ts';
import { batchOf, topicA, World } from '../log-fixture.suite.ts';
import { DataCorrupt } from '../log.ts';
import { LogBehind } from '../dead-log.ts';
import { encodeRecordHeader, walRecordHeaderBytes, walSalt } from './wal-format.ts';

/** Three commits of two batches each, in one chunk; returns the chunk's path and where the last commit begins. */
async function threeCommits(world: World): Promise<{ path: string; lastCommitAt: number; size: number }> {
  const log = await world.open(await world.startSession());
  const path = `${world.walDirectory}/00000000.wal`;
  let lastCommitAt = 0;
  for (let commit = 0; commit < 3; commit++) {
    lastCommitAt = world.disk.exists(path) ? world.disk.open(path).sizeBytes() : 0;
    const sent = [0, 1].map((i) => world.send(log, batchOf([`${commit}.${i}`])));
    await world.clock.settle();
    expect(sent.flat()).toHaveLength(2);
  }
  return { path, lastCommitAt, size: world.disk.open(path).sizeBytes() };
}

async function recoveredValues(world: World): Promise<string[]> {
  await world.recover();
  return world.values(await world.open(await world.startSession()));
}

const all = ['0.0', '0.1', '1.0', '1.1', '2.0', '2.1'];

describe('scan of a write-ahead log', () => {
  it('recovers a prefix whatever byte the last commit was torn at', async () => {
    const probe = await threeCommits(new World());
    for (let cut = probe.lastCommitAt; cut <= probe.size; cut++) {
      const world = new World();
      const { path } = await threeCommits(world);
      world.crash('all');
      world.syncedLsn = probe.lastCommitAt;
      const whole = Buffer.alloc(cut);
      world.disk.open(path).readSync(whole, 0);
      world.disk.remove(path);
      world.disk.create(path).writeSync([whole], 0);
      const values = await recoveredValues(world);
      expect(values.length).toBeGreaterThanOrEqual(4);
      expect(values).toEqual(all.slice(0, values.length));
    }
  });

  it('takes no word from what a producer sent, even if it looks like a record of the log', async () => {
    const world = new World({ walChunkBytesMax: 1 << 20 });
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['before']));
    const path = `${world.walDirectory}/00000000.wal`;
    const lastCommitAt = world.disk.open(path).sizeBytes();
    const forged = Buffer.alloc(walRecordHeaderBytes);
    const durableLsn = 2 ** 40;
    encodeRecordHeader(forged, 0, walSalt(0), topicA, 0, batchOf(['x']), durableLsn, durableLsn);
    const tail = Buffer.alloc(1 << 16, 'HGWR');
    await world.append(log, encodeBatch([{ key: forged, value: tail, timestampMs: 1000 }]));
    world.crash('all');
    // Torn: nothing of it was synced.
    world.syncedLsn = lastCommitAt;
    world.disk.flipBit(path, (lastCommitAt + 20) * 8);
    expect(await recoveredValues(world)).toEqual(['before']);
  });

  it('refuses a log that ends before what was known to be on the disk, and takes it when nothing is known', async () => {
    const probe = await threeCommits(new World());
    for (const cut of [0, 10, probe.lastCommitAt, probe.size - 1]) {
      const world = new World();
      const { path } = await threeCommits(world);
      world.crash('all');
      expect(world.syncedLsn).toBe(probe.size);
      const whole = Buffer.alloc(cut);
      world.disk.open(path).readSync(whole, 0);
      world.disk.remove(path);
      world.disk.create(path).writeSync([whole], 0);
      await expect(world.recover()).rejects.toThrow(LogBehind);
      await expect(world.recover()).rejects.toThrow(/had been synced to the disk up to byte 874/);
      expect((await world.rows.range('FILE')).rows).toEqual([]);
      world.syncedLsn = 0;
      const values = await recoveredValues(world);
      expect(values).toEqual(all.slice(0, values.length));
    }
  });

  it('refuses a volume of before the session', async () => {
    const world = new World();
    const { path } = await threeCommits(world);
    world.crash('all');
    world.disk.remove(path);
    world.disk.removeDirectory(world.walDirectory);
    await expect(world.recover()).rejects.toThrow(LogBehind);
  });

  it('tells a flipped bit in what was synced from a torn tail', async () => {
    const probe = await threeCommits(new World());
    for (let byte = 0; byte < probe.size; byte += 3) {
      const world = new World();
      const { path } = await threeCommits(world);
      world.crash('all');
      world.syncedLsn = 0;
      world.disk.flipBit(path, byte * 8 + (byte % 8));
      // The last commit's records were written when two commits were known to be durable: they bear witness.
      if (byte < probe.lastCommitAt) {
        await expect(world.recover()).rejects.toThrow(DataCorrupt);
        await expect(world.recover()).rejects.toMatchObject({ path });
        expect((await world.rows.range('FILE')).rows).toEqual([]);
      } else {
        const values = await recoveredValues(world);
        expect(values).toEqual(all.slice(0, values.length));
        expect(values.length).toBeGreaterThanOrEqual(4);
      }
    }
  });

  it('finds damage in one chunk by the records of the next', async () => {
    const world = new World({ walChunkBytesMax: 300 });
    const log = await world.open(await world.startSession());
    for (let i = 0; i < 9; i++) await world.append(log, batchOf([`v${i}`]));
    expect(world.disk.list(world.walDirectory).length).toBeGreaterThan(3);
    world.crash('all');
    world.disk.flipBit(`${world.walDirectory}/00000001.wal`, 100 * 8);
    await expect(world.recover()).rejects.toThrow(DataCorrupt);
  });

  it('notices a chunk that is missing in the middle', async () => {
    const world = new World({ walChunkBytesMax: 300 });
    const log = await world.open(await world.startSession());
    for (let i = 0; i < 9; i++) await world.append(log, batchOf([`v${i}`]));
    world.crash('all');
    world.disk.remove(`${world.walDirectory}/00000001.wal`);
    await expect(world.recover()).rejects.toThrow(DataCorrupt);
  });

  it('drops what the WAL has of deleted topics', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['a']));
    world.crash('none');
    expect(await world.recover(() => false)).toMatchObject({ logs: [], records: 1, segmentsPublished: 0 });
    expect(world.disk.exists(world.walDirectory)).toBe(false);
  });

  it('is content with a session that never wrote', async () => {
    const world = new World();
    await world.startSession();
    world.crash('none');
    expect(await world.recover()).toMatchObject({ logs: [], records: 0 });
    expect(await world.recover()).toMatchObject({ logs: [], records: 0 });
  });
});
