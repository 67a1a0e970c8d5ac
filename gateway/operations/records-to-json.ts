/**
 * Records as JSON (see record-json.ts), as bytes: data that is already JSON or UTF-8 is copied and never becomes a string.
 */
import '../../engine/kernel/buffer.ts';
import { isUtf8 } from 'node:buffer';
import { Failure } from '../../engine/kernel/failure.ts';
import { baseOffset, CorruptBatch, isControl, lastOffset, recordCount } from '../../engine/records/batch.ts';
import { CodecUnavailable, DecompressedTooLarge } from '../../engine/records/compression.ts';
import {
  decodeHeaders,
  decompressedBytesMax,
  forEachRecordOf,
  plainRecordsOf,
  withRecords,
} from '../../engine/records/decode.ts';
import type { RecordHeader } from '../../engine/records/encode.ts';
import { JsonOutput } from './json-output.ts';
import { type RecordFormat, wrapperOf } from './record-json.ts';
import { isPlainValue } from './json-scan.ts';

/**
 * A producer stored a batch whose checksum is right but whose records are malformed: the log validates only header and
 * checksum. A client can still fetch its bytes as a record batch; a reader of records continues behind it.
 */
export class UnreadableRecords extends Failure {
  readonly code = 'data-corrupt';
  readonly partition: number;
  readonly offset: number;
  readonly nextOffset: number;
  constructor(partition: number, offset: number, nextOffset: number, why: string) {
    super(
      `the batch at offset ${offset} of partition ${partition} holds records that cannot be read (${why}): ` +
        `continue at offset ${nextOffset}, or read record batches`,
    );
    this.partition = partition;
    this.offset = offset;
    this.nextOffset = nextOffset;
  }
}

/**
 * Kafka's producers send no record of this size, but a decompression bomb may hold one. Its JSON can be six times as long,
 * and V8 has no string for it.
 */
const recordBytesMax = 16 * 1024 * 1024;

class RecordTooLarge extends Failure {
  readonly code = 'invalid-request';
  constructor(bytes: number) {
    super(`a record has ${bytes} bytes; at most ${recordBytesMax} can be returned as JSON`);
  }
}

/**
 * Returns where the record at `offset` is to be written, after the text that precedes it; undefined ends the walk before
 * the record.
 */
export type PlaceRecord = (offset: number) => JsonOutput | undefined;

/**
 * Writes the records of [fromOffset, endOffset) in a stored batch, each without line breaks; synchronously unless it is
 * compressed. `clusterId`: for whom it is decompressed. Throws, or rejects with, UnreadableRecords.
 */
export function writeRecords(
  stored: Uint8Array,
  partition: number,
  fromOffset: number,
  endOffset: number,
  format: RecordFormat,
  place: PlaceRecord,
  clusterId = '',
): void | Promise<void> {
  // Transaction markers are nobody's records.
  if (isControl(stored, 0)) return undefined;
  const batch = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const refuse = (error: unknown): never => {
    const isUnreadable =
      error instanceof CorruptBatch ||
      error instanceof DecompressedTooLarge ||
      error instanceof CodecUnavailable ||
      error instanceof RecordTooLarge;
    if (!isUnreadable) throw error;
    throw new UnreadableRecords(partition, baseOffset(batch, 0), lastOffset(batch, 0) + 1, error.message);
  };
  const walk = (section: Buffer): void => walkRecords(batch, section, partition, fromOffset, endOffset, format, place);
  try {
    const plain = plainRecordsOf(batch);
    if (plain) return walk(plain);
    return withRecords(batch, walk, decompressedBytesMax, { owner: clusterId, comesBack: true }).catch(refuse);
  } catch (error) {
    return refuse(error);
  }
}

const noHeadersJson = Buffer.from(',"headers":[]}');
const offsetName = Buffer.from(',"offset":');
const timestampName = Buffer.from(',"timestamp":');
const keyName = Buffer.from(',"key":');
const valueName = Buffer.from(',"value":');
const nullJson = Buffer.from('null');

function walkRecords(
  batch: Buffer,
  section: Buffer,
  partition: number,
  fromOffset: number,
  endOffset: number,
  format: RecordFormat,
  place: PlaceRecord,
): void {
  const start = Buffer.from(`{"partition":${partition}`);
  forEachRecordOf(batch, section, (offset, timestampMs, key, value, headerBytes) => {
    if (offset < fromOffset) return undefined;
    if (offset >= endOffset) return false;
    const bytes = (key?.length ?? 0) + (value?.length ?? 0) + (headerBytes?.length ?? 0);
    if (bytes > recordBytesMax) throw new RecordTooLarge(bytes);
    // Check the headers before anything of the record is written: they may be malformed.
    const headers = headerBytes === null ? undefined : headersJson(decodeHeaders(headerBytes));
    const output = place(offset);
    if (!output) return false;
    output.copy(start);
    output.copy(offsetName);
    output.number(offset);
    output.copy(timestampName);
    output.number(timestampMs);
    output.copy(keyName);
    if (key === null) output.copy(nullJson);
    else writeKey(output, key, format);
    output.copy(valueName);
    if (value === null) output.copy(nullJson);
    else writeValue(output, value, format);
    if (headers === undefined) output.copy(noHeadersJson);
    else output.string(`,"headers":${headers}}`);
    return undefined;
  });
}

/** Records that leave in one write or frame: at least one. */
export interface RecordChunk {
  readonly json: Buffer;
  readonly baseOffset: number;
  /** The offset after the last record. */
  readonly endOffset: number;
}

/** The text around the records of a chunk. */
export interface ChunkStyle {
  before(output: JsonOutput, offset: number, isFirst: boolean): void;
  /** After each record. */
  readonly after: string;
}

export const byComma: ChunkStyle = {
  before(output, _offset, isFirst) {
    if (!isFirst) output.ascii(',');
  },
  after: '',
};

/**
 * Limit for the chunks of one batch. The expanded records of a bomb stay in memory as long as their reader does not read,
 * and a thousand readers must not cause that. A reader that wants the rest has the batch decompressed again. Usual batches
 * are smaller.
 */
const chunksBytesMax = 4 * 1024 * 1024;
/** Room for the text around one record. */
const aroundBytes = 96;
/** Room for the text around all of them. */
const slackBytes = 1024;

/** Memory for the JSON of these batches that seldom has to grow: escapes and headers are rare. */
export function jsonCapacity(batches: readonly Uint8Array[], bytesMax: number): number {
  let bytes = 0;
  let records = 1;
  for (const batch of batches) {
    bytes += batch.length;
    records += recordCount(batch, 0);
  }
  bytes += records * aroundBytes;
  // The record that passes the limit is written whole, assuming the usual size.
  return Math.min(bytes, bytesMax + Math.ceil(bytes / records)) + slackBytes;
}

/**
 * Like writeRecords, but in chunks that end with the record that passes `chunkBytesMax`. Of a very large batch it returns
 * only the first chunks: the caller asks again from behind their last offset until there are none.
 */
export function recordChunks(
  stored: Uint8Array,
  partition: number,
  fromOffset: number,
  endOffset: number,
  format: RecordFormat,
  chunkBytesMax: number,
  style: ChunkStyle = byComma,
  clusterId = '',
): RecordChunk[] | Promise<RecordChunk[]> {
  const chunks: RecordChunk[] = [];
  let output: JsonOutput | undefined;
  let first = 0;
  let last = 0;
  let before = 0;
  const finish = (): RecordChunk[] => {
    if (!output) return chunks;
    output.ascii(style.after);
    chunks.push({ json: output.written(), baseOffset: first, endOffset: last + 1 });
    before += output.length;
    output = undefined;
    return chunks;
  };
  const place = (offset: number): JsonOutput | undefined => {
    if (output && output.length >= chunkBytesMax) finish();
    if (before + (output?.length ?? 0) >= chunksBytesMax) return undefined;
    const isFirst = output === undefined;
    if (output === undefined) {
      output = new JsonOutput(jsonCapacity([stored], chunkBytesMax));
      first = offset;
    } else output.ascii(style.after);
    style.before(output, offset, isFirst);
    last = offset;
    return output;
  };
  const walked = writeRecords(stored, partition, fromOffset, endOffset, format, place, clusterId);
  return walked ? walked.then(finish) : finish();
}

function writeKey(output: JsonOutput, bytes: Buffer, format: RecordFormat): void {
  if (format === 'base64') output.base64(bytes);
  else if (isText(bytes)) output.text(bytes);
  else writeBytes(output, bytes);
}

function writeValue(output: JsonOutput, bytes: Buffer, format: RecordFormat): void {
  if (format === 'base64') output.base64(bytes);
  else if (!isText(bytes)) writeBytes(output, bytes);
  else if (format === 'string') output.text(bytes);
  else if (!mayBeJson[bytes[0]!]) writeText(output, bytes);
  else if (isPlainValue(bytes)) output.copyAsLine(bytes);
  else writeParsed(output, bytes);
}

/**
 * The stored text goes out unchanged: numbers keep digits that a double would lose. Line breaks between tokens would end an
 * NDJSON line or an SSE field; within strings JSON has none.
 */
function writeParsed(output: JsonOutput, bytes: Buffer): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.utf8Slice(0, bytes.length));
  } catch {
    writeText(output, bytes);
    return;
  }
  const isWrapped = parsed === null || wrapperOf(parsed) !== undefined;
  if (isWrapped) output.ascii('{"$json":');
  output.copyAsLine(bytes);
  if (isWrapped) output.ascii('}');
}

/**
 * Whether JSON text can begin with this byte: blank, quote, bracket, sign, digit, or the first letter of true, false, null.
 */
const mayBeJson = new Uint8Array(256);
for (const first of Buffer.from(' \t\r\n"[{-0123456789tfn')) mayBeJson[first] = 1;

/** Checking this few bytes costs less than calling the function that checks them. */
const shortBytes = 96;

function isText(bytes: Buffer): boolean {
  if (bytes.length > shortBytes) return isUtf8(bytes);
  let all = 0;
  for (let i = 0; i < bytes.length; i++) all |= bytes[i]!;
  return all < 0x80 || isUtf8(bytes);
}

function writeText(output: JsonOutput, bytes: Buffer): void {
  output.ascii('{"$text":');
  output.text(bytes);
  output.ascii('}');
}

function writeBytes(output: JsonOutput, bytes: Buffer): void {
  output.ascii('{"$b64":');
  output.base64(bytes);
  output.ascii('}');
}

function headersJson(headers: readonly RecordHeader[]): string {
  const parts = headers.map(({ key, value }) => {
    if (value === null) return `{"key":${JSON.stringify(key)},"value":null}`;
    const text = isUtf8(value) ? JSON.stringify(Buffer.from(value).toString()) : bytesJson(value);
    return `{"key":${JSON.stringify(key)},"value":${text}}`;
  });
  return `[${parts.join(',')}]`;
}

function bytesJson(bytes: Uint8Array): string {
  return `{"$b64":"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"}`;
}
