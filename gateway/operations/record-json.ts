/**
 * Records as JSON, in both directions, for every door that speaks JSON. A record is bytes; what a JSON value stands for:
 *
 *   key       null | "text" (its UTF-8, so that keys partition as with Kafka clients) | {"$b64"} | other JSON: its text
 *   value     null: no value (a tombstone) | {"$b64": "…"} bytes | {"$text": "…"} UTF-8 text | {"$json": …} | other JSON: its text
 *   headers   [{"key": "name", "value": null | "text" | {"$b64"}}], or {"name": value} when written
 *
 * Reading is the inverse: a value that is JSON text comes as that JSON, other UTF-8 as {"$text"}, the rest as {"$b64"}.
 * {"$json"} wraps what would be read as something else: the JSON text `null` and objects that look like a wrapper. So every
 * value that was read can be written again and means the same. `format` changes what a bare JSON string in a value is:
 * 'string' its text, 'base64' its bytes (keys too), and then reading yields such strings.
 */
import '../../engine/kernel/buffer.ts';
import { isUtf8 } from 'node:buffer';
import { Failure, InvalidRequest } from '../../engine/kernel/failure.ts';
import { baseOffset, CorruptBatch, isControl, lastOffset } from '../../engine/records/batch.ts';
import { CodecUnavailable, DecompressedTooLarge } from '../../engine/records/compression.ts';
import {
  decodeHeaders,
  decompressedBytesMax,
  forEachRecordOf,
  plainRecordsOf,
  withRecords,
} from '../../engine/records/decode.ts';
import { varlongMax } from '../../engine/records/varint.ts';
import type { RecordHeader } from '../../engine/records/encode.ts';
import { LongNumber, stringifyKeepingNumbers } from './long-numbers.ts';
import type { ProduceRecord } from './produce.ts';

export type RecordFormat = 'json' | 'string' | 'base64';

/** Headers of one record. */
const headersMax = 1_000;

/** Throws InvalidRequest on field `format`. */
export function parseFormat(text: string | null | undefined): RecordFormat {
  const format = text ?? 'json';
  if (format === 'json' || format === 'string' || format === 'base64') return format;
  throw new InvalidRequest('format', `format=${format}: use json, string or base64`);
}

// --- JSON to record ---

/** `place` names the record in failures, e.g. 'records[3]'. Throws InvalidRequest. */
export function recordOfJson(json: unknown, format: RecordFormat, place: string): ProduceRecord {
  if (!isObject(json)) throw new InvalidRequest(place, `${place} must be an object`);
  let unknown: string | undefined;
  for (const name in json) if (!recordFields.has(name)) unknown = name;
  if (unknown !== undefined) {
    throw new InvalidRequest(`${place}.${unknown}`, `${place} has an unknown field '${unknown}'`);
  }
  const { headers } = json;
  const partition = double(json['partition']);
  const timestamp = double(json['timestamp']);
  return {
    key: keyBytes(json['key'], format, place),
    value: valueBytes(json['value'], format, place),
    headers: headers === undefined || headers === null ? undefined : headersOf(headers, place),
    partition: partition === undefined || partition === null ? undefined : whole(partition, `${place}.partition`),
    timestampMs: timestamp === undefined || timestamp === null ? undefined : time(timestamp, place),
  };
}

const recordFields: ReadonlySet<string> = new Set(['key', 'value', 'headers', 'partition', 'timestamp']);

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !(json instanceof LongNumber);
}

/** The wrapper's name when `json` is an object with that one member. */
function wrapperOf(json: unknown): '$b64' | '$text' | '$json' | undefined {
  if (!isObject(json)) return undefined;
  let only: string | undefined;
  for (const name in json) {
    if (only !== undefined) return undefined;
    only = name;
  }
  return only === '$b64' || only === '$text' || only === '$json' ? only : undefined;
}

/** JSON.parse takes any depth, JSON.stringify has a stack. Throws InvalidRequest. */
function jsonBytes(json: unknown, field: string): Buffer {
  try {
    return Buffer.from(stringifyKeepingNumbers(json));
  } catch (error) {
    if (error instanceof RangeError) throw new InvalidRequest(field, `${field} is nested too deep`);
    throw error;
  }
}

function keyBytes(json: unknown, format: RecordFormat, place: string): Buffer | null {
  if (json === undefined || json === null) return null;
  if (typeof json === 'string') {
    return format === 'base64' ? base64Bytes(json, `${place}.key`) : textBytes(json, `${place}.key`);
  }
  return wrapperOf(json) ? wrapped(json, `${place}.key`) : jsonBytes(json, `${place}.key`);
}

function valueBytes(json: unknown, format: RecordFormat, place: string): Buffer | null {
  if (json === undefined || json === null) return null;
  if (typeof json === 'string' && format !== 'json') {
    return format === 'base64' ? base64Bytes(json, `${place}.value`) : textBytes(json, `${place}.value`);
  }
  return wrapperOf(json) ? wrapped(json, `${place}.value`) : jsonBytes(json, `${place}.value`);
}

function wrapped(json: unknown, field: string): Buffer {
  const { $b64, $text, $json } = json as { $b64?: unknown; $text?: unknown; $json?: unknown };
  if ($json !== undefined) return jsonBytes($json, field);
  if (typeof $b64 === 'string') return base64Bytes($b64, field);
  if (typeof $text === 'string') return textBytes($text, field);
  throw new InvalidRequest(field, `${field}: $b64 and $text take a string`);
}

/** Standard or URL-safe alphabet, padded or not. Node skips what it does not know, so the text is checked first. */
function base64Bytes(text: string, field: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new InvalidRequest(field, `${field} is not base64`);
  return Buffer.from(text, 'base64');
}

const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Half a surrogate pair has no UTF-8; Buffer.from would store U+FFFD in its place. */
function textBytes(text: string, field: string): Buffer {
  if (loneSurrogate.test(text)) throw new InvalidRequest(field, `${field} has half a surrogate pair`);
  return Buffer.from(text);
}

function headersOf(json: unknown, place: string): RecordHeader[] {
  const field = `${place}.headers`;
  const entries: [unknown, unknown][] = Array.isArray(json)
    ? json.map((entry: unknown) => (isObject(entry) ? [entry['key'], entry['value']] : [undefined, undefined]))
    : isObject(json)
      ? Object.entries(json)
      : [[undefined, undefined]];
  if (entries.length > headersMax) throw new InvalidRequest(field, `${field}: at most ${headersMax} headers`);
  return entries.map(([key, value]) => {
    if (typeof key !== 'string') throw new InvalidRequest(field, `${field}: use [{"key": "name", "value": "text"}]`);
    textBytes(key, field);
    return { key, value: headerBytes(value, `${field}.${key}`) };
  });
}

function headerBytes(json: unknown, field: string): Buffer | null {
  if (json === undefined || json === null) return null;
  if (typeof json === 'string') return textBytes(json, field);
  if (wrapperOf(json)) return wrapped(json, field);
  throw new InvalidRequest(field, `${field} must be a string, null or {"$b64": "…"}`);
}

/** Of a number that is no record's own, its usual kind. */
function double(json: unknown): unknown {
  return json instanceof LongNumber ? Number(json) : json;
}

function whole(json: unknown, field: string): number {
  if (Number.isSafeInteger(json) && (json as number) >= 0) return json as number;
  throw new InvalidRequest(field, `${field} must be a whole number from 0`);
}

/** Milliseconds since the epoch, or an RFC 3339 text. */
function time(json: unknown, place: string): number {
  const field = `${place}.timestamp`;
  if (typeof json !== 'string') {
    if (typeof json === 'number' && json > varlongMax) {
      throw new InvalidRequest(field, `${field} is too far in the future`);
    }
    return whole(json, field);
  }
  const atMs = /^\d{4}-\d\d-\d\dT/.test(json) ? Date.parse(json) : Number.NaN;
  if (Number.isNaN(atMs) || atMs < 0) throw new InvalidRequest(field, `${field} is no RFC 3339 time`);
  return atMs;
}

// --- Record to JSON ---

/**
 * A producer stored a batch whose checksum is right and whose records are not: the log takes batches by header and
 * checksum. Its bytes can be had as a record batch; a reader of records goes on behind it.
 */
export class UnreadableRecords extends Failure {
  readonly code = 'data-corrupt';
  readonly partition: number;
  readonly offset: number;
  readonly nextOffset: number;
  constructor(partition: number, offset: number, nextOffset: number, why: string) {
    super(
      `the batch at offset ${offset} of partition ${partition} holds no readable records (${why}): ` +
        `go on at offset ${nextOffset}, or read it as record batches`,
    );
    this.partition = partition;
    this.offset = offset;
    this.nextOffset = nextOffset;
  }
}

/** Kafka's producers send none of this size, but a bomb may hold one. Its JSON is up to six times as long, and V8 has no text for it. */
const recordBytesMax = 16 * 1024 * 1024;

class RecordTooLarge extends Failure {
  readonly code = 'invalid-request';
  constructor(bytes: number) {
    super(`a record of ${bytes} bytes, at most ${recordBytesMax} are written as JSON`);
  }
}

/** One record as JSON text without line breaks. */
export type VisitRecordJson = (json: string, offset: number) => void | false;

/**
 * Walks the records of [fromOffset, endOffset) in a stored batch, at once unless it is compressed. Returning false ends the
 * walk before the next record. Throws, or rejects with, UnreadableRecords.
 */
export function eachRecordJson(
  stored: Uint8Array,
  partition: number,
  fromOffset: number,
  endOffset: number,
  format: RecordFormat,
  visit: VisitRecordJson,
): void | Promise<void> {
  // Transaction markers are not records of anyone's.
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
  const walk = (section: Buffer): void => walkRecords(batch, section, partition, fromOffset, endOffset, format, visit);
  try {
    const plain = plainRecordsOf(batch);
    return plain ? walk(plain) : withRecords(batch, walk, decompressedBytesMax, true).catch(refuse);
  } catch (error) {
    return refuse(error);
  }
}

function walkRecords(
  batch: Buffer,
  section: Buffer,
  partition: number,
  fromOffset: number,
  endOffset: number,
  format: RecordFormat,
  visit: VisitRecordJson,
): void {
  forEachRecordOf(batch, section, (offset, timestampMs, key, value, headerBytes) => {
    if (offset < fromOffset) return undefined;
    if (offset >= endOffset) return false;
    const bytes = (key?.length ?? 0) + (value?.length ?? 0) + (headerBytes?.length ?? 0);
    if (bytes > recordBytesMax) throw new RecordTooLarge(bytes);
    let json = `{"partition":${partition},"offset":${offset},"timestamp":${timestampMs},"key":`;
    json += key === null ? 'null' : keyJson(key, format);
    json += ',"value":';
    json += value === null ? 'null' : valueJson(value, format);
    json += headerBytes === null ? ',"headers":[]}' : `,"headers":${headersJson(decodeHeaders(headerBytes))}}`;
    return visit(json, offset);
  });
}

/** Records that leave in one write or frame. */
export interface RecordChunk {
  readonly records: readonly string[];
  readonly offsets: readonly number[];
}

/**
 * Of one batch at once. What a bomb expands to waits in memory for as long as its reader does not read, and a thousand readers
 * may not: who wants the rest has the batch decompressed again. The usual one is smaller.
 */
const chunksLengthMax = 4 * 1024 * 1024;

/**
 * As eachRecordJson, in chunks that end with the record that passes `chunkLengthMax` characters. Of a very large batch only
 * the first: whoever has read them asks for those from behind the last offset on, until there are none.
 */
export function recordChunks(
  stored: Uint8Array,
  partition: number,
  fromOffset: number,
  endOffset: number,
  format: RecordFormat,
  chunkLengthMax: number,
): RecordChunk[] | Promise<RecordChunk[]> {
  const chunks: RecordChunk[] = [];
  let records: string[] = [];
  let offsets: number[] = [];
  let length = 0;
  let before = 0;
  const walked = eachRecordJson(stored, partition, fromOffset, endOffset, format, (json, offset) => {
    if (records.length === 0) chunks.push({ records, offsets });
    records.push(json);
    offsets.push(offset);
    length += json.length;
    if (before + length >= chunksLengthMax) return false;
    if (length < chunkLengthMax) return undefined;
    records = [];
    offsets = [];
    before += length;
    length = 0;
    return undefined;
  });
  return walked ? walked.then(() => chunks) : chunks;
}

function keyJson(bytes: Buffer, format: RecordFormat): string {
  if (format === 'base64') return `"${bytes.toString('base64')}"`;
  return isUtf8(bytes) ? JSON.stringify(bytes.utf8Slice(0, bytes.length)) : bytesJson(bytes);
}

function valueJson(bytes: Buffer, format: RecordFormat): string {
  if (format === 'base64') return `"${bytes.toString('base64')}"`;
  if (!isUtf8(bytes)) return bytesJson(bytes);
  const text = bytes.utf8Slice(0, bytes.length);
  if (format === 'string') return JSON.stringify(text);
  if (!mayBeJson(bytes[0])) return textJson(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return textJson(text);
  }
  // The stored text goes out as it is: numbers keep digits that a double would lose. Line breaks between tokens would end
  // an NDJSON line or an SSE field; within strings JSON has none.
  const line = text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]+/g, ' ') : text;
  return parsed === null || wrapperOf(parsed) ? `{"$json":${line}}` : line;
}

/** Whether JSON text can begin so: blank, quote, bracket, sign, digit, or the first letter of true, false, null. */
function mayBeJson(first: number | undefined): boolean {
  return first !== undefined && jsonStarts.has(first);
}
const jsonStarts: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n"[{-0123456789tfn'));

function textJson(text: string): string {
  return `{"$text":${JSON.stringify(text)}}`;
}

function bytesJson(bytes: Uint8Array): string {
  return `{"$b64":"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"}`;
}

function headersJson(headers: readonly RecordHeader[]): string {
  const parts = headers.map(({ key, value }) => {
    if (value === null) return `{"key":${JSON.stringify(key)},"value":null}`;
    const text = isUtf8(value) ? JSON.stringify(Buffer.from(value).toString()) : bytesJson(value);
    return `{"key":${JSON.stringify(key)},"value":${text}}`;
  });
  return `[${parts.join(',')}]`;
}
