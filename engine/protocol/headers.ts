/**
 * Headers, and whole frames without their size prefix. A request begins with key, version, correlation id and client id; a
 * response begins with the correlation id. Flexible versions add tagged fields, none of which is known.
 *
 * Kafka has two exceptions: the client id always keeps its int16 length, and an ApiVersions response never has tagged
 * fields in its header, because the client does not know yet what the server speaks.
 */
import { type ApiKey, apiByKey, apiKey, type RequestOf, type ResponseOf } from './apis.ts';
import { decoder, encoder } from './compile.ts';
import { text } from './intern.ts';
import { elementsMax, taggedFieldsMax } from './limits.ts';
import { cursor, errorsMet, malformed, misfit, readVarint, unsupported, writeText } from './wire.ts';
import { Writer } from './writer.ts';

export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Where the body begins in the frame. Meaningless when the API is unknown. */
  readonly bodyAt: number;
}

const writer = new Writer();

/** Throws MalformedFrame. The caller must refuse an API or version that is not served. */
export function decodeRequestHeader(frame: Buffer): RequestHeader {
  if (frame.length < 10) malformed('frame is shorter than a request header');
  const key = frame.readInt16BE(0);
  const apiVersion = frame.readInt16BE(2);
  const length = frame.readInt16BE(8);
  if (length < -1 || length > frame.length - 10) malformed('ends within clientId');
  const clientId = length < 0 ? null : text(frame, 10, length);
  const end = 10 + Math.max(length, 0);
  const api = apiByKey.get(key);
  const bodyAt = api !== undefined && apiVersion >= api.flexibleSince ? skipTagged(frame, end) : end;
  return { apiKey: key, apiVersion, correlationId: frame.readInt32BE(4), clientId, bodyAt };
}

/** Throws MalformedFrame, and UnsupportedVersion for a version that cannot be decoded. */
export function decodeRequest<K extends ApiKey>(
  key: K,
  version: number,
  frame: Buffer,
  bodyAt: number,
  most: number = elementsMax,
): RequestOf<K> {
  const api = apiByKey.get(key)!;
  if (version < api.min || version > api.max) unsupported(`${api.name} has no version ${version}`);
  return decoder(api.request, version)(frame, bodyAt, most) as RequestOf<K>;
}

/** Elements in all arrays of the message decoded last. Read it at once, before the next message. */
export function elementsDecoded(): number {
  return cursor.elements;
}

export function decodeCorrelationId(frame: Buffer): number {
  if (frame.length < 4) malformed('frame is shorter than a response header');
  return frame.readInt32BE(0);
}

/** Throws MalformedFrame. */
export function decodeResponse<K extends ApiKey>(key: K, version: number, frame: Buffer): ResponseOf<K> {
  if (frame.length < 4) malformed('frame is shorter than a response header');
  const bodyAt = hasTaggedResponse(key, version) ? skipTagged(frame, 4) : 4;
  return decoder(apiByKey.get(key)!.response, version)(frame, bodyAt) as ResponseOf<K>;
}

/** Header and body as parts for one writev; large records stay the message's own views. Throws as Encoder does. */
export function encodeRequest<K extends ApiKey>(
  key: K,
  version: number,
  correlationId: number,
  clientId: string | null,
  message: RequestOf<K>,
): Uint8Array[] {
  const api = apiByKey.get(key)!;
  writer.begin();
  const bytes = writer.reserve(8 + 2 + (clientId?.length ?? 0) * 3 + 6);
  let position = bytes.writeInt16BE(key, writer.position);
  position = bytes.writeInt16BE(version, position);
  position = bytes.writeInt32BE(correlationId, position);
  if (clientId === null) position = bytes.writeInt16BE(-1, position);
  else position = writeText(bytes, position, clientId, false, 'clientId');
  if (version >= api.flexibleSince) bytes[position++] = 0;
  writer.position = position;
  encoder(api.request, version)(writer, message);
  return writer.take();
}

/** Like encodeRequest. */
export function encodeResponse<K extends ApiKey>(
  key: K,
  version: number,
  correlationId: number,
  message: ResponseOf<K>,
): Uint8Array[] {
  if (correlationId !== (correlationId | 0)) misfit('correlationId', correlationId);
  writer.begin();
  if (errorsMet.size > 0) errorsMet.clear();
  const bytes = writer.reserve(5);
  let position = bytes.writeInt32BE(correlationId, writer.position);
  if (hasTaggedResponse(key, version)) bytes[position++] = 0;
  writer.position = position;
  encoder(apiByKey.get(key)!.response, version)(writer, message);
  return writer.take();
}

/** How often each error code but 0 is in the response encoded last. Read it at once, before the next response. */
export function errorsEncoded(): ReadonlyMap<number, number> {
  return errorsMet;
}

function hasTaggedResponse(key: ApiKey, version: number): boolean {
  return version >= apiByKey.get(key)!.flexibleSince && key !== apiKey.apiVersions;
}

function skipTagged(frame: Buffer, position: number): number {
  let count = readVarint(frame, position);
  if (count > taggedFieldsMax) malformed('too many tagged fields');
  for (; count > 0; count--) {
    readVarint(frame, cursor.position);
    const size = readVarint(frame, cursor.position);
    if (size > frame.length - cursor.position) malformed('tagged field is too long');
    cursor.position += size;
  }
  return cursor.position;
}
