/**
 * Whether what is to be written could be: one look at each place, for whoever asks whether an installation is ready. A disk
 * that does not answer is trouble too, and must hold up nobody: looks are made on the thread pool, and waited for a while.
 */
import { constants } from 'node:fs';
import { access, stat, statfs, utimes } from 'node:fs/promises';
import type { Clock } from '../../engine/kernel/clock.ts';
import { inTime, late } from '../../engine/kernel/request-time.ts';

export interface WatchedPlace {
  readonly path: string;
  /** Below this it is as good as full. */
  readonly freeBytesFloor: number;
}

const lookMsMax = 2_000;
const mebibyte = 1024 * 1024;

/** What is wrong with the place ('is read-only'), undefined for nothing. A place that does not exist (yet) has no trouble. */
export async function diskTrouble(clock: Clock, place: WatchedPlace): Promise<string | undefined> {
  const seen = await inTime(clock, lookMsMax, look(place));
  return seen === late ? 'does not answer' : seen;
}

async function look({ path, freeBytesFloor }: WatchedPlace): Promise<string | undefined> {
  try {
    await access(path, constants.W_OK);
    await touch(path);
    const { bavail, bsize } = await statfs(path);
    const freeBytes = bavail * bsize;
    return freeBytes < freeBytesFloor ? `is nearly full (${Math.floor(freeBytes / mebibyte)} MiB free)` : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    return code === 'EROFS' ? 'is read-only' : `cannot be written (${code ?? 'unknown'})`;
  }
}

/**
 * A change that changes nothing: after an error of its own, ext4 lets everybody open and look at what it does not write. Who
 * may write in a directory that is another's may not do that.
 */
async function touch(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  try {
    await utimes(path, atime, mtime);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}
