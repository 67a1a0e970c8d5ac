/**
 * Room that the metadata store has for itself on a disk that somebody else fills. Brokers refuse records long before the disk
 * is full, but they and the controllers live by leases, which are rows: were there no page left for a renewal, every broker
 * of the machine would be fenced, and take no write when there is room again but for a recovery that finds none.
 *
 * So the file has zeros behind its last page, which are blocks of its own already, and which LMDB grows into. It takes no
 * notice of them: what is in use is what the last commit says.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';

/** Some hundred pages. A renewal takes six, which are free again two commits later. */
export const reserveBytesMax = 2 * 1024 * 1024;
const reserveBytesMin = reserveBytesMax / 2;
const sliceBytes = 256 * 1024;

/**
 * Only inside a write transaction of the file at `path`, in whichever process: then nobody else makes the file longer, and
 * what lies behind its end was never a page. A disk that is full already is left as it is.
 */
export function keepReserve(path: string, usedBytes: number): void {
  const fd = openSync(path, 'r+');
  try {
    const wantedBytes = usedBytes + reserveBytesMax;
    let at = fstatSync(fd).size;
    if (at - usedBytes >= reserveBytesMin) return;
    const zeros = Buffer.alloc(sliceBytes);
    while (at < wantedBytes) at += writeSync(fd, zeros, 0, Math.min(sliceBytes, wantedBytes - at), at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
}
