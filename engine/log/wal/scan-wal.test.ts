import { describe, expect, it } from 'vitest';
import { crc32c } from '../../kernel/crc32c.ts';
import { encodeBatch } from '../../records/encode.ts';
import { batchOf, topicA, World } from '../log-fixture.suite.ts';
import { DataCorrupt } from '../log.ts';
import { LogBehind } from '../dead-log.ts';
import {
  decodeChunkHeader,
  decodeRecordHeader,
  encodeChunkHeader,
  encodeRecordHeader,
  walChunkHeaderBytes,
  walRecordHeaderBytes,
} from './wal-format.ts';

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

/** Gives a chunk the salt that another program would have given it. */
function resalt(world: World, path: string, salt: number): void {
  const file = world.disk.open(path);
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  const header = decodeChunkHeader(bytes)!;
  for (let at = walChunkHeaderBytes; at < bytes.length; ) {
    const { batchBytes } = decodeRecordHeader(bytes, at, header.salt)!;
    bytes.writeUInt32BE(crc32c(bytes, salt, at + 8, at + walRecordHeaderBytes), at + 4);
    at += walRecordHeaderBytes + batchBytes;
  }
  encodeChunkHeader({ ...header, salt }).copy(bytes);
  file.writeSync([bytes], 0);
}

async function recoveredValues(world: World): Promise<string[]> {
  await world.recover();
  return world.values(await world.open(await world.startSession()));
}

const all = ['0.0', '0.1', '1.0', '1.1', '2.0', '2.1'];

describe('scan of a write-ahead log', () => {
  // A world for each byte: in two tests, each far from its time limit on a busy machine.
  it.each(['even', 'odd'])(
    'recovers a prefix whatever byte, of the %s ones, the last commit was torn at',
    async (which) => {
      const probe = await threeCommits(new World());
      for (let cut = probe.lastCommitAt; cut <= probe.size; cut++) {
        if ((cut % 2 === 0) !== (which === 'even')) continue;
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
    },
  );

  it('is not misled by producer data that looks like a log record', async () => {
    const durableLsn = 2 ** 40;
    // A salt that an older program used; any lsn is right where the chunk's own is not known.
    const forged = Buffer.alloc(walRecordHeaderBytes);
    encodeRecordHeader(forged, 0, 0, topicA, 0, batchOf(['x']), durableLsn, durableLsn);
    const tail = Buffer.alloc(1 << 16, 'HGWR');
    for (const isHeaderLost of [false, true]) {
      const world = new World({ walChunkBytesMax: 1 << 20 });
      const log = await world.open(await world.startSession());
      if (!isHeaderLost) await world.append(log, batchOf(['before']));
      const path = `${world.walDirectory}/00000000.wal`;
      const lastCommitAt = isHeaderLost ? 0 : world.disk.open(path).sizeBytes();
      await world.append(log, encodeBatch([{ key: forged, value: tail, timestampMs: 1000 }]));
      world.crash('all');
      // Torn: nothing of it was synced.
      world.syncedLsn = lastCommitAt;
      world.disk.flipBit(path, (lastCommitAt + 20) * 8);
      if (isHeaderLost) world.disk.flipBit(path, (walChunkHeaderBytes + 20) * 8);
      expect(await recoveredValues(world)).toEqual(isHeaderLost ? [] : ['before']);
    }
  });

  it('believes a chunk without a header of its own by the salt that other headers or its first record tell', async () => {
    // The salts of this program, and of older ones.
    for (const salts of [undefined, (number: number) => number, () => 0]) {
      for (const bad of [[0], [2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
        const world = new World({ walChunkBytesMax: 300 });
        const log = await world.open(await world.startSession());
        for (let i = 0; i < 9; i++) await world.append(log, batchOf([`v${i}`]));
        const names = world.disk.list(world.walDirectory);
        expect(names.length).toBeGreaterThan(3);
        world.crash('all');
        world.syncedLsn = 0;
        const paths = names.map((name) => `${world.walDirectory}/${name}`);
        if (salts) for (const [number, path] of paths.entries()) resalt(world, path, salts(number));
        const damaged = paths.filter((_, number) => bad.includes(number));
        for (const path of damaged) world.disk.flipBit(path, 20 * 8);
        await expect(world.recover()).rejects.toThrow(DataCorrupt);
        for (const path of damaged) world.disk.flipBit(path, 20 * 8);
        expect(await recoveredValues(world)).toHaveLength(9);
      }
    }
  });

  it('refuses a log that ends before the known synced length, and accepts it if none is known', async () => {
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

  it('refuses a volume from before the session', async () => {
    const world = new World();
    const { path } = await threeCommits(world);
    world.crash('all');
    world.disk.remove(path);
    world.disk.removeDirectory(world.walDirectory);
    await expect(world.recover()).rejects.toThrow(LogBehind);
  });

  it('tells a flipped bit in synced data from a torn tail', async () => {
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

  it('goes on behind the damage once an operator has given it up: it costs the logs whose records it hit', async () => {
    const damages: [name: string, change: (world: World, paths: readonly string[]) => void, lost: number][] = [
      ['a record', ({ disk }, paths) => disk.flipBit(paths[1]!, 100 * 8), 3],
      ['the header of a chunk', ({ disk }, paths) => disk.flipBit(paths[1]!, 20 * 8), 0],
      [
        'the last record of a chunk',
        ({ disk }, [, path]) => disk.flipBit(path!, (disk.open(path!).sizeBytes() - 1) * 8),
        3,
      ],
      ['a whole chunk', ({ disk }, paths) => disk.remove(paths[1]!), 9],
    ];
    for (const [name, change, lost] of damages) {
      const world = new World({ walChunkBytesMax: 500 });
      const store = await world.startSession();
      const partitions = [0, 1, 2];
      const logs = await Promise.all(partitions.map((p) => world.open(store, 1, {}, topicA, p)));
      for (let i = 0; i < 3; i++) for (const log of logs) await world.append(log, batchOf([`v${i}`]));
      const paths = world.disk.list(world.walDirectory).map((one) => `${world.walDirectory}/${one}`);
      expect(paths.length).toBeGreaterThan(2);
      world.crash('all');
      change(world, paths);
      await expect(world.recover(), name).rejects.toThrow(DataCorrupt);
      world.disk.create('/v1/given-up').close();
      await world.recover();
      const next = await world.startSession();
      let missing = 0;
      for (const p of partitions) {
        const values = await world.values(await world.open(next, 9, {}, topicA, p));
        expect(values, name).toEqual(Array.from(values, (_, i) => `v${i}`));
        missing += 3 - values.length;
      }
      expect(missing, name).toBeLessThanOrEqual(lost);
      expect(missing > 0, name).toBe(lost > 0);
      expect(world.disk.exists('/v1/given-up')).toBe(false);
    }
  });

  it('notices a chunk that is missing in the middle', async () => {
    const world = new World({ walChunkBytesMax: 300 });
    const log = await world.open(await world.startSession());
    for (let i = 0; i < 9; i++) await world.append(log, batchOf([`v${i}`]));
    world.crash('all');
    world.disk.remove(`${world.walDirectory}/00000001.wal`);
    await expect(world.recover()).rejects.toThrow(DataCorrupt);
  });

  it('drops batches of deleted topics', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['a']));
    world.crash('none');
    expect(await world.recover(() => false)).toMatchObject({ logs: [], records: 1, segmentsPublished: 0 });
    expect(world.disk.exists(world.walDirectory)).toBe(false);
  });

  it('accepts a session that never wrote', async () => {
    const world = new World();
    await world.startSession();
    world.crash('none');
    expect(await world.recover()).toMatchObject({ logs: [], records: 0 });
    expect(await world.recover()).toMatchObject({ logs: [], records: 0 });
  });
});
