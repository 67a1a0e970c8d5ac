/**
 * A cursor says where a reader stands in every partition it reads: opaque text, safe in URLs and SSE ids. Any gateway can
 * serve it because no reader state is stored. It names the topic by id, so that the cursor of a deleted and recreated topic
 * is detected. It gives no rights: the topic id is looked up within the caller's own cluster. The checksum catches
 * truncation and typing mistakes, not forgery, which would gain nothing.
 *
 * The tag is a checksum of the cluster's id and the topic's name. It distinguishes a cursor of this topic's predecessor
 * (deleted and recreated) from a cursor of any other topic, without looking into any other cluster's catalogue.
 *
 *   version u8 (1) | flags u8 | topicId 16 | tag u32 | count varint | (partition varint, offset varint)… | crc32c u32
 */
import '../../engine/kernel/buffer.ts';
import { crc32c } from '../../engine/kernel/crc32c.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';

/** The next offset to read, per partition, in the order in which the partitions are to be read. */
export interface Position {
  readonly partition: number;
  readonly offset: number;
}

export interface Cursor {
  readonly topicId: Uuid;
  readonly topicTag: number;
  /** The reader wants the whole topic: partitions added later are read from their start. */
  readonly wholeTopic: boolean;
  readonly positions: readonly Position[];
}

export class CursorInvalid extends Failure {
  readonly code = 'cursor-invalid';
}

const version = 1;
const headBytes = 1 + 1 + 16 + 4;
const wholeTopicFlag = 1;
const positionsMax = 100_000;
const textLengthMax = 1_500_000;

/** The tag of the latest topic: an event stream has a cursor with each record. */
const lastTag = { name: '', tag: 0 };

/** `topic.name` is the inner name, which begins with the cluster's id. */
export function topicTag({ name }: TopicEntry): number {
  if (name !== lastTag.name) {
    lastTag.name = name;
    lastTag.tag = crc32c(Buffer.from(name));
  }
  return lastTag.tag;
}

/** Scratch memory for building cursors, except those over very many partitions. */
const scratch = Buffer.allocUnsafeSlow(1024);

export function encodeCursor(cursor: Cursor): string {
  const bytesMax = headBytes + 10 + cursor.positions.length * 20 + 4;
  const out = bytesMax <= scratch.length ? scratch : Buffer.allocUnsafe(bytesMax);
  out[0] = version;
  out[1] = cursor.wholeTopic ? wholeTopicFlag : 0;
  out.latin1Write(cursor.topicId, 2, 16);
  out.writeUInt32BE(cursor.topicTag, 18);
  let at = writeUnsigned(out, headBytes, cursor.positions.length);
  for (const { partition, offset } of cursor.positions) {
    at = writeUnsigned(out, at, partition);
    at = writeUnsigned(out, at, offset);
  }
  at = out.writeUInt32BE(crc32c(out, 0, 0, at), at);
  return out.base64urlSlice(0, at);
}

/** Throws CursorInvalid. */
export function decodeCursor(text: string): Cursor {
  if (text.length > textLengthMax || !/^[A-Za-z0-9_-]+$/.test(text))
    throw new CursorInvalid('this is not a Headgate cursor: pass a cursor exactly as it was returned');
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < headBytes + 5 || bytes[0] !== version)
    throw new CursorInvalid('this is not a Headgate cursor: pass a cursor exactly as it was returned');
  const end = bytes.length - 4;
  if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
    throw new CursorInvalid('the cursor is damaged: pass it exactly as it was returned');
  }
  const reader = { bytes, at: headBytes, end };
  const count = readUnsigned(reader);
  if (count > positionsMax) throw new CursorInvalid(`the cursor has more than ${positionsMax} positions`);
  const positions: Position[] = [];
  for (let i = 0; i < count; i++) positions.push({ partition: readUnsigned(reader), offset: readUnsigned(reader) });
  if (reader.at !== end) throw new CursorInvalid('the cursor has bytes after its end');
  // The checksum detects damage but stops nobody from forging a cursor. Readers rely on one place per partition.
  if (new Set(positions.map(({ partition }) => partition)).size !== count) {
    throw new CursorInvalid('the cursor names a partition twice');
  }
  return {
    topicId: bytes.latin1Slice(2, 18),
    topicTag: bytes.readUInt32BE(18),
    wholeTopic: (bytes[1]! & wholeTopicFlag) !== 0,
    positions,
  };
}

/** LEB128 of a safe non-negative integer, by division: offsets pass 2^32. */
function writeUnsigned(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    out[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  out[at++] = rest;
  return at;
}

function readUnsigned(reader: { readonly bytes: Buffer; at: number; readonly end: number }): number {
  let value = 0;
  let scale = 1;
  while (reader.at < reader.end) {
    const byte = reader.bytes[reader.at++]!;
    value += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(value)) break;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
  throw new CursorInvalid('the cursor is cut short: pass it exactly as it was returned');
}
