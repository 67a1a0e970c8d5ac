/**
 * Checks whether a file is LMDB's before LMDB opens it. On a file that is not, or whose first two pages are damaged, LMDB's
 * native part ends the process without a message, or never returns.
 */
import { closeSync, openSync, readSync } from 'node:fs';

/** MDB_meta in LMDB's mdb.c, after the page's header: a stamp, and the version of the format. */
const stampAt = 24;
const stamp = 0xbeefc0de;
const version = 2;
const metaPages = 2;

/** After the version: an address and a size of eight bytes each, two tree descriptors of 48 bytes, and the last page's number. */
const commitAt = stampAt + 128;

/** The number of the last commit in a file that nobody is writing to. */
export function lastCommitOf(file: string, pageBytes: number): number {
  const first = Buffer.alloc(metaPages * pageBytes);
  const handle = openSync(file, 'r');
  readSync(handle, first, 0, first.length, 0);
  closeSync(handle);
  return Math.max(...[0, pageBytes].map((page) => Number(first.readBigUInt64LE(page + commitAt))));
}

/** True for a file that does not exist or is not complete yet: LMDB will create it. */
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
