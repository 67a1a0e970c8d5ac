/**
 * Bytes of the write-ahead log. A session's chunks form one stream of bytes. A position in it (`lsn`, chunk headers
 * included) grows by one per byte over all chunks.
 *
 *   chunk   = header of 64 bytes, records
 *   header  = 0 magic u32 | 4 crc u32 | 8 sessionEpoch i64 | 16 chunk number i64 | 24 lsn of byte 0 i64
 *             32 salt of its records u32 | 36 zeroes
 *   record  = header of 64 bytes, the batch exactly as a fetch returns it
 *   header  = 0 magic u32 | 4 crc u32 | 8 topicId 16 B | 24 partition i32 | 28 batch bytes u32 | 32 base offset i64
 *             40 leader epoch i32 | 44 the batch's own crc u32 | 48 lsn i64 | 56 durable lsn i64
 *
 * The crcs cover what follows them in their header. A record header's crc starts from the chunk's salt: a random number of
 * the session, which leaves the process only in chunk headers, plus the chunk's number. A chunk overwrites one that is no
 * longer needed, and with another salt the leftover records of the old chunk count as noise. For the same header, different
 * salts never give the same crc. And no producer can make a record's key or value look like a record of the log, because
 * the salt is not known outside. Older programs used the chunk's number alone, or 0. Together with the batch's crc every
 * byte is covered: the header repeats the first 21 bytes of a batch, which the batch's own crc leaves out.
 *
 * `durable lsn` is how far the log was known to be synced when the record was written. It tells a torn tail from damage. A
 * power loss may keep later pages of unsynced data and lose earlier ones, so a good record after a bad one proves nothing
 * by itself; one that says "synced beyond the bad place" does.
 *
 * The lsn in a chunk header says how long the chunk before it was meant to be. Bytes beyond that length come from a write
 * that ran out of space; it was refused at the time, so they are not part of the log.
 */
import { crc32c, crc32cSeed } from '../../kernel/crc32c.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import type { Disk } from '../../ports.ts';
import { batchField, batchHeaderBytes, batchMagic, batchSizeBytes, isIntactBatch } from '../../records/batch.ts';
import { readI32, readI64, readU32, writeI32, writeI64 } from '../../records/bytes.ts';

export const walChunkHeaderBytes = 64;
export const walRecordHeaderBytes = 64;
const chunkMagic = 0x48475743; // HGWC
const recordMagic = 0x48475752; // HGWR

export interface WalChunkHeader {
  readonly sessionEpoch: number;
  readonly number: number;
  /** Position of the chunk's first byte in the stream. */
  readonly lsn: number;
  /** Salt of the chunk's records. */
  readonly salt: number;
}

/** Holds the WALs of all sessions of a slot. It exists before the first session and stays. */
export function walsDirectory(volume: string): string {
  return `${volume}/wal`;
}

/**
 * With this file an operator declares that what is missing on the volume is lost for good. It is removed once that has been
 * acted on.
 */
export function givenUpPath(volume: string): string {
  return `${volume}/given-up`;
}

export function walDirectory(volume: string, sessionEpoch: number): string {
  return `${walsDirectory(volume)}/${sessionEpoch}`;
}

export function walChunkName(number: number): string {
  return `${String(number).padStart(8, '0')}.wal`;
}

/**
 * Removes a session's directory after its chunks. A file that is not ours (an operator's copy, what a file system leaves of
 * a file that is still open) keeps it there, and nothing else.
 */
export function removeUnused(disk: Disk, directory: string): void {
  if (disk.list(directory).length === 0) disk.removeDirectory(directory);
}

/** The name of a chunk that is no longer part of the log and will be overwritten by a later one. */
export function walSpareName(number: number): string {
  return `${String(number).padStart(8, '0')}.spare`;
}

export function isWalSpare(name: string): boolean {
  return /^\d{8,}\.spare$/.test(name);
}

/** `base`: the session's random number. */
export function walSalt(base: number, number: number): number {
  return (base + number) >>> 0;
}

/** Undefined for a chunk of a program that gave all chunks of a session the salt 0: it says nothing about the others. */
export function walSaltBase({ salt, number }: WalChunkHeader): number | undefined {
  return salt === 0 && number > 0 ? undefined : (salt - number) >>> 0;
}

/** Undefined for a name that is not ours. */
export function walChunkNumber(name: string): number | undefined {
  return /^\d{8,}\.wal$/.test(name) ? Number.parseInt(name, 10) : undefined;
}

export function encodeChunkHeader(header: WalChunkHeader): Buffer {
  const out = Buffer.alloc(walChunkHeaderBytes);
  writeI32(out, 0, chunkMagic);
  writeI64(out, 8, header.sessionEpoch);
  writeI64(out, 16, header.number);
  writeI64(out, 24, header.lsn);
  writeI32(out, 32, header.salt);
  writeI32(out, 4, crc32c(out, 0, 8));
  return out;
}

/** Undefined when the bytes are not an intact chunk header. */
export function decodeChunkHeader(bytes: Uint8Array): WalChunkHeader | undefined {
  if (bytes.length < walChunkHeaderBytes || readI32(bytes, 0) !== chunkMagic) return undefined;
  if (crc32c(bytes, 0, 8, walChunkHeaderBytes) !== readU32(bytes, 4)) return undefined;
  return {
    sessionEpoch: readI64(bytes, 8),
    number: readI64(bytes, 16),
    lsn: readI64(bytes, 24),
    salt: readU32(bytes, 32),
  };
}

/** Writes the header of `batch` at `at`; the batch's offset and epoch must be final. */
export function encodeRecordHeader(
  out: Buffer,
  at: number,
  salt: number,
  topicId: Uuid,
  partition: number,
  batch: Buffer,
  lsn: number,
  durableLsn: number,
): void {
  writeI32(out, at, recordMagic);
  out.write(topicId, at + 8, 16, 'latin1');
  writeI32(out, at + 24, partition);
  writeI32(out, at + 28, batch.length);
  writeI64(out, at + 32, readI64(batch, batchField.baseOffset));
  writeI32(out, at + 40, readI32(batch, batchField.leaderEpoch));
  writeI32(out, at + 44, readI32(batch, batchField.crc));
  writeI64(out, at + 48, lsn);
  writeI64(out, at + 56, durableLsn);
  writeI32(out, at + 4, crc32c(out, salt, at + 8, at + walRecordHeaderBytes));
}

export interface WalRecordHeader {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly batchBytes: number;
  readonly baseOffset: number;
  readonly leaderEpoch: number;
  readonly batchCrc: number;
  /** Position of the record's first byte in the stream. */
  readonly lsn: number;
  readonly durableLsn: number;
}

/** Undefined when there is no intact header at `at`. */
export function decodeRecordHeader(bytes: Buffer, at: number, salt: number): WalRecordHeader | undefined {
  if (bytes.length - at < walRecordHeaderBytes || readI32(bytes, at) !== recordMagic) return undefined;
  if (crc32c(bytes, salt, at + 8, at + walRecordHeaderBytes) !== readU32(bytes, at + 4)) return undefined;
  return {
    topicId: bytes.toString('latin1', at + 8, at + 24),
    partition: readI32(bytes, at + 24),
    batchBytes: readU32(bytes, at + 28),
    baseOffset: readI64(bytes, at + 32),
    leaderEpoch: readI32(bytes, at + 40),
    batchCrc: readU32(bytes, at + 44),
    lsn: lsnAt(bytes, at),
    durableLsn: readI64(bytes, at + 56),
  };
}

/** The salt of the record at `at`, if a whole intact one lies there; every header has a salt that makes its crc right. */
export function saltOfRecord(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < walRecordHeaderBytes) return undefined;
  const salt = crc32cSeed(bytes, readU32(bytes, at + 4), at + 8, at + walRecordHeaderBytes);
  const header = decodeRecordHeader(bytes, at, salt);
  const from = at + walRecordHeaderBytes;
  return header && isBatchOf(header, bytes.subarray(from, from + header.batchBytes)) ? salt : undefined;
}

/** Whether `batch` is, byte for byte, the batch that `header` describes. */
export function isBatchOf(header: WalRecordHeader, batch: Buffer): boolean {
  return (
    batch.length >= batchHeaderBytes &&
    batch.length === header.batchBytes &&
    batch[batchField.magic] === batchMagic &&
    batchSizeBytes(batch, 0) === header.batchBytes &&
    readI64(batch, batchField.baseOffset) === header.baseOffset &&
    readI32(batch, batchField.leaderEpoch) === header.leaderEpoch &&
    readU32(batch, batchField.crc) === header.batchCrc &&
    isIntactBatch(batch, 0)
  );
}

/**
 * Position of the next intact record header at or after `from`, or -1: for the search behind damage. `lsn` is that of byte 0.
 * When it is known, only a header that was written for its place counts. What a producer sends lies there too, and may look
 * like a header of an older program, or like millions of beginnings of one.
 */
export function nextRecordHeader(bytes: Buffer, from: number, salt: number, lsn?: number): number {
  for (let at = nextMagic(bytes, from); at >= 0; at = nextMagic(bytes, at + 1)) {
    const isOfPlace = lsn === undefined || (bytes.length - at >= walRecordHeaderBytes && lsnAt(bytes, at) === lsn + at);
    if (isOfPlace && decodeRecordHeader(bytes, at, salt)) return at;
  }
  return -1;
}

/** Looked at one by one before the fast search is called, whose call costs as much as this many bytes. */
const nearBytes = 64;

function nextMagic(bytes: Buffer, from: number): number {
  const near = Math.min(from + nearBytes, bytes.length - 3);
  for (let at = from; at < near; at++) if (bytes[at] === 0x48 && readI32(bytes, at) === recordMagic) return at;
  return bytes.indexOf('HGWR', Math.max(from, near), 'latin1');
}

function lsnAt(bytes: Buffer, at: number): number {
  return readI64(bytes, at + 48);
}
