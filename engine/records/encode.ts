/**
 * Builds record batches from single records, for the HTTP and WebSocket doors, offset commits and transaction markers. It
 * is fast because it does little: no object per record, sizes known before the bytes are written, one CRC at the end.
 */
import { assert } from '../kernel/assert.ts';
import { framePool } from '../kernel/frame-pool.ts';
import {
  attributeBit,
  batchCrc,
  batchField,
  batchHeaderBytes,
  batchMagic,
  batchPrefixBytes,
  type Codec,
} from './batch.ts';
import { writeI16, writeI32, writeI64 } from './bytes.ts';
import { varintBytes, writeVarint } from './varint.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface ProducerStamp {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

export interface BatchOptions extends Partial<ProducerStamp> {
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

/** What `append` returns when the record does not fit: build, then append again. */
export const batchFull = -1;

const scratchBytes = 16 * 1024;
const scratchesMax = 64;
/** Small batches are built in these and copied out: using the pool would cost as much as the batch itself. */
const scratches: Buffer[] = [];
const noHeaders: readonly RecordHeader[] = [];

/**
 * One open batch; empty again after `build`. The first record sets the base timestamp. A record that alone exceeds
 * `bytesMax` is refused like any other that does not fit; with an empty builder that means it can never be stored.
 *
 * Larger batches use the frame pool's memory. Fresh memory per batch adds up to some megabytes between two scavenges; V8
 * counts it and goes through its whole heap because of it.
 */
export class BatchBuilder {
  readonly #bytesMax: number;
  #bytes: Buffer | undefined;
  /** Size of the last batch. The next one probably needs as much, and then no buffer is copied to grow. */
  #lastBytes: number;
  #end = batchHeaderBytes;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  /** `bytesMax` counts the whole batch with its header, like max.message.bytes. `expectedBytes`: see #lastBytes. */
  constructor(bytesMax: number, expectedBytes = 0) {
    this.#bytesMax = bytesMax;
    this.#lastBytes = expectedBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Size of the batch so far, header included. */
  get sizeBytes(): number {
    return this.#end;
  }

  /** Returns the record's offset delta, or `batchFull` when nothing was appended. Copies key, value and headers. */
  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly RecordHeader[] | undefined,
    timestampMs: number,
  ): number {
    const delta = this.#count;
    if (delta === 0) this.#baseTimestamp = this.#maxTimestamp = timestampMs;
    const timestampDelta = timestampMs - this.#baseTimestamp;
    const bodyBytes = recordBodyBytes(delta, timestampDelta, key, value, headers ?? noHeaders);
    const end = this.#end + varintBytes(bodyBytes) + bodyBytes;
    if (end > this.#bytesMax) return batchFull;
    const bytes = this.#room(end);
    const written = writeRecord(bytes, this.#end, bodyBytes, delta, timestampDelta, key, value, headers ?? noHeaders);
    assert(written === end, 'a record takes the bytes computed for it');
    this.#end = end;
    this.#count = delta + 1;
    if (timestampMs > this.#maxTimestamp) this.#maxTimestamp = timestampMs;
    return delta;
  }

  /**
   * Returns the finished batch, with base offset 0. It belongs to the caller, which may give it to the frame pool when
   * nothing reads it any more. At least one record must have been appended.
   */
  build(options: BatchOptions = {}): Buffer {
    const bytes = this.#bytes;
    assert(bytes !== undefined && this.#count > 0, 'a batch has at least one record');
    const { producerId = -1, producerEpoch = -1, baseSequence = -1 } = options;
    writeI64(bytes, batchField.baseOffset, 0);
    writeI32(bytes, batchField.batchLength, this.#end - batchPrefixBytes);
    writeI32(bytes, batchField.leaderEpoch, -1);
    bytes[batchField.magic] = batchMagic;
    writeI16(
      bytes,
      batchField.attributes,
      (options.isTransactional ? attributeBit.transactional : 0) | (options.isControl ? attributeBit.control : 0),
    );
    writeI32(bytes, batchField.lastOffsetDelta, this.#count - 1);
    writeI64(bytes, batchField.baseTimestamp, this.#baseTimestamp);
    writeI64(bytes, batchField.maxTimestamp, this.#maxTimestamp);
    writeI64(bytes, batchField.producerId, producerId);
    writeI16(bytes, batchField.producerEpoch, producerEpoch);
    writeI32(bytes, batchField.baseSequence, baseSequence);
    writeI32(bytes, batchField.count, this.#count);
    writeI32(bytes, batchField.crc, batchCrc(bytes, 0));
    return this.#release(bytes);
  }

  #room(end: number): Buffer {
    const bytes = this.#bytes ?? freshBuffer(this.#lastBytes);
    this.#bytes = bytes;
    if (end <= bytes.length) return bytes;
    const grown = framePool.take(Math.max(bytes.length * 2, end));
    grown.set(bytes.subarray(0, this.#end));
    recycle(bytes);
    this.#bytes = grown;
    return grown;
  }

  /** A well-filled pool buffer is handed over as it is. From other buffers the batch is copied, so that no unused memory is held. */
  #release(bytes: Buffer): Buffer {
    const end = this.#end;
    this.#lastBytes = end;
    this.#bytes = undefined;
    this.#end = batchHeaderBytes;
    this.#count = 0;
    if (bytes.length > scratchBytes && end * 2 > bytes.length) return bytes.subarray(0, end);
    const out = framePool.take(end);
    out.set(bytes.subarray(0, end));
    recycle(bytes);
    return out;
  }
}

export interface RecordInput {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[] | undefined;
  readonly timestampMs: number;
}

/** One batch of all `records` (at least one), without a size limit. Compress it with `recompressBatch`. */
export function encodeBatch(records: readonly RecordInput[], options: BatchOptions = {}): Buffer {
  const builder = new BatchBuilder(0x7fff_ffff);
  for (const record of records) {
    const delta = builder.append(record.key, record.value, record.headers, record.timestampMs);
    assert(delta !== batchFull, 'a batch stays below 2 GiB');
  }
  return builder.build(options);
}

/**
 * The same batch with another records section, compressed with `codecId`. Base offset, epoch and producer fields stay. The
 * section must hold as many records as the header counts.
 */
export function withRecordsSection(batch: Uint8Array, section: Uint8Array, codecId: Codec): Buffer {
  const out = Buffer.allocUnsafe(batchHeaderBytes + section.length);
  out.set(batch.subarray(0, batchHeaderBytes));
  out.set(section, batchHeaderBytes);
  writeI32(out, batchField.batchLength, out.length - batchPrefixBytes);
  const low = batchField.attributes + 1;
  out[low] = (out[low]! & ~attributeBit.codecMask) | codecId;
  writeI32(out, batchField.crc, batchCrc(out, 0));
  return out;
}

function freshBuffer(expectedBytes: number): Buffer {
  // An eighth more than last time, so that batches of similar size do not have to grow each time.
  const bytes = expectedBytes + (expectedBytes >> 3);
  return bytes > scratchBytes ? framePool.take(bytes) : (scratches.pop() ?? Buffer.allocUnsafeSlow(scratchBytes));
}

function recycle(bytes: Buffer): void {
  if (bytes.length > scratchBytes) framePool.give(bytes);
  else if (scratches.length < scratchesMax) scratches.push(bytes);
}

function recordBodyBytes(
  delta: number,
  timestampDelta: number,
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: readonly RecordHeader[],
): number {
  let bytes = 1 + varintBytes(timestampDelta) + varintBytes(delta) + spanBytes(key) + spanBytes(value);
  bytes += varintBytes(headers.length);
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i]!;
    const keyBytes = utf8Bytes(header.key);
    bytes += varintBytes(keyBytes) + keyBytes + spanBytes(header.value);
  }
  return bytes;
}

/** Header names are nearly always short and ASCII, so a loop is cheaper than calling the encoder. */
function utf8Bytes(text: string): number {
  if (text.length > 32) return Buffer.byteLength(text);
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return Buffer.byteLength(text);
  return text.length;
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const length = utf8Bytes(text);
  const pos = writeVarint(bytes, at, length);
  if (length === text.length && length <= 32) for (let i = 0; i < length; i++) bytes[pos + i] = text.charCodeAt(i);
  else bytes.write(text, pos, length, 'utf8');
  return pos + length;
}

function spanBytes(span: Uint8Array | null): number {
  return span === null ? 1 : varintBytes(span.length) + span.length;
}

function writeRecord(
  bytes: Buffer,
  start: number,
  bodyBytes: number,
  delta: number,
  timestampDelta: number,
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: readonly RecordHeader[],
): number {
  let pos = writeVarint(bytes, start, bodyBytes);
  bytes[pos++] = 0;
  pos = writeVarint(bytes, pos, timestampDelta);
  pos = writeVarint(bytes, pos, delta);
  pos = writeSpan(bytes, pos, key);
  pos = writeSpan(bytes, pos, value);
  pos = writeVarint(bytes, pos, headers.length);
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i]!;
    pos = writeText(bytes, pos, header.key);
    pos = writeSpan(bytes, pos, header.value);
  }
  return pos;
}

function writeSpan(bytes: Uint8Array, at: number, span: Uint8Array | null): number {
  if (span === null) {
    bytes[at] = 1;
    return at + 1;
  }
  const pos = writeVarint(bytes, at, span.length);
  // From 16 bytes on, the memcpy of `set` beats a loop; below that the call costs more (measured).
  if (span.length >= 16) bytes.set(span, pos);
  else for (let i = 0; i < span.length; i++) bytes[pos + i] = span[i]!;
  return pos + span.length;
}
