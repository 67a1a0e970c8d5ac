/**
 * Reads the write-ahead log of a dead session up to the end of its valid part, and tells a torn tail from damage.
 *
 * Everything up to the first bad byte is a prefix of what was written, and contains all that was ever synced, unless a sync
 * covered the bad byte: then acknowledged records are lost, and an operator must know. The good records behind it are the
 * witnesses: each says how far the log had been synced when it was written (wal-format.ts).
 */
import type { Uuid } from '../../kernel/uuid.ts';
import type { Disk, DiskFile } from '../../ports.ts';
import { DataCorrupt } from '../log.ts';
import { findSalt } from './find-salt.ts';
import {
  decodeChunkHeader,
  decodeRecordHeader,
  isBatchOf,
  nextRecordHeader,
  walChunkHeaderBytes,
  walChunkName,
  walChunkNumber,
  type WalRecordHeader,
  walRecordHeaderBytes,
} from './wal-format.ts';

export interface ScannedRecord {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly batch: Buffer;
  /** Path of the chunk file; `position` is that of the batch in it. */
  readonly path: string;
  readonly position: number;
  /** Position of the record's end in the session's stream. */
  readonly endLsn: number;
}

export interface WalScan {
  readonly records: number;
  readonly bytes: number;
  /** Bytes after the end of the valid part: torn or refused writes. */
  readonly ignoredBytes: number;
  /**
   * Everything that ends at or before this was synced while the session lived, as its records say. Nothing is known about
   * the rest, even if it can be read: after a failed sync, Linux treats pages as clean that are not on the disk, and a
   * later sync of them succeeds without writing anything.
   */
  readonly durableLsn: number;
  /** Where the valid part ends; 0 when there is no chunk or the first one has a bad header. */
  readonly endLsn: number;
}

interface Chunk {
  readonly path: string;
  readonly number: number;
  readonly bytes: Buffer;
  /**
   * Salt of the chunk's records; leftovers of the chunk that used this file before have another salt. Undefined when it
   * cannot be found (find-salt.ts): then nothing in the chunk is evidence of anything.
   */
  readonly salt: number | undefined;
  /** Position of byte 0 in the stream, when the header is good. */
  readonly lsn: number | undefined;
}

interface ScanOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly sessionEpoch: number;
  readonly sliceBytes: number;
  /** An operator has given up what is damaged: the scan goes on behind it. */
  readonly isGivenUp?: boolean;
}

interface Totals {
  records: number;
  bytes: number;
  ignoredBytes: number;
  durableLsn: number;
  endLsn: number;
}

/** Where the log ends for good. */
interface Break {
  readonly path: string;
  readonly position: number;
  readonly lsn: number;
}

/**
 * Calls `visit` for every record in order. Memory holds one chunk besides what the visitor keeps. Throws DataCorrupt; then
 * nothing may be published, because `visit` has seen only part of what was acknowledged.
 */
export async function scanWal(options: ScanOptions, visit: (record: ScannedRecord) => void): Promise<WalScan> {
  const { disk, directory, sessionEpoch, isGivenUp = false } = options;
  const numbers: number[] = [];
  for (const name of disk.list(directory)) {
    const number = walChunkNumber(name);
    if (number !== undefined) numbers.push(number);
  }
  numbers.sort((a, b) => a - b);
  const paths = numbers.map((number) => `${directory}/${walChunkName(number)}`);
  const totals: Totals = { records: 0, bytes: 0, ignoredBytes: 0, durableLsn: 0, endLsn: 0 };
  let broken: Break | undefined;
  let chunk: Chunk | undefined;
  for (let i = 0; i < numbers.length; i++) {
    chunk ??= await readChunk(options, paths[i]!, numbers[i]!, sessionEpoch);
    const next =
      i + 1 < numbers.length ? await readChunk(options, paths[i + 1]!, numbers[i + 1]!, sessionEpoch) : undefined;
    // Damage at the end of a chunk, which this one proves.
    if (broken && isProven(chunk, 0, broken, isGivenUp)) broken = undefined;
    if (broken) {
      totals.ignoredBytes += chunk.bytes.length;
    } else {
      broken = scanChunk(chunk, next, visit, totals, isGivenUp);
    }
    chunk = next;
  }
  return totals;
}

/** Scans one chunk; returns the break if the log ends in it or right after it. */
function scanChunk(
  chunk: Chunk,
  next: Chunk | undefined,
  visit: (record: ScannedRecord) => void,
  totals: Totals,
  isGivenUp: boolean,
): Break | undefined {
  const { path, bytes, salt } = chunk;
  const lsn = chunk.lsn ?? lsnOfBrokenChunk(chunk, next);
  const start: Break = { path, position: 0, lsn };
  if (salt === undefined || (chunk.lsn === undefined && !isProven(chunk, 0, start, isGivenUp))) {
    totals.ignoredBytes += bytes.length;
    return start;
  }
  // Bytes beyond the length that the next header states were refused when the disk was full.
  const stated = next?.lsn === undefined ? undefined : next.lsn - lsn;
  const end = Math.min(bytes.length, stated ?? Infinity);
  let at = walChunkHeaderBytes;
  for (;;) {
    const record = recordAt(bytes, at, salt, lsn, end);
    if (record) {
      const { topicId, partition, batch, durableLsn } = record;
      const position = at + walRecordHeaderBytes;
      at = position + batch.length;
      visit({ topicId, partition, batch, path, position, endLsn: lsn + at });
      totals.records++;
      totals.bytes += batch.length;
      totals.durableLsn = Math.max(totals.durableLsn, durableLsn);
      continue;
    }
    totals.endLsn = lsn + at;
    const isWhole = stated !== undefined && at === stated && next!.number === chunk.number + 1;
    const found: Break = { path, position: at, lsn: lsn + at };
    const goesOn = !isWhole && isProven({ ...chunk, lsn }, at, found, isGivenUp, end);
    const behind = goesOn ? nextRecordHeader(bytes, at + 1, salt, lsn) : -1;
    if (behind < 0) {
      totals.ignoredBytes += bytes.length - at;
      return isWhole ? undefined : found;
    }
    totals.ignoredBytes += behind - at;
    at = behind;
  }
}

/** The whole, intact record of this place that ends at or before `end`. */
function recordAt(
  bytes: Buffer,
  at: number,
  salt: number,
  lsn: number,
  end: number,
): (WalRecordHeader & { readonly batch: Buffer }) | undefined {
  const header = decodeRecordHeader(bytes, at, salt);
  if (!header || header.lsn !== lsn + at) return undefined;
  const from = at + walRecordHeaderBytes;
  const batch = bytes.subarray(from, from + header.batchBytes);
  return from + header.batchBytes <= end && isBatchOf(header, batch) ? { ...header, batch } : undefined;
}

/**
 * Whether a good record at or behind `from` says that the log was synced beyond the break. Throws when it was, unless what
 * is damaged has been given up.
 */
function isProven(
  chunk: Chunk,
  from: number,
  broken: Break,
  isGivenUp: boolean,
  to: number = chunk.bytes.length,
): boolean {
  const { bytes, salt, lsn } = chunk;
  if (salt === undefined) return false;
  const next = (at: number): number => nextRecordHeader(bytes, at, salt, lsn);
  for (let at = next(from); at >= 0 && at < to; at = next(at + 1)) {
    const { durableLsn } = decodeRecordHeader(bytes, at, salt)!;
    if (durableLsn <= broken.lsn) continue;
    if (isGivenUp) return true;
    throw new DataCorrupt(broken.path, broken.position, 'damage to what was synced (a later record proves it)');
  }
  return false;
}

/** The lsn of a chunk with a bad header, from a record in it or from the header of the next chunk. */
function lsnOfBrokenChunk(chunk: Chunk, next: Chunk | undefined): number {
  const { bytes, salt } = chunk;
  const at = salt === undefined ? -1 : nextRecordHeader(bytes, 0, salt);
  if (at >= 0) return decodeRecordHeader(bytes, at, salt!)!.lsn - at;
  return next?.lsn === undefined ? Infinity : next.lsn - chunk.bytes.length;
}

/**
 * Reads the whole chunk, and syncs it first: the bytes may so far be in the page cache only, and once they are published as
 * part of the log they must never vanish.
 */
async function readChunk(options: ScanOptions, path: string, number: number, sessionEpoch: number): Promise<Chunk> {
  const file = options.disk.open(path);
  try {
    await file.datasync();
    const bytes = await readAll(file, options.sliceBytes);
    const header = decodeChunkHeader(bytes);
    const isOurs = header?.number === number && header.sessionEpoch === sessionEpoch;
    if (isOurs) return { path, number, bytes, salt: header.salt, lsn: header.lsn };
    const salt = await findSalt(options.disk, options.directory, sessionEpoch, number, bytes);
    return { path, number, bytes, salt, lsn: undefined };
  } finally {
    file.close();
  }
}

async function readAll(file: DiskFile, sliceBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(file.sizeBytes());
  for (let at = 0; at < bytes.length; ) {
    const read = await file.read(bytes.subarray(at, Math.min(at + sliceBytes, bytes.length)), at);
    if (read === 0) return bytes.subarray(0, at);
    at += read;
  }
  return bytes;
}
