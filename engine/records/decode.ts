/**
 * Walks the records inside a batch: for the HTTP and WebSocket doors, for coordinators that read their own logs, for
 * timestamp look-ups and for compaction. Kafka clients never need it; they get the batch as it was stored. Keys and values
 * are views of the batch's bytes.
 */
import { assert } from '../kernel/assert.ts';
import {
  batchErrorCode,
  batchHeaderBytes,
  batchSizeBytes,
  baseOffset,
  baseTimestamp,
  codec,
  compression,
  CorruptBatch,
  lastOffsetDelta,
  maxTimestamp,
  recordCount,
  timestampType,
  type BatchFault,
  type Codec,
} from './batch.ts';
import { decompress, DecompressedTooLarge, recompress, withDecompressed } from './compression.ts';
import { type RecordHeader, withRecordsSection } from './encode.ts';
import type { SectionReader } from './shared-sections.ts';
import { VarintReader } from './varint.ts';

/** Default bound on the records of one batch after decompression. */
export const decompressedBytesMax = 128 * 1024 * 1024;

/**
 * `headerBytes` is null for a record without headers, otherwise the input of decodeHeaders, because most readers never look
 * at headers. Returning false ends the walk.
 */
export type VisitRecord = (
  offset: number,
  timestampMs: number,
  key: Buffer | null,
  value: Buffer | null,
  headerBytes: Buffer | null,
) => void | false;

/** `batch` starts with an uncompressed batch. Throws CorruptBatch on bytes that are not records. */
export function forEachRecord(batch: Buffer, visit: VisitRecord): void {
  assert(compression(batch, 0) === codec.none, 'compressed records go through withRecords');
  forEachRecordOf(batch, batch.subarray(batchHeaderBytes, batchSizeBytes(batch, 0)), visit);
}

/** Like forEachRecord, but with the decompressed records section (withRecords) next to its batch. */
export function forEachRecordOf(batch: Buffer, section: Buffer, visit: VisitRecord): void {
  const firstOffset = baseOffset(batch, 0);
  // With LogAppendTime the broker's stamp applies to all records, and the deltas mean nothing.
  const appendMs = timestampType(batch, 0) === 'log-append-time' ? maxTimestamp(batch, 0) : undefined;
  const baseMs = baseTimestamp(batch, 0);
  const lastDelta = lastOffsetDelta(batch, 0);
  const reader = new VarintReader(section);
  let delta = -1;
  for (let left = recordCount(batch, 0); left > 0; left--) {
    const end = recordEnd(reader);
    const timestampMs = baseMs + reader.varlong();
    const before = delta;
    delta = reader.varint();
    // Readers keep their place by these offsets, so one that goes back or past the batch would mislead them.
    if (delta <= before || delta > lastDelta) throw new CorruptBatch(`record with offset delta ${delta}`);
    const offset = firstOffset + delta;
    const key = takeSpan(reader, section);
    const value = takeSpan(reader, section);
    const headersAt = reader.pos;
    const headerBytes = reader.varint() === 0 ? null : section.subarray(headersAt, end);
    if (headerBytes === null && reader.pos !== end) throw new CorruptBatch(`record ends at ${reader.pos}, not ${end}`);
    if (visit(offset, appendMs ?? timestampMs, key, value, headerBytes) === false) return;
    reader.pos = end;
    reader.end = section.length;
  }
  if (reader.pos !== section.length)
    throw new CorruptBatch(`${section.length - reader.pos} bytes after the last record`);
}

export function decodeHeaders(headerBytes: Buffer): RecordHeader[] {
  const reader = new VarintReader(headerBytes);
  const headers: RecordHeader[] = [];
  const count = reader.varint();
  // A header takes at least two bytes, so a false count alone cannot make us allocate.
  if (count < 0 || count > headerBytes.length / 2) throw new CorruptBatch(`header count ${count}`);
  for (let i = 0; i < count; i++) {
    const key = takeSpan(reader, headerBytes);
    if (key === null) throw new CorruptBatch('header with a null key');
    headers.push({ key: key.toString('utf8'), value: takeSpan(reader, headerBytes) });
  }
  if (reader.pos !== headerBytes.length) throw new CorruptBatch('bytes after the last header');
  return headers;
}

/**
 * The records section of the batch at the start of `batch`, as a view; undefined when it must be decompressed
 * (withRecords).
 */
export function plainRecordsOf(batch: Buffer): Buffer | undefined {
  // A compacted batch that has lost all its records keeps its codec bits over an empty section.
  if (compression(batch, 0) !== codec.none && recordCount(batch, 0) !== 0) return undefined;
  return batch.subarray(batchHeaderBytes, batchSizeBytes(batch, 0));
}

/**
 * Returns what `use` makes of the records section of the batch at the start of `batch`: decompressed if needed, otherwise a
 * view. The section is lent: nothing may refer to it afterwards.
 */
export async function withRecords<T>(
  batch: Buffer,
  use: (section: Buffer) => T,
  bytesMax = decompressedBytesMax,
  reader?: SectionReader,
): Promise<T> {
  const plain = plainRecordsOf(batch);
  if (plain) return use(plain);
  const section = batch.subarray(batchHeaderBytes, batchSizeBytes(batch, 0));
  return withDecompressed(compression(batch, 0) as Codec, section, bytesMax, use, reader);
}

/** Like withRecords, but the caller may keep the section. */
async function recordsOf(batch: Buffer, bytesMax: number): Promise<Buffer> {
  const section = batch.subarray(batchHeaderBytes, batchSizeBytes(batch, 0));
  return plainRecordsOf(batch) ?? decompress(compression(batch, 0) as Codec, section, bytesMax);
}

export interface DecodedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

const noHeaders: readonly RecordHeader[] = [];

/** All records as objects, for callers off the data path. Throws CorruptBatch and DecompressedTooLarge. */
export async function decodeBatch(batch: Buffer, bytesMax = decompressedBytesMax): Promise<DecodedRecord[]> {
  const records: DecodedRecord[] = [];
  forEachRecordOf(batch, await recordsOf(batch, bytesMax), (offset, timestampMs, key, value, headerBytes) => {
    const headers = headerBytes === null ? noHeaders : decodeHeaders(headerBytes);
    records.push({ offset, timestampMs, key, value, headers });
  });
  return records;
}

/**
 * The same records under another codec, with a matching CRC: what a compressing client would have sent. Throws
 * CorruptBatch, DecompressedTooLarge, CodecUnavailable and Overloaded.
 */
export async function recompressBatch(
  batch: Buffer,
  codecId: Codec,
  bytesMax = decompressedBytesMax,
  gzipLevel?: number,
): Promise<Buffer> {
  const from = compression(batch, 0) as Codec;
  if (from === codecId) return batch;
  const section = batch.subarray(batchHeaderBytes, batchSizeBytes(batch, 0));
  return withRecordsSection(batch, await recompress(from, codecId, section, bytesMax, gzipLevel), codecId);
}

/** Facts that only the records themselves give. */
export interface RecordFacts {
  /** The largest record timestamp; some clients put the last record's timestamp into the header instead. */
  readonly maxTimestampMs: number;
}

export interface RecordRules {
  /** For a compacted topic: a record without a key could never be compacted. */
  readonly requiresKey?: boolean;
  /** Which times the topic refuses; absent when the header has shown that all are good. */
  readonly refusesTime?: (timestampMs: number) => boolean;
  readonly decompressedBytesMax?: number;
}

/**
 * The checks that Kafka's LogValidator makes inside a batch that validateBatch has accepted: lengths, varints, offset
 * deltas 0..n-1, headers, keys. Costs a decompression; the caller chooses which topics pay for it.
 */
export async function validateRecords(batch: Buffer, rules: RecordRules = {}): Promise<RecordFacts | BatchFault> {
  try {
    const look = (section: Buffer): RecordFacts | BatchFault => walk(batch, section, rules);
    return await withRecords(batch, look, rules.decompressedBytesMax);
  } catch (error) {
    return recordsFaultOf(error);
  }
}

/**
 * What to tell the sender of a batch whose checksum is right but whose records cannot be read. Throws errors that are not
 * the sender's fault.
 */
export function recordsFaultOf(error: unknown): BatchFault {
  // The CRC was right, so the client itself made these bytes: the record is invalid, not damaged, and a retry does not
  // help.
  if (error instanceof CorruptBatch) return { errorCode: batchErrorCode.invalidRecord, message: error.message };
  if (error instanceof DecompressedTooLarge) {
    return { errorCode: batchErrorCode.messageTooLarge, message: error.message };
  }
  throw error;
}

function walk(batch: Buffer, section: Buffer, { requiresKey, refusesTime }: RecordRules): RecordFacts | BatchFault {
  const reader = new VarintReader(section);
  const count = recordCount(batch, 0);
  const baseMs = baseTimestamp(batch, 0);
  const refused: number[] = [];
  let isTimeRefused = false;
  let maxTimestampMs = -1;
  for (let i = 0; i < count; i++) {
    const end = recordEnd(reader);
    const timestampMs = baseMs + reader.varlong();
    maxTimestampMs = Math.max(maxTimestampMs, timestampMs);
    const delta = reader.varint();
    if (delta !== i) throw new CorruptBatch(`record ${i} has offset delta ${delta}`);
    const isKeyless = reader.skipSpan() < 0 && requiresKey;
    const isRefused = !isKeyless && refusesTime?.(timestampMs);
    if (isKeyless || isRefused) refused.push(i);
    if (isRefused) isTimeRefused = true;
    reader.skipSpan();
    skipHeaders(reader);
    if (reader.pos !== end) throw new CorruptBatch(`record ${i} ends at ${reader.pos}, not ${end}`);
    reader.end = section.length;
  }
  if (reader.pos !== section.length)
    throw new CorruptBatch(`${section.length - reader.pos} bytes after the last record`);
  if (refused.length === 0) return { maxTimestampMs };
  return isTimeRefused
    ? {
        errorCode: batchErrorCode.invalidTimestamp,
        message: 'timestamp outside the range that the topic accepts',
        recordIndexes: refused,
      }
    : {
        errorCode: batchErrorCode.invalidRecord,
        message: 'Compacted topic cannot accept message without key',
        recordIndexes: refused,
      };
}

function skipHeaders(reader: VarintReader): void {
  const count = reader.varint();
  if (count < 0) throw new CorruptBatch(`header count ${count}`);
  for (let i = 0; i < count; i++) {
    if (reader.skipSpan() < 0) throw new CorruptBatch('header with a null key');
    reader.skipSpan();
  }
}

/** Reads a record's length and attributes byte and limits the reader to the record; returns its end. */
function recordEnd(reader: VarintReader): number {
  const length = reader.varint();
  const end = reader.pos + length;
  if (length < 1 || end > reader.end) throw new CorruptBatch(`record of ${length} bytes at byte ${reader.pos}`);
  reader.pos++;
  reader.end = end;
  return end;
}

function takeSpan(reader: VarintReader, section: Buffer): Buffer | null {
  const length = reader.skipSpan();
  return length < 0 ? null : section.subarray(reader.pos - length, reader.pos);
}
