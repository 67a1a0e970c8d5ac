/**
 * Records as JSON, for every door that speaks JSON. A record is bytes; a JSON value stands for these:
 *
 *   key       null | "text" (its UTF-8, so that keys partition as with Kafka clients) | {"$b64"} | other JSON: its text
 *   value     null: no value (a tombstone) | {"$b64": "…"} bytes | {"$text": "…"} UTF-8 text | {"$json": …} | other JSON: its text
 *   headers   [{"key": "name", "value": null | "text" | {"$b64"}}], or {"name": value} when written
 *
 * Reading is the inverse (records-to-json.ts): a value that is JSON text is returned as that JSON, other UTF-8 as
 * {"$text"}, the rest as {"$b64"}. {"$json"} wraps values that would otherwise be read as something else: the JSON text
 * `null` and objects that look like a wrapper. So every value that was read can be written again and means the same.
 * `format` changes what a bare JSON string in a value is: 'string' its text, 'base64' its bytes (keys too), and then
 * reading yields such strings.
 */
import '../../engine/kernel/buffer.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { varlongMax } from '../../engine/records/varint.ts';
import type { RecordHeader } from '../../engine/records/encode.ts';
import { LongNumber, stringifyKeepingNumbers } from './long-numbers.ts';
import type { ProduceRecord } from './produce.ts';
import { timeOf } from './time-text.ts';

export type RecordFormat = 'json' | 'string' | 'base64';

/** Headers of one record. */
const headersMax = 1_000;

/** Throws InvalidRequest on field `format`. */
export function parseFormat(text: string | null | undefined): RecordFormat {
  const format = text ?? 'json';
  if (format === 'json' || format === 'string' || format === 'base64') return format;
  throw new InvalidRequest('format', `format=${format}: use json, string or base64`);
}

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

/** `offset` is that of a record that was read. It is ignored, so that such a record can be written again as it is. */
const recordFields: ReadonlySet<string> = new Set(['key', 'value', 'headers', 'partition', 'timestamp', 'offset']);

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !(json instanceof LongNumber);
}

/** The wrapper's name when `json` is an object with that one member. */
export function wrapperOf(json: unknown): '$b64' | '$text' | '$json' | undefined {
  if (!isObject(json)) return undefined;
  let only: string | undefined;
  for (const name in json) {
    if (only !== undefined) return undefined;
    only = name;
  }
  return only === '$b64' || only === '$text' || only === '$json' ? only : undefined;
}

/** JSON.parse accepts any depth, but JSON.stringify is limited by the stack. Throws InvalidRequest. */
function jsonBytes(json: unknown, field: string): Buffer {
  try {
    return Buffer.from(stringifyKeepingNumbers(json));
  } catch (error) {
    if (error instanceof RangeError) throw new InvalidRequest(field, `${field} is nested too deeply`);
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
  throw new InvalidRequest(field, `${field}: the value of $b64 or $text must be a string`);
}

/** Standard or URL-safe alphabet, padded or not. Node skips characters it does not know, so the text is checked first. */
function base64Bytes(text: string, field: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new InvalidRequest(field, `${field} is not base64`);
  return Buffer.from(text, 'base64');
}

const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Half a surrogate pair has no UTF-8; Buffer.from would store U+FFFD in its place. */
function textBytes(text: string, field: string): Buffer {
  if (loneSurrogate.test(text))
    throw new InvalidRequest(field, `${field} is not valid Unicode: it has half a surrogate pair`);
  return Buffer.from(text);
}

function headersOf(json: unknown, place: string): RecordHeader[] {
  const field = `${place}.headers`;
  const entries: [unknown, unknown][] = Array.isArray(json)
    ? json.map((entry: unknown) => (isObject(entry) ? [entry['key'], entry['value']] : [undefined, undefined]))
    : isObject(json)
      ? Object.entries(json)
      : [[undefined, undefined]];
  if (entries.length > headersMax)
    throw new InvalidRequest(field, `${field}: a record can have at most ${headersMax} headers`);
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

/** Converts a number that is not record content, such as a partition, to an ordinary number. */
function double(json: unknown): unknown {
  return json instanceof LongNumber ? Number(json) : json;
}

function whole(json: unknown, field: string): number {
  if (Number.isSafeInteger(json) && (json as number) >= 0) return json as number;
  throw new InvalidRequest(field, `${field} must be a whole number, 0 or more`);
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
  const atMs = timeOf(json);
  if (Number.isNaN(atMs) || atMs < 0) {
    throw new InvalidRequest(field, `${field} is not an RFC 3339 time such as 2026-11-28T12:00:00Z, from 1970 on`);
  }
  return atMs;
}
