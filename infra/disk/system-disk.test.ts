import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diskSuite } from '../../engine/log/disk/disk.suite.ts';
import { DiskFault, DiskFull } from '../../engine/ports.ts';
import { dropBytes, systemDisk } from './system-disk.ts';

diskSuite('system', () => {
  const root = mkdtempSync(join(tmpdir(), 'headgate-disk-'));
  return { disk: systemDisk, root, cleanUp: () => rmSync(root, { recursive: true, force: true }) };
});

/** Empty for a descriptor that was closed while we looked. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

describe('system disk', () => {
  it('drops what the kernel has written, in whatever part it stopped', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 9 }), { minLength: 1, maxLength: 8 }),
        fc.nat(72),
        (parts, taken) => {
          const whole = Buffer.concat(parts);
          const bytes = Math.max(1, Math.min(taken, whole.length));
          if (whole.length === 0) return;
          expect(Buffer.concat(dropBytes(parts, bytes)).equals(whole.subarray(bytes))).toBe(true);
        },
      ),
    );
  });

  // The kernel's own full disk: every write fails with ENOSPC.
  it.skipIf(!existsSync('/dev/full'))('calls a full disk DiskFull, on both paths', async () => {
    const file = systemDisk.open('/dev/full');
    expect(() => file.writeSync([Buffer.from('x')], 0)).toThrow(DiskFull);
    await expect(file.write([Buffer.from('x')], 0)).rejects.toThrow(/write \/dev\/full: ENOSPC/);
    // A device cannot be synced, which stands for every failing sync: the second try is refused without a system call.
    await expect(file.datasync()).rejects.toThrow(DiskFault);
    await expect(file.datasync()).rejects.toThrow('an earlier sync failed');
    file.close();
  });

  it.skipIf(!existsSync('/proc/self/fd'))('frees removed files, however many at once', async () => {
    const root = mkdtempSync(join(tmpdir(), 'headgate-disk-'));
    for (let i = 0; i < 400; i++) {
      const file = systemDisk.create(`${root}/${i}`);
      file.writeSync([Buffer.from('x')], 0);
      systemDisk.remove(file.path);
      file.close();
    }
    const held = (): number =>
      readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith(`${root}/`)).length;
    while (held() > 0) await new Promise((resolve) => setImmediate(resolve));
    rmSync(root, { recursive: true });
  });

  it('names path and errno in a DiskFault', () => {
    expect(() => systemDisk.open('/nowhere/at/all')).toThrow('open /nowhere/at/all: ENOENT');
  });
});
