/**
 * Whether the places to write to are writable: one check of each place, for callers that ask whether an installation is
 * ready. A disk that does not answer is trouble too, but must not block the caller: checks run on the thread pool and are
 * awaited for a limited time.
 */
import { constants } from 'node:fs';
import { access, stat, statfs, utimes } from 'node:fs/promises';
import type { Clock } from '../../engine/kernel/clock.ts';
import { inTime, late } from '../../engine/kernel/request-time.ts';

export interface WatchedPlace {
  readonly path: string;
  /** Below this it counts as full. */
  readonly freeBytesFloor: number;
}

const lookMsMax = 2_000;
const mebibyte = 1024 * 1024;

/** The trouble with the place ('is read-only'), undefined for none. A place that does not exist (yet) has no trouble. */
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
 * A change without effect: after an error of its own, ext4 still lets everybody open and read files without writing. A
 * process with write access to another user's directory is not allowed to make this change.
 */
async function touch(path: string): Promise<void> {
  const { atime, mtime } = await stat(path);
  try {
    await utimes(path, atime, mtime);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}
