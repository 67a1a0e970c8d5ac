/**
 * Whether a file is LMDB's, asked before LMDB opens it: over one that is not, or whose first two pages are damaged, its
 * native part ends the process without a word, or never returns.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** MDB_meta in LMDB's mdb.c, behind the page's header: a stamp, and the version of the format. */
const stampAt = 24;
const stamp = 0xbeefc0de;
const version = 2;
const metaPages = 2;

/** Behind the version: an address and a size of eight bytes, two descriptors of trees of 48, and the last page's number. */
const commitAt = stampAt + 128;

/** The number of the last commit in a file that nobody writes to. */
export function lastCommitOf(file: string, pageBytes: number): number {
  const first = Buffer.alloc(metaPages * pageBytes);
  const handle = openSync(file, 'r');
  readSync(handle, first, 0, first.length, 0);
  closeSync(handle);
  return Math.max(...[0, pageBytes].map((page) => Number(first.readBigUInt64LE(page + commitAt))));
}

/** True of a file that is not there, or not made whole yet: that is LMDB's to make. */
export function mayBeLmdb(file: string, pageBytes: number): boolean {
  const first = Buffer.alloc(metaPages * pageBytes);
  let bytes = 0;
  try {
    const handle = openSync(file, 'r');
    bytes = readSync(handle, first, 0, first.length, 0);
    closeSync(handle);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (bytes < first.length) return true;
  return [stampAt, pageBytes + stampAt].every(
    (at) => first.readUInt32LE(at) === stamp && first.readUInt32LE(at + 4) === version,
  );
}
