/**
 * The salt of a chunk whose own header is damaged, or never reached the disk. Its records must be told from what producers
 * sent, which lies between them. So the answer comes only from what the log itself has written: an intact header in the
 * session's folder (also a leftover one, in a file that is to be overwritten), or the record at the chunk's beginning,
 * where nothing else ever lies.
 */
import { type Disk, DiskFault, type DiskFile } from '../../ports.ts';
import {
  decodeChunkHeader,
  isWalSpare,
  saltOfRecord,
  walChunkHeaderBytes,
  walChunkNumber,
  walSalt,
  walSaltBase,
} from './wal-format.ts';

/** Undefined when nothing tells it. `bytes` is the chunk. */
export async function findSalt(
  disk: Disk,
  directory: string,
  sessionEpoch: number,
  number: number,
  bytes: Buffer,
): Promise<number | undefined> {
  for (const name of disk.list(directory)) {
    if (!isWalSpare(name) && walChunkNumber(name) === undefined) continue;
    const base = await saltBaseIn(disk, `${directory}/${name}`, sessionEpoch);
    if (base !== undefined) return walSalt(base, number);
  }
  // Asked last: in a chunk whose new header was lost with its first record, this record is one of the old chunk's.
  return saltOfRecord(bytes, walChunkHeaderBytes);
}

/** A file that cannot be read, or that was renamed meanwhile by the session itself, tells nothing. */
async function saltBaseIn(disk: Disk, path: string, sessionEpoch: number): Promise<number | undefined> {
  let file: DiskFile | undefined;
  try {
    file = disk.open(path);
    const bytes = Buffer.alloc(walChunkHeaderBytes);
    await file.read(bytes, 0);
    const header = decodeChunkHeader(bytes);
    return header?.sessionEpoch === sessionEpoch ? walSaltBase(header) : undefined;
  } catch (error) {
    if (error instanceof DiskFault) return undefined;
    throw error;
  } finally {
    file?.close();
  }
}
