/**
 * Space that the metadata store keeps for itself on a disk that something else fills. Brokers refuse records long before
 * the disk is full, but they and the controllers live by leases, which are rows. If there were no page left for a renewal,
 * every broker of the machine would be fenced, and would stay so until there is space again for its recovery.
 *
 * So the file has zeros after its last page. They are allocated blocks already, and LMDB grows into them. Otherwise LMDB
 * ignores them: the last commit says what is in use.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';

/** Some hundred pages. A renewal takes six, which are free again two commits later. */
export const reserveBytesMax = 2 * 1024 * 1024;
const reserveBytesMin = reserveBytesMax / 2;
const sliceBytes = 256 * 1024;

/**
 * Call it only inside a write transaction of the file at `path`, in any process: then nobody else extends the file, and
 * whatever lies after its end was never a page. A disk that is already full is left as it is.
 */
export function keepReserve(path: string, usedBytes: number): void {
  const fd = openSync(path, 'r+');
  try {
    const wantedBytes = usedBytes + reserveBytesMax;
    let at = fstatSync(fd).size;
    if (at - usedBytes >= reserveBytesMin) return;
    const zeros = Buffer.alloc(sliceBytes);
    while (at < wantedBytes) {
      const taken = writeSync(fd, zeros, 0, Math.min(sliceBytes, wantedBytes - at), at);
      // The next group tries again; this one must not wait for it inside its transaction.
      if (taken === 0) return;
      at += taken;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(fd);
  }
}
