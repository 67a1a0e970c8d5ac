/**
 * Frames of a link: Kafka's request and response headers around the codec's bodies, as parts for one writev. Header
 * versions follow the API's flexibility (KIP-482): request header 1 or 2, response header 0 or 1, and ApiVersions
 * answers with header 0 always (KIP-511). The client id is never compact.
 */
import { assert } from '../kernel/assert.ts';
import { apiByKey, type Api, type ApiKey, type RequestOf, type ResponseOf } from '../protocol/apis.ts';
import { decoder, type Decoder, encoder, type Encoder } from '../protocol/compile.ts';
import { taggedFieldsMax } from '../protocol/limits.ts';
import { MalformedFrame } from '../protocol/malformed-frame.ts';
import { UnsupportedVersion } from '../protocol/unsupported-version.ts';
import { cursor, readVarint } from '../protocol/wire.ts';
import { Writer } from '../protocol/writer.ts';
import { readI16, readI32, writeI16, writeI32 } from '../records/bytes.ts';

/** Bytes of a request before its client id: key, version, correlation id, length of the client id. */
const requestPrefixBytes = 10;
const apiVersionsKey = 18;

const writer = new Writer();

export function encodeRequest<K extends ApiKey>(
  key: K,
  version: number,
  correlationId: number,
  clientId: string,
  request: RequestOf<K>,
): Uint8Array[] {
  const api = apiOf(key);
  writer.begin();
  // Three bytes of UTF-8 are the most that a UTF-16 unit takes; one more for the empty tagged section.
  const bytes = writer.reserve(requestPrefixBytes + clientId.length * 3 + 1);
  let at = writer.position;
  writeI16(bytes, at, key);
  writeI16(bytes, at + 2, version);
  writeI32(bytes, at + 4, correlationId);
  const idBytes = bytes.write(clientId, at + requestPrefixBytes, 'utf8');
  assert(idBytes <= 0x7fff, 'client id fits its length field');
  writeI16(bytes, at + 8, idBytes);
  at += requestPrefixBytes + idBytes;
  if (version >= api.flexibleSince) bytes[at++] = 0;
  writer.position = at;
  // The registry pairs a key with its schemas, which the type system cannot follow through the Map.
  (encoder(api.request, version) as Encoder<unknown>)(writer, request);
  return writer.take();
}

export interface RequestFrame {
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: unknown;
}

/** Throws MalformedFrame and UnsupportedVersion. Byte fields of the request are views of `frame`. */
export function decodeRequest(frame: Buffer): RequestFrame {
  if (frame.length < requestPrefixBytes) throw new MalformedFrame(`request of ${frame.length} bytes`);
  const key = readI16(frame, 0) & 0xffff;
  const version = readI16(frame, 2);
  const api = apiByKey.get(key);
  if (!api || version < api.min || version > api.max) throw new UnsupportedVersion(`API ${key} version ${version}`);
  const idBytes = Math.max(readI16(frame, 8), 0);
  let at = requestPrefixBytes + idBytes;
  if (at > frame.length) throw new MalformedFrame('client id runs over the end');
  const clientId = frame.utf8Slice(requestPrefixBytes, at);
  if (version >= api.flexibleSince) at = skipTags(frame, at);
  const request: unknown = (decoder(api.request, version) as Decoder<unknown>)(frame, at);
  return { api, version, correlationId: readI32(frame, 4), clientId, request };
}

export function encodeResponse<K extends ApiKey>(
  key: K,
  version: number,
  correlationId: number,
  response: ResponseOf<K>,
): Uint8Array[] {
  const api = apiOf(key);
  writer.begin();
  const bytes = writer.reserve(5);
  let at = writer.position;
  writeI32(bytes, at, correlationId);
  at += 4;
  if (version >= api.flexibleSince && key !== apiVersionsKey) bytes[at++] = 0;
  writer.position = at;
  (encoder(api.response, version) as Encoder<unknown>)(writer, response);
  return writer.take();
}

/** Which request a response belongs to. Throws MalformedFrame. */
export function correlationIdOf(frame: Buffer): number {
  if (frame.length < 4) throw new MalformedFrame(`response of ${frame.length} bytes`);
  return readI32(frame, 0);
}

/** Throws MalformedFrame. Byte fields of the response are views of `frame`. */
export function decodeResponse<K extends ApiKey>(key: K, version: number, frame: Buffer): ResponseOf<K> {
  const api = apiOf(key);
  const at = version >= api.flexibleSince && key !== apiVersionsKey ? skipTags(frame, 4) : 4;
  return (decoder(api.response, version) as Decoder<unknown>)(frame, at) as ResponseOf<K>;
}

/** The highest version both codec and message know. */
export function latestVersion(key: ApiKey): number {
  return apiOf(key).max;
}

function apiOf(key: ApiKey): Api {
  const api = apiByKey.get(key);
  assert(api, `API ${key} is in the registry`);
  return api;
}

function skipTags(frame: Buffer, from: number): number {
  let left = readVarint(frame, from);
  let at = cursor.position;
  if (left > taggedFieldsMax) throw new MalformedFrame(`${left} tagged fields in a header`);
  for (; left > 0; left--) {
    readVarint(frame, at);
    const size = readVarint(frame, cursor.position);
    at = cursor.position + size;
    if (at > frame.length) throw new MalformedFrame('tagged field of a header runs over the end');
  }
  return at;
}
