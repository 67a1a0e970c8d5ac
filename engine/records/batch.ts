/**
 * Record batch v2 (magic 2, KIP-98) as it lies in a buffer. On the data path a batch is opaque bytes with a header of 61
 * bytes. These functions read and patch that header at (buffer, position) without creating an object. The CRC covers
 * everything from the attributes on. Base offset and leader epoch are outside it on purpose, so that the log can assign
 * them without touching the checksum.
 *
 *   0 baseOffset i64 | 8 batchLength i32 | 12 leaderEpoch i32 | 16 magic i8 | 17 crc u32 | 21 attributes i16
 *   23 lastOffsetDelta i32 | 27 baseTimestamp i64 | 35 maxTimestamp i64 | 43 producerId i64 | 51 producerEpoch i16
 *   53 baseSequence i32 | 57 count i32 | 61 records
 *
 * Rejected alternative: a Batch class over a subarray. It costs two allocations per batch for what eight byte loads give.
 */
import { assert } from '../kernel/assert.ts';
import { crc32c } from '../kernel/crc32c.ts';
import { Failure } from '../kernel/failure.ts';
import { readI16, readI32, readI64, readU32, writeI16, writeI32, writeI64 } from './bytes.ts';

export const batchField = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
  records: 61,
} as const;

/** Bytes before the first record; a batch is never shorter. */
export const batchHeaderBytes = 61;
/** Base offset and length field, which batchLength does not count. */
export const batchPrefixBytes = 12;
export const batchMagic = 2;

export const attributeBit = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/** Kafka's codec ids, as in bits 0-2 of the attributes. */
export const codec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
export type Codec = (typeof codec)[keyof typeof codec];

/** Stored or received bytes are not a record batch: bit rot, a torn write, or a sender's bug. */
export class CorruptBatch extends Failure {
  readonly code = 'data-corrupt';
}

/** Whole size with the prefix. Needs 12 bytes at `pos`. The value is what the field claims; nobody has checked it yet. */
export function batchSizeBytes(buf: Uint8Array, pos: number): number {
  return readI32(buf, pos + batchField.batchLength) + batchPrefixBytes;
}

export function baseOffset(buf: Uint8Array, pos: number): number {
  return readI64(buf, pos);
}

export function lastOffset(buf: Uint8Array, pos: number): number {
  return readI64(buf, pos) + readI32(buf, pos + batchField.lastOffsetDelta);
}

export function lastOffsetDelta(buf: Uint8Array, pos: number): number {
  return readI32(buf, pos + batchField.lastOffsetDelta);
}

export function leaderEpoch(buf: Uint8Array, pos: number): number {
  return readI32(buf, pos + batchField.leaderEpoch);
}

/** Milliseconds: the first record's timestamp, or the delete horizon when that bit is set. */
export function baseTimestamp(buf: Uint8Array, pos: number): number {
  return readI64(buf, pos + batchField.baseTimestamp);
}

/** Milliseconds; -1 when the producer set none. */
export function maxTimestamp(buf: Uint8Array, pos: number): number {
  return readI64(buf, pos + batchField.maxTimestamp);
}

/** -1 without a producer id. */
export function producerId(buf: Uint8Array, pos: number): number {
  return readI64(buf, pos + batchField.producerId);
}

export function producerEpoch(buf: Uint8Array, pos: number): number {
  return readI16(buf, pos + batchField.producerEpoch);
}

export function baseSequence(buf: Uint8Array, pos: number): number {
  return readI32(buf, pos + batchField.baseSequence);
}

export function recordCount(buf: Uint8Array, pos: number): number {
  return readI32(buf, pos + batchField.count);
}

export function attributes(buf: Uint8Array, pos: number): number {
  return readI16(buf, pos + batchField.attributes);
}

/** The codec id, 0-7; no codec has an id above 4. */
export function compression(buf: Uint8Array, pos: number): number {
  return buf[pos + batchField.attributes + 1]! & attributeBit.codecMask;
}

export function isTransactional(buf: Uint8Array, pos: number): boolean {
  return (buf[pos + batchField.attributes + 1]! & attributeBit.transactional) !== 0;
}

export function isControl(buf: Uint8Array, pos: number): boolean {
  return (buf[pos + batchField.attributes + 1]! & attributeBit.control) !== 0;
}

export function timestampType(buf: Uint8Array, pos: number): 'create-time' | 'log-append-time' {
  return buf[pos + batchField.attributes + 1]! & attributeBit.logAppendTime ? 'log-append-time' : 'create-time';
}

/** Gives the batch its place in the log. Both fields lie outside the CRC, so nothing is recomputed. */
export function restamp(buf: Uint8Array, pos: number, offset: number, epoch: number): void {
  writeI64(buf, pos, offset);
  writeI32(buf, pos + batchField.leaderEpoch, epoch);
}

/** For topics with message.timestamp.type=LogAppendTime: every record of the batch then has the time `nowMs`. */
export function stampLogAppendTime(buf: Uint8Array, pos: number, nowMs: number): void {
  buf[pos + batchField.attributes + 1]! |= attributeBit.logAppendTime;
  writeI64(buf, pos + batchField.maxTimestamp, nowMs);
  stampCrc(buf, pos);
}

/** For a batch whose header is wrong about the largest time among its records. */
export function stampMaxTimestamp(buf: Uint8Array, pos: number, maxMs: number): void {
  writeI64(buf, pos + batchField.maxTimestamp, maxMs);
  stampCrc(buf, pos);
}

/** For a producer that sends LogAppendTime to a topic with CreateTime: the records' own times count. */
export function clearLogAppendTime(buf: Uint8Array, pos: number): void {
  buf[pos + batchField.attributes + 1]! &= ~attributeBit.logAppendTime;
  stampCrc(buf, pos);
}

/** Makes a batch look like one of an idempotent producer (or of none: -1, -1, -1). */
export function stampProducer(buf: Uint8Array, pos: number, id: number, epoch: number, sequence: number): void {
  writeI64(buf, pos + batchField.producerId, id);
  writeI16(buf, pos + batchField.producerEpoch, epoch);
  writeI32(buf, pos + batchField.baseSequence, sequence);
  stampCrc(buf, pos);
}

function stampCrc(buf: Uint8Array, pos: number): void {
  writeI32(buf, pos + batchField.crc, batchCrc(buf, pos));
}

/** The checksum that the batch should have. The whole batch must be in `buf`. */
export function batchCrc(buf: Uint8Array, pos: number): number {
  const end = pos + batchSizeBytes(buf, pos);
  assert(end <= buf.length && end >= pos + batchHeaderBytes, 'a whole batch lies in the buffer');
  return crc32c(buf, 0, pos + batchField.attributes, end);
}

/**
 * Whether a whole, intact v2 batch starts at `pos`. Recovery uses it on bytes it knows nothing about. A checksum says only
 * that nothing has changed since the batch was made: one that ends before it begins would send its readers back for ever.
 */
export function isIntactBatch(buf: Uint8Array, pos: number): boolean {
  if (buf.length - pos < batchHeaderBytes) return false;
  const size = batchSizeBytes(buf, pos);
  if (size < batchHeaderBytes || size > buf.length - pos || buf[pos + batchField.magic] !== batchMagic) return false;
  if (lastOffsetDelta(buf, pos) < 0) return false;
  return batchCrc(buf, pos) === readU32(buf, pos + batchField.crc);
}

/**
 * Positions of the consecutive whole batches in `bytes`, as a fetch returns them. Stops silently at a truncated batch,
 * which Kafka may send last (KIP-74). Throws CorruptBatch on a length or magic that no batch has. Does not check CRCs.
 */
export function* batchesIn(bytes: Uint8Array, from = 0): Generator<number, void, void> {
  let pos = from;
  while (bytes.length - pos >= batchHeaderBytes) {
    const size = batchSizeBytes(bytes, pos);
    if (size < batchHeaderBytes) throw new CorruptBatch(`batch at byte ${pos} claims ${size} bytes`);
    if (bytes[pos + batchField.magic] !== batchMagic) {
      throw new CorruptBatch(`batch at byte ${pos} has magic ${bytes[pos + batchField.magic]}`);
    }
    if (size > bytes.length - pos) return;
    yield pos;
    pos += size;
  }
}

/** The header as a plain object, for code that handles a batch once and not per record. */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffsetDelta: number;
  readonly count: number;
  readonly sizeBytes: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly leaderEpoch: number;
}

/** There must be at least 61 bytes at `pos`. */
export function readBatchHeader(buf: Uint8Array, pos = 0): BatchHeader {
  return {
    baseOffset: baseOffset(buf, pos),
    lastOffsetDelta: lastOffsetDelta(buf, pos),
    count: recordCount(buf, pos),
    sizeBytes: batchSizeBytes(buf, pos),
    attributes: attributes(buf, pos),
    baseTimestamp: baseTimestamp(buf, pos),
    maxTimestamp: maxTimestamp(buf, pos),
    producerId: producerId(buf, pos),
    producerEpoch: producerEpoch(buf, pos),
    baseSequence: baseSequence(buf, pos),
    leaderEpoch: leaderEpoch(buf, pos),
  };
}

/** Kafka's error codes for a refused batch (records and protocol are siblings, so the five codes are repeated here). */
export const batchErrorCode = {
  corruptMessage: 2,
  messageTooLarge: 10,
  invalidTimestamp: 32,
  unsupportedCompressionType: 76,
  invalidRecord: 87,
} as const;

/** Why a batch is refused, as the partition's answer carries it. */
export interface BatchFault {
  readonly errorCode: (typeof batchErrorCode)[keyof typeof batchErrorCode];
  readonly message: string;
  /** Indexes of the records at fault, when single records are (Produce v8 RecordErrors, KIP-467). */
  readonly recordIndexes?: readonly number[];
  /** Whether Kafka finds this fault only in the log; its answer then includes the log's start offset. */
  readonly isOfLog?: boolean;
}

export function isBatchFault<Good extends object>(verdict: Good | BatchFault): verdict is BatchFault {
  return 'errorCode' in verdict;
}

export interface BatchRules {
  /** The topic's max.message.bytes; applies to the compressed size. */
  readonly batchBytesMax?: number;
  /** False for Produce below v7, where clients cannot know zstd (KIP-110). */
  readonly allowsZstd?: boolean;
}

/**
 * The checks of a Produce v3+ records field that need no decompression: exactly one batch, sizes, CRC, count, sequence
 * (Kafka's ProduceRequest.validateRecords, LogValidator and UnifiedLog). It does not look inside the records;
 * validateRecords (decode.ts) does.
 */
export function validateBatch(bytes: Uint8Array, rules: BatchRules = {}): BatchHeader | BatchFault {
  const misframed = framingFault(bytes);
  if (misframed) return misframed;
  const sizeBytes = batchSizeBytes(bytes, 0);
  if (sizeBytes > (rules.batchBytesMax ?? Infinity)) {
    return fault('messageTooLarge', `the batch has ${sizeBytes} bytes; at most ${rules.batchBytesMax} are allowed`);
  }
  if (batchCrc(bytes, 0) !== readU32(bytes, batchField.crc)) return fault('corruptMessage', 'CRC does not match');
  const header = readBatchHeader(bytes);
  const refused = headerFault(header, rules);
  return refused ? { ...refused, isOfLog: true } : header;
}

/**
 * Whether exactly one batch fills the bytes, with Kafka's distinctions: a length or magic that no format ever had is
 * corrupt (2); an incomplete batch, or one in an old format, counts as no batch (87).
 */
export function framingFault(bytes: Uint8Array): BatchFault | undefined {
  if (bytes.length < batchPrefixBytes) return fault('invalidRecord', `no record batch in ${bytes.length} bytes`);
  const sizeBytes = batchSizeBytes(bytes, 0);
  if (sizeBytes < oldestBatchBytesMin) return fault('corruptMessage', `length field says ${sizeBytes} bytes`);
  if (bytes.length <= batchField.magic) return fault('invalidRecord', `no record batch in ${bytes.length} bytes`);
  // The magic is at the same byte in every version, so an old message set is reported as such, not as garbage.
  const magic = bytes[batchField.magic]!;
  if (magic > batchMagic) return fault('corruptMessage', `magic ${magic} does not exist`);
  if (sizeBytes > bytes.length) {
    return fault(
      'invalidRecord',
      `no whole record batch: its length field says ${sizeBytes} bytes, but ${bytes.length} arrived`,
    );
  }
  if (magic !== batchMagic) return fault('invalidRecord', `magic ${magic}, only 2 is accepted`);
  if (sizeBytes < bytes.length) return fault('invalidRecord', 'more than one batch per partition');
  return sizeBytes < batchHeaderBytes ? fault('corruptMessage', `batch of ${sizeBytes} bytes`) : undefined;
}

/** Base offset, length, and the 14 bytes around key and value that a message of magic 0 had. */
const oldestBatchBytesMin = batchPrefixBytes + 14;

/** Rules about the fields alone; undefined when all hold. */
function headerFault(header: BatchHeader, rules: BatchRules): BatchFault | undefined {
  const { attributes: bits, count } = header;
  if (count <= 0 || header.lastOffsetDelta !== count - 1) {
    return fault('invalidRecord', `count ${count} with last offset delta ${header.lastOffsetDelta}`);
  }
  if (bits & attributeBit.control) return fault('invalidRecord', 'control batches are written by brokers only');
  const codecId = bits & attributeBit.codecMask;
  if (codecId > codec.zstd) return fault('unsupportedCompressionType', `codec ${codecId} does not exist`);
  if (codecId === codec.zstd && rules.allowsZstd === false) {
    return fault('unsupportedCompressionType', 'zstd needs Produce v7');
  }
  // A record takes at least seven bytes, so the size of an uncompressed batch limits its count.
  if (codecId === codec.none && count > (header.sizeBytes - batchHeaderBytes) / recordBytesMin) {
    return fault('invalidRecord', `${count} records do not fit in ${header.sizeBytes} bytes`);
  }
  if (!Number.isSafeInteger(header.baseTimestamp) || !Number.isSafeInteger(header.maxTimestamp)) {
    return fault('invalidTimestamp', 'timestamp beyond 2^53: times are milliseconds since 1970, not nanoseconds');
  }
  return producerFault(header);
}

/** Length, attributes, timestamp delta, offset delta, key length, value length, header count: one byte each. */
const recordBytesMin = 7;

function producerFault(header: BatchHeader): BatchFault | undefined {
  if (header.producerId < 0) {
    return header.attributes & attributeBit.transactional
      ? fault('invalidRecord', 'transactional batch without a producer id')
      : undefined;
  }
  if (!Number.isSafeInteger(header.producerId)) return fault('invalidRecord', 'producer id beyond 2^53');
  if (header.producerEpoch < 0 || header.baseSequence < 0) {
    return fault(
      'invalidRecord',
      `producer id with epoch ${header.producerEpoch} and base sequence ${header.baseSequence}`,
    );
  }
  return undefined;
}

function fault(name: keyof typeof batchErrorCode, message: string): BatchFault {
  return { errorCode: batchErrorCode[name], message };
}
