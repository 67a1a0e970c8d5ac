import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../kernel/random.ts';
import { type DiskFile, DiskFault, DiskFull } from '../../ports.ts';
import { diskSuite } from './disk.suite.ts';
import { MemoryDisk, type MemoryDiskOptions } from './memory-disk.ts';

function make(options?: MemoryDiskOptions): MemoryDisk {
  const disk = new MemoryDisk(options);
  disk.makeDirectory('/v');
  return disk;
}

function contents(file: DiskFile): Buffer {
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  return bytes;
}

diskSuite('memory', () => ({ disk: make(), root: '/v' }));

describe('memory disk: crashes', () => {
  it('keeps what was synced and, in the harshest case, nothing else', async () => {
    const disk = make();
    const file = disk.create('/v/a');
    file.writeSync([Buffer.from('durable')], 0);
    await file.datasync();
    await disk.syncDirectory('/v');
    file.writeSync([Buffer.from(' and not')], 7);
    disk.create('/v/b');
    disk.crash('none');
    expect(disk.list('/v')).toEqual(['a']);
    expect(contents(disk.open('/v/a')).toString()).toBe('durable');
    expect(() => file.writeSync([Buffer.from('zombie')], 0)).toThrow(DiskFault);
  });

  it('restores a name whose removal was not synced', async () => {
    const disk = make();
    disk.create('/v/a');
    await disk.syncDirectory('/v');
    disk.remove('/v/a');
    disk.crash('none');
    expect(disk.exists('/v/a')).toBe(true);
    disk.remove('/v/a');
    await disk.syncDirectory('/v');
    disk.crash('none');
    expect(disk.exists('/v/a')).toBe(false);
  });

  it('tears unsynced writes at sectors only, the same way for the same seed', async () => {
    const run = async (seed: number): Promise<Buffer> => {
      const disk = make();
      const file = disk.create('/v/a');
      await disk.syncDirectory('/v');
      file.writeSync([Buffer.alloc(700, 1)], 0);
      await file.datasync();
      file.writeSync([Buffer.alloc(2000, 2)], 700);
      disk.crash(seededRandom(seed));
      return contents(disk.open('/v/a'));
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const bytes = await run(seed);
        expect((await run(seed)).equals(bytes)).toBe(true);
        expect(bytes.subarray(0, 700).equals(Buffer.alloc(700, 1))).toBe(true);
        for (let from = 700; from < bytes.length; from = (Math.floor(from / 512) + 1) * 512) {
          const sector = bytes.subarray(from, Math.min(bytes.length, (Math.floor(from / 512) + 1) * 512));
          expect(new Set(sector).size).toBe(1);
        }
      }),
    );
  });

  it('a sync covers the writes before it, and counts only once it has ended', async () => {
    let release: () => void = () => undefined;
    const disk = make({
      latency: (call) => (call === 'datasync' ? new Promise((done) => (release = done)) : Promise.resolve()),
    });
    const file = disk.create('/v/a');
    await disk.syncDirectory('/v');
    file.writeSync([Buffer.from('one')], 0);
    const first = file.datasync();
    file.writeSync([Buffer.from('two')], 3);
    release();
    await first;
    const second = file.datasync();
    disk.crash('none');
    release();
    await expect(second).rejects.toThrow(DiskFault);
    expect(contents(disk.open('/v/a')).toString()).toBe('one');
  });
});

describe('memory disk: faults', () => {
  it('a full disk accepts what fits', () => {
    const disk = make({ capacityBytes: 10 });
    const file = disk.create('/v/a');
    file.writeSync([Buffer.from('12345678')], 0);
    expect(disk.freeBytes()).toBe(2);
    expect(() => file.writeSync([Buffer.from('abcd')], 8)).toThrow(DiskFull);
    expect(contents(file).toString()).toBe('12345678ab');
    file.writeSync([Buffer.from('X')], 0);
    expect(contents(file).toString()).toBe('X2345678ab');
  });

  it('planned faults hit the next matching call, once', async () => {
    const disk = make();
    const file = disk.create('/v/a');
    disk.plan({ on: 'write', error: 'full', afterBytes: 3 });
    disk.plan({ on: 'write', error: 'io', path: '/v/b' });
    expect(() => file.writeSync([Buffer.from('12345')], 0)).toThrow(DiskFull);
    expect(contents(file).toString()).toBe('123');
    file.writeSync([Buffer.from('45')], 3);
    await expect(disk.create('/v/b').write([Buffer.from('x')], 0)).rejects.toThrow('EIO');
    disk.plan({ on: 'write', error: 'io', afterBytes: 2 });
    expect(() => file.writeSync([Buffer.from('678')], 5)).toThrow('EIO');
    expect(contents(file).toString()).toBe('1234567');
    disk.plan({ on: 'read', error: 'io' });
    expect(() => contents(file)).toThrow('EIO');
    expect(contents(file).toString()).toBe('1234567');
  });

  it('a failed sync loses the data, although it can still be read, and cannot be repeated', async () => {
    const disk = make();
    const file = disk.create('/v/a');
    await disk.syncDirectory('/v');
    file.writeSync([Buffer.from('lost')], 0);
    disk.plan({ on: 'datasync', error: 'io' });
    await expect(file.datasync()).rejects.toThrow(DiskFault);
    await expect(file.datasync()).rejects.toThrow('an earlier sync failed');
    expect(contents(file).toString()).toBe('lost');
    disk.crash('all');
    expect(disk.open('/v/a').sizeBytes()).toBe(0);
  });

  it('flips one bit, durably', async () => {
    const disk = make();
    const file = disk.create('/v/a');
    file.writeSync([Buffer.from([0, 0])], 0);
    await file.datasync();
    disk.flipBit('/v/a', 9);
    expect([...contents(file)]).toEqual([0, 2]);
    disk.crash('all');
    expect([...contents(disk.open('/v/a'))]).toEqual([0, 2]);
  });
});
