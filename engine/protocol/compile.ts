/**
 * Decoders, encoders and rewriters, compiled from the schema on first use of a (message, version). Compiled code reads an
 * object per struct and a local variable per field. Walking the schema for every message costs three to ten times as much;
 * interpret.ts does that, as the oracle that tests compare with.
 */
import { assert } from '../kernel/assert.ts';
import { zeroUuid } from '../kernel/uuid.ts';
import { decoderSource } from './generate-decode.ts';
import { encoderSource } from './generate-encode.ts';
import { type Rewrite, rewriterSource } from './generate-rewrite.ts';
import { id, text } from './intern.ts';
import type { Infer, Message } from './schema.ts';
import { type Compiled, evaluate } from './source.ts';
import {
  cursor,
  exactInt64Of,
  int64Of,
  malformed,
  meetError,
  misfit,
  readVarint,
  saturatingInt64Of,
  unsupported,
  writeInt64,
  writeSizeBefore,
  writeText,
  writeUuid,
  writeVarint,
} from './wire.ts';
import { Writer } from './writer.ts';

/**
 * Reads the body that starts at `position` of the frame. Byte fields of the result are views of the frame. Bytes after the
 * body are ignored, as in Kafka. Throws MalformedFrame, also for a message with more than `elementsMax` array elements.
 */
export type Decoder<T> = (frame: Buffer, position: number, elementsMax?: number) => T;

/**
 * Appends the body to the writer. Throws UnsupportedVersion when the version cannot carry a value of the message, and
 * AssertionFailure when a value does not fit its field.
 */
export type Encoder<T> = (writer: Writer, message: T) => void;

/** Replaces, within the message itself, every value that must look different on the other side. */
export type Rewriter<T> = (message: T, map: Rewrite) => void;

const scope = {
  zeroUuid,
  noBytes: Buffer.alloc(0),
  text,
  id,
  view: (frame: Buffer, position: number, length: number): Buffer => frame.subarray(position, position + length),
  cursor,
  readVarint,
  exactInt64Of,
  int64Of,
  saturatingInt64Of,
  malformed,
  meetError,
  misfit,
  unsupported,
  writeInt64,
  writeSizeBefore,
  writeText,
  writeUuid,
  writeVarint,
};

type Cache = Map<Message, Compiled[]>;

const decoders: Cache = new Map();
const encoders: Cache = new Map();
const rewriters: Cache = new Map();

export function decoder<M extends Message>(schema: M, version: number): Decoder<Infer<M>> {
  return compiled(decoders, schema, version, decoderSource) as Decoder<Infer<M>>;
}

export function encoder<M extends Message>(schema: M, version: number): Encoder<Infer<M>> {
  return compiled(encoders, schema, version, encoderSource) as Encoder<Infer<M>>;
}

/** For one version: a field that the version lacks holds a default, which must not be mistaken for a name. */
export function rewriter<M extends Message>(schema: M, version: number): Rewriter<Infer<M>> {
  return compiled(rewriters, schema, version, rewriterSource) as Rewriter<Infer<M>>;
}

const sharedWriter = new Writer();

/** The body alone, as parts for a writev; large records stay the message's own views. Throws as Encoder does. */
export function encode<M extends Message>(schema: M, version: number, message: Infer<M>): Uint8Array[] {
  sharedWriter.begin();
  encoder(schema, version)(sharedWriter, message);
  return sharedWriter.take();
}

function compiled(
  cache: Cache,
  schema: Message,
  version: number,
  sourceOf: (schema: Message, version: number) => string,
): Compiled {
  let versions = cache.get(schema);
  if (versions === undefined) {
    versions = [];
    cache.set(schema, versions);
  }
  return (versions[version] ??= compile(schema, version, sourceOf));
}

function compile(schema: Message, version: number, sourceOf: (schema: Message, version: number) => string): Compiled {
  assert(version >= schema.min && version <= schema.max, `${schema.name} has no version ${version}`);
  return evaluate(sourceOf(schema, version), scope);
}
