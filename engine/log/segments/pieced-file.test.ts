import { describe, expect, it } from 'vitest';
import { crc32c } from '../../kernel/crc32c.ts';
import { below, seededRandom } from '../../kernel/random.ts';
import { DiskFault } from '../../ports.ts';
import type { PartitionLog } from '../log.ts';
import { directorySegments } from './directory-segments.ts';
import { batchOf, segmentsDirectory, topicA, World } from '../log-fixture.suite.ts';
import { MemoryDisk } from '../disk/memory-disk.ts';

describe('a pieced file', () => {
  it('reads as if its pieces had been written one after another', async () => {
    const random = seededRandom(5);
    const disk = new MemoryDisk();
    disk.makeDirectory('/wal');
    const store = directorySegments(disk, '/segments');
    const sources = [0, 1, 2].map((n) => {
      const bytes = Buffer.from(Array.from({ length: 100_000 }, () => below(random, 256)));
      const file = disk.create(`/wal/${n}`);
      file.writeSync([bytes], 0);
      return { path: file.path, bytes };
    });
    const file = store.createPieced!(
      'f-pieces',
      sources.map(({ path }) => path),
    )!;
    const parts: Buffer[] = [];
    for (let i = 0; i < 60; i++) {
      const own = Buffer.from(`own ${i}`);
      await file.write([own]);
      parts.push(own);
      // Close together, far apart, backwards, and directly after one another.
      for (let n = 0, at = below(random, 90_000); n < below(random, 5); n++) {
        const bytes = 1 + below(random, 900);
        const source = below(random, 3);
        file.place(source, at, bytes);
        parts.push(sources[source]!.bytes.subarray(at, at + bytes));
        at += bytes + [0, 64, 20_000, -bytes][below(random, 4)]!;
        if (at > 98_000) at = 0;
      }
    }
    await file.commit();
    for (const { path } of sources) disk.remove(path);
    disk.crash('none');
    const whole = Buffer.concat(parts);
    const read = store.open('f-pieces');
    expect(await read.sizeBytes()).toBe(whole.length);
    for (let i = 0; i < 300; i++) {
      const from = below(random, whole.length + 10);
      const target = Buffer.alloc(below(random, 3000));
      const got = await read.read(target, from);
      expect(target.subarray(0, got).equals(whole.subarray(from, from + target.length))).toBe(true);
    }
    read.close();
    expect(await store.list()).toEqual(['f-pieces']);
    await store.remove('f-pieces');
    expect(disk.list('/segments')).toEqual([]);
  });

  it('is whole or gone: a damaged map is reported, and the remains of a crashed one are removed', async () => {
    const disk = new MemoryDisk();
    const store = directorySegments(disk, '/segments');
    disk.create('/source').writeSync([Buffer.alloc(100, 1)], 0);
    const file = store.createPieced!('f-pieces', ['/source', '/source'])!;
    file.place(1, 10, 50);
    await file.commit();
    const read = store.open('f-pieces');
    disk.plan({ on: 'read', error: 'io', path: '/segments/f-pieces.seg' });
    await expect(read.read(Buffer.alloc(10), 0)).rejects.toThrow('EIO');
    expect(await read.sizeBytes()).toBe(50);
    read.close();
    disk.flipBit('/segments/f-pieces.seg', 8 * 12);
    await expect(store.open('f-pieces').read(Buffer.alloc(10), 0)).rejects.toThrow('no map');
    disk.remove('/segments/f-pieces.seg');
    disk.remove('/segments/f-pieces.seg.0');
    expect(await store.list()).toEqual(['f-pieces']);
    await store.remove('f-pieces');
    expect(disk.list('/segments')).toEqual([]);
  });

  it('rejects a map that makes no sense, even if its checksum holds', async () => {
    const disk = new MemoryDisk();
    const store = directorySegments(disk, '/segments');
    disk.create('/source').writeSync([Buffer.alloc(100, 1)], 0);
    const writer = store.createPieced!('f-pieces', ['/source'])!;
    await writer.write([Buffer.alloc(10, 2)]);
    writer.place(0, 10, 50);
    await writer.commit();
    const path = '/segments/f-pieces.seg';
    const whole = Buffer.alloc(disk.open(path).sizeBytes());
    disk.open(path).readSync(whole, 0);
    // The last 36 bytes are the footer, before which the map has two runs of 20 bytes.
    const footerAt = whole.length - 36;
    const mapAt = footerAt - 40;
    const wrong = [-1, 0, 7, 10, 61, 2 ** 40].flatMap((value) =>
      [mapAt, mapAt + 20, footerAt + 12].map((at) => ({ at, value })),
    );
    for (const { at, value } of wrong) {
      const bytes = Buffer.from(whole);
      bytes.writeBigInt64BE(BigInt(value), at);
      bytes.writeUInt32BE(crc32c(bytes, 0, mapAt, footerAt), footerAt + 20);
      bytes.writeUInt32BE(crc32c(bytes, 0, footerAt, footerAt + 24), footerAt + 24);
      disk.remove(path);
      disk.create(path).writeSync([bytes], 0);
      const read = store.open('f-pieces');
      const got = read.read(Buffer.alloc(60), 0).catch((error: unknown) => error);
      if (bytes.equals(whole)) expect(await got).toBe(60);
      else expect([expect.any(DiskFault), 60, 0, 7, 10, 61]).toContainEqual(await got);
      read.close();
    }
  });
});

async function fill(world: World, log: PartitionLog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await world.append(log, batchOf([`${i}`.padEnd(100, '.')]));
}

function bytesWritten(world: World): number {
  const names = world.disk.list(segmentsDirectory).filter((name) => name.endsWith('.seg'));
  return names.reduce((sum, name) => sum + world.disk.open(`${segmentsDirectory}/${name}`).sizeBytes(), 0);
}

describe('a log that is released with much that is not rolled up', () => {
  it('is published without writing its batches, which its next owner writes when there is time', async () => {
    const world = new World({ retentionIntervalMs: 1e9, copiedBytesMax: 1000, walChunkBytesMax: 4000 });
    const first = await world.startSession();
    const moved = await world.open(first, 1, { 'retention.ms': '-1' });
    const stays = await world.open(first, 1, { 'retention.ms': '-1' }, topicA, 1);
    for (let i = 0; i < 60; i++) {
      await fill(world, moved, 1);
      await fill(world, stays, 1);
    }
    const before = await world.values(moved);
    await world.run(first.release([moved]));
    expect(bytesWritten(world)).toBeLessThan(moved.sizeBytes / 2);
    // The old owner goes on, and lets go of its chunks.
    await world.run(first.rollUp());
    await fill(world, stays, 100);
    await world.run(first.close());
    const second = await world.startSession(2);
    const log = await world.open(second, 2, { 'retention.ms': '-1' });
    expect(await world.values(log)).toEqual(before);
    await fill(world, log, 3);
    await world.run(second.applyRetention());
    expect(world.disk.list(segmentsDirectory).filter((name) => !name.endsWith('.seg'))).toEqual([]);
    expect((await world.values(log)).slice(0, 60)).toEqual(before);
    expect(world.fatal).toEqual([]);
  });

  it('is whole after a power loss at any point, and leaves nothing behind', async () => {
    for (let step = 0; step < 40; step++) {
      const world = new World(
        { retentionIntervalMs: 1e9, copiedBytesMax: 0, walChunkBytesMax: 1000 },
        { slow: seededRandom(step) },
      );
      const store = await world.startSession();
      const log = await world.open(store);
      const sent = Array.from({ length: 12 }, (_, i) => world.send(log, batchOf([`${i}`.padEnd(100, '.')])));
      await world.clock.advance(50);
      expect(sent.map(([outcome]) => outcome?.errorCode)).toEqual(Array(12).fill(0));
      const before = await world.values(log);
      void store.release([log]).catch(() => undefined);
      await world.clock.advance(step);
      world.crash(step % 2 === 0 ? 'none' : seededRandom(step));
      await world.recover();
      const files = await world.files();
      const names = world.disk.list(segmentsDirectory);
      expect([...new Set(names.map((name) => name.replace(/\.seg(\.\d+)?$/, '')))]).toEqual(
        files.map(({ fileId }) => fileId),
      );
      const next = await world.open(await world.startSession());
      expect(await world.values(next)).toEqual(before);
    }
  });

  it('is written while it serves if it cannot be kept by reference', async () => {
    const world = new World({ copiedBytesMax: 0 });
    world.disk.link = () => false;
    const store = await world.startSession();
    const log = await world.open(store);
    await fill(world, log, 20);
    const before = await world.values(log);
    await world.run(store.release([log]));
    expect(world.disk.list(segmentsDirectory)).toHaveLength(1);
    expect(await world.values(await world.open(await world.startSession()))).toEqual(before);
  });

  it('is scrubbed and verified in place, and rotten bytes are not copied', async () => {
    const world = new World({
      retentionIntervalMs: 1e9,
      copiedBytesMax: 0,
      scrubBytesPerSecondMax: 0,
      syncReadBytesMax: 0,
    });
    const first = await world.startSession();
    const moved = await world.open(first, 1, { 'retention.ms': '-1' });
    await fill(world, moved, 3);
    await world.run(first.release([moved]));
    await world.run(first.close());
    const [piece] = world.disk.list(segmentsDirectory).filter((name) => name.endsWith('.seg.0'));
    // In the value of the first record.
    world.disk.flipBit(`${segmentsDirectory}/${piece!}`, (64 + 64 + 100) * 8);
    const second = await world.startSession();
    const log = await world.open(second, 2, { 'retention.ms': '-1' });
    expect((await world.read(log, 0)).errorCode).toBe(56);
    expect(await world.values(log, 1)).toHaveLength(2);
    await world.run(second.applyRetention());
    expect(world.disk.list(segmentsDirectory)).toContain(piece);
    second.scrub('start');
    await world.clock.advance(1000);
    expect(second.scrub('status')).toMatchObject({ passes: 1, unread: 0 });
    const { rows } = await world.rows.range('DAMAGE');
    expect(rows).toHaveLength(1);
    expect(world.fatal).toEqual([]);
  });
});

describe('a log whose session died with much that was not rolled up', () => {
  it('is rewritten from the point beyond which nothing proves a sync', async () => {
    const world = new World({ copiedBytesMax: 0 });
    const log = await world.open(await world.startSession());
    await fill(world, log, 20);
    // Readers see what the failed sync left in memory; to sync it once more changes nothing.
    world.disk.plan({ on: 'datasync', error: 'io' });
    const refused = world.send(log, batchOf(['not synced'.padEnd(5000, '.')]));
    await world.clock.advance(50);
    expect(world.fatal).toHaveLength(1);
    expect(refused.map(({ errorCode: code }) => code)).not.toContain(0);
    await world.recover();
    const found = await world.values(await world.open(await world.startSession()));
    expect(found).toHaveLength(21);
    expect(bytesWritten(world)).toBeLessThan(7500);
    world.crash('none');
    await world.recover();
    expect(await world.values(await world.open(await world.startSession()))).toEqual(found);
  });
});
