/** What every Disk must do, run against the operating system's disk and the one in memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Disk, DiskFault } from '../../ports.ts';

export interface DiskUnderTest {
  readonly disk: Disk;
  /** An empty directory that exists. */
  readonly root: string;
  cleanUp?(): void;
}

export function diskSuite(name: string, make: () => DiskUnderTest): void {
  describe(`disk: ${name}`, () => {
    let test: DiskUnderTest;
    let disk: Disk;
    let path: string;
    beforeEach(() => {
      test = make();
      disk = test.disk;
      path = `${test.root}/a.log`;
    });
    afterEach(() => test.cleanUp?.());

    it('reads back what was written, in more parts than one call accepts', async () => {
      const file = disk.create(path);
      const parts = Array.from({ length: 2500 }, (_, i) => Buffer.from(`part ${i};`));
      const whole = Buffer.concat(parts);
      file.writeSync(parts, 0);
      await file.write(parts, whole.length);
      file.writeSync([], 5);
      expect(file.sizeBytes()).toBe(whole.length * 2);
      const target = Buffer.alloc(whole.length);
      expect(file.readSync(target, 0)).toBe(whole.length);
      expect(target.equals(whole)).toBe(true);
      target.fill(0);
      expect(await file.read(target, whole.length)).toBe(whole.length);
      expect(target.equals(whole)).toBe(true);
      file.close();
    });

    it('reads less only at the end of the file', async () => {
      const file = disk.create(path);
      file.writeSync([Buffer.from('hello')], 0);
      const target = Buffer.alloc(10);
      expect(file.readSync(target, 2)).toBe(3);
      expect(target.subarray(0, 3).toString()).toBe('llo');
      expect(file.readSync(target, 5)).toBe(0);
      expect(await file.read(target, 99)).toBe(0);
      file.close();
    });

    it('overwrites in place and fills gaps with zeroes', () => {
      const file = disk.create(path);
      file.writeSync([Buffer.from('hello')], 3);
      file.writeSync([Buffer.from('J'), Buffer.alloc(0), Buffer.from('E')], 3);
      const target = Buffer.alloc(8);
      file.readSync(target, 0);
      expect(target.toString()).toBe('\0\0\0JEllo');
      expect(file.sizeBytes()).toBe(8);
      file.close();
    });

    it('does not retain the bytes it was given', () => {
      const file = disk.create(path);
      const bytes = Buffer.from('before');
      file.writeSync([bytes], 0);
      bytes.fill('x');
      const target = Buffer.alloc(6);
      file.readSync(target, 0);
      expect(target.toString()).toBe('before');
      file.close();
    });

    it('keeps contents over close and open', async () => {
      const file = disk.create(path);
      file.writeSync([Buffer.from('kept')], 0);
      await file.datasync();
      await disk.syncDirectory(test.root);
      file.close();
      const again = disk.open(path);
      expect(again.path).toBe(path);
      expect(again.sizeBytes()).toBe(4);
      again.close();
      again.close();
      expect(() => again.sizeBytes()).toThrow('closed file');
    });

    it('closes safely during a sync', async () => {
      const file = disk.create(path);
      file.writeSync([Buffer.from('x')], 0);
      const synced = file.datasync();
      file.close();
      await synced;
    });

    it('refuses to create an existing file and to open or remove a missing one', () => {
      disk.create(path).close();
      expect(() => disk.create(path)).toThrow(DiskFault);
      expect(() => disk.create(`${test.root}/none/a.log`)).toThrow(DiskFault);
      expect(() => disk.open(`${test.root}/none`)).toThrow(DiskFault);
      expect(() => disk.remove(`${test.root}/none`)).toThrow(DiskFault);
      expect(() => disk.removeDirectory(`${test.root}/none`)).toThrow(DiskFault);
    });

    it('lists sorted names, and none for a missing directory', async () => {
      disk.makeDirectory(`${test.root}/x/y`);
      disk.makeDirectory(`${test.root}/x/y`);
      for (const name of ['b', 'a', 'c']) disk.create(`${test.root}/x/${name}`).close();
      expect(disk.list(`${test.root}/x`)).toEqual(['a', 'b', 'c', 'y']);
      expect(disk.list(test.root)).toEqual(['x']);
      expect(disk.list(`${test.root}/none`)).toEqual([]);
      expect(disk.exists(`${test.root}/x`)).toBe(true);
      expect(disk.exists(`${test.root}/x/a`)).toBe(true);
      expect(disk.exists(`${test.root}/x/z`)).toBe(false);
      await expect(disk.syncDirectory(`${test.root}/none`)).rejects.toThrow(DiskFault);
    });

    it('removes files, and directories only when empty', () => {
      disk.makeDirectory(`${test.root}/x`);
      disk.create(`${test.root}/x/a`).close();
      expect(() => disk.removeDirectory(`${test.root}/x`)).toThrow(DiskFault);
      disk.remove(`${test.root}/x/a`);
      disk.removeDirectory(`${test.root}/x`);
      expect(disk.exists(`${test.root}/x`)).toBe(false);
      expect(disk.list(test.root)).toEqual([]);
    });

    it('keeps reading a removed file that is open', () => {
      const file = disk.create(path);
      file.writeSync([Buffer.from('still here')], 0);
      disk.remove(path);
      const target = Buffer.alloc(10);
      expect(file.readSync(target, 0)).toBe(10);
      expect(target.toString()).toBe('still here');
      file.close();
    });

    it('renames a file, and its open handles keep working', () => {
      const file = disk.create(path);
      file.writeSync([Buffer.from('before')], 0);
      disk.rename(path, `${test.root}/b.log`);
      expect(disk.list(test.root)).toEqual(['b.log']);
      file.writeSync([Buffer.from('B')], 0);
      const again = disk.open(`${test.root}/b.log`);
      const target = Buffer.alloc(6);
      again.readSync(target, 0);
      expect(target.toString()).toBe('Before');
      again.close();
      file.close();
      expect(() => disk.rename(path, `${test.root}/c.log`)).toThrow(DiskFault);
    });

    it('reports how much room is left', () => {
      expect(disk.freeBytes(test.root)).toBeGreaterThan(0);
    });
  });
}
