/**
 * A cursor says where a reader stands in every partition it reads: opaque text, safe in URLs and SSE ids, that any
 * gateway can serve because nothing about the reader is kept. It names the topic by id, so that a cursor of a deleted
 * and recreated topic is noticed. It gives no rights: the topic id is looked up within the caller's own cluster. The
 * checksum catches truncation and typing mistakes, not forgery, which would gain nothing.
 *
 *   version u8 (1) | topicId 16 | count varint | (partition varint, offset varint)… | crc32c u32
 */
import '../../engine/kernel/buffer.ts';
import { crc32c } from '../../engine/kernel/crc32c.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';

/** The next offset to read, per partition, in partition order. */
export interface Position {
  readonly partition: number;
  readonly offset: number;
}

export interface Cursor {
  readonly topicId: Uuid;
  readonly positions: readonly Position[];
}

export class CursorInvalid extends Failure {
  readonly code = 'cursor-invalid';
}

const version = 1;
const positionsMax = 100_000;
const textLengthMax = 1_500_000;

export function encodeCursor(cursor: Cursor): string {
  const out = Buffer.allocUnsafe(1 + 16 + 10 + cursor.positions.length * 20 + 4);
  out[0] = version;
  out.latin1Write(cursor.topicId, 1, 16);
  let at = writeUnsigned(out, 17, cursor.positions.length);
  for (const { partition, offset } of cursor.positions) {
    at = writeUnsigned(out, at, partition);
    at = writeUnsigned(out, at, offset);
  }
  at = out.writeUInt32BE(crc32c(out.subarray(0, at)), at);
  return out.toString('base64url', 0, at);
}

/** Throws CursorInvalid. */
export function decodeCursor(text: string): Cursor {
  if (text.length > textLengthMax || !/^[A-Za-z0-9_-]+$/.test(text)) throw new CursorInvalid('the cursor is not one of ours');
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < 22 || bytes[0] !== version) throw new CursorInvalid('the cursor is not one of ours');
  const end = bytes.length - 4;
  if (crc32c(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
    throw new CursorInvalid('the cursor is damaged: pass it on exactly as it was given');
  }
  const reader = { bytes, at: 17, end };
  const count = readUnsigned(reader);
  if (count > positionsMax) throw new CursorInvalid(`the cursor has over ${positionsMax} positions`);
  const positions: Position[] = [];
  for (let i = 0; i < count; i++) positions.push({ partition: readUnsigned(reader), offset: readUnsigned(reader) });
  if (reader.at !== end) throw new CursorInvalid('the cursor has bytes after its end');
  return { topicId: bytes.latin1Slice(1, 17), positions };
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
  throw new CursorInvalid('the cursor ends within a number');
}
