/** Request bodies: collected, decompressed and parsed, each step within the same limit. */
import '../../engine/kernel/buffer.ts';
import { isAscii, isUtf8 } from 'node:buffer';
import { Failure } from '../../engine/kernel/failure.ts';
import { CorruptBatch, codec } from '../../engine/records/batch.ts';
import { CodecUnavailable, decompress, DecompressedTooLarge } from '../../engine/records/compression.ts';
import { isTooHeavyJson, jsonWeightMax } from '../operations/json-weight.ts';
import { ProblemFailure } from './failures.ts';
import type { HttpExchange } from './servers/server.ts';

/** Never settles when the client goes away. Rejects with ProblemFailure: body-too-large, unsupported-media-type. */
export function readBody(exchange: HttpExchange, bytesMax: number): Promise<Buffer> {
  const encoding = contentCoding(exchange.header('content-encoding'));
  return new Promise((resolve, reject) => {
    exchange.readBody(
      bytesMax,
      (body) => {
        if (encoding === undefined) resolve(body);
        else expand(exchange, body, encoding, bytesMax).then(resolve, reject);
      },
      () => reject(tooLarge(bytesMax)),
    );
  });
}

/** The Content-Encoding in lower case, without codings that change nothing; undefined: the body is not encoded. */
export function contentCoding(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const codings = header.split(',').map((coding) => coding.trim().toLowerCase());
  return codings.filter((coding) => coding !== '' && coding !== 'identity').join(', ') || undefined;
}

export function tooLarge(bytesMax: number): ProblemFailure {
  return new ProblemFailure('body-too-large', `the body is larger than ${bytesMax} bytes`, { limit: bytesMax });
}

/** `name`: as contentCoding returns it. */
export async function expand(exchange: HttpExchange, body: Buffer, name: string, bytesMax: number): Promise<Buffer> {
  const codecId = name === 'gzip' || name === 'x-gzip' ? codec.gzip : name === 'zstd' ? codec.zstd : undefined;
  if (codecId === undefined) {
    throw new ProblemFailure('unsupported-media-type', `Content-Encoding ${name}: use gzip or zstd`);
  }
  try {
    const expanded = await decompress(codecId, body, bytesMax, exchange.clusterId);
    exchange.cameTo(expanded.length);
    return expanded;
  } catch (error) {
    if (error instanceof DecompressedTooLarge) {
      exchange.cameTo(bytesMax);
      throw new ProblemFailure('body-too-large', `the body is larger than ${bytesMax} bytes after decompression`, {
        limit: bytesMax,
      });
    }
    if (error instanceof CorruptBatch) throw new ProblemFailure('invalid-request', `the body is not valid ${name}`);
    if (error instanceof CodecUnavailable) throw new ProblemFailure('unsupported-media-type', error.message);
    throw error;
  }
}

/** Many Windows tools write a byte order mark first. JSON has no place for it, but RFC 8259 lets readers skip it. */
const byteOrderMark = 0xfeff;

/** Throws ProblemFailure: invalid-json, body-too-large. `what` starts the sentence: 'the body', 'line 3'. */
export function parseJson(bytes: Uint8Array, what: string, parse: (text: string) => unknown = JSON.parse): unknown {
  if (isTooHeavyJson(bytes)) {
    const detail = `${what} has more than ${jsonWeightMax} values, where an object or an array counts as four`;
    throw new ProblemFailure('body-too-large', detail, { limit: jsonWeightMax });
  }
  const text = textOf(bytes);
  // A decoder that replaces bad bytes would store something other than what was sent.
  if (text === undefined) throw new ProblemFailure('invalid-json', `${what} is not UTF-8`);
  try {
    return parse(text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new ProblemFailure('invalid-json', `${what} is not JSON: ${error instanceof Error ? error.message : ''}`);
  }
}

/** Undefined unless the bytes are UTF-8. ASCII has the faster decoder, and most JSON is ASCII. */
function textOf(bytes: Uint8Array): string | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isAscii(view)) return view.latin1Slice(0, view.length);
  return isUtf8(view) ? view.utf8Slice(0, view.length) : undefined;
}

/** Throws ProblemFailure. An empty body reads as {}. */
export async function readJsonObject(exchange: HttpExchange, bytesMax: number): Promise<Record<string, unknown>> {
  return parseJsonObject(await readBody(exchange, bytesMax));
}

/** Throws ProblemFailure. An empty body reads as {}. */
export function parseJsonObject(
  body: Uint8Array,
  parse: (text: string) => unknown = JSON.parse,
): Record<string, unknown> {
  const json = body.length === 0 ? {} : parseJson(body, 'the body', parse);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ProblemFailure('invalid-request', 'the body must be a JSON object');
  }
  return json as Record<string, unknown>;
}

/** The media type without parameters, in lower case. */
export function mediaType(header: string | undefined): string {
  if (header === undefined) return '';
  const end = header.indexOf(';');
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}
