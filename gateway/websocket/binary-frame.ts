/**
 * Binary frames: record batches as stored, passed through unchanged.
 *
 *   server to client  1 batch    | u8 1 | sub varint | partition varint | RecordBatch |
 *   client to server  2 produce  | u8 2 | id varint | partition varint | topic length varint | topic | RecordBatch… |
 *
 * Varints are unsigned LEB128, at most 2^53 - 1.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';

const batchFrame = 1;
const produceFrame = 2;

export interface ProduceFrame {
  readonly id: number;
  readonly partition: number;
  readonly topic: string;
  /** One batch or more. */
  readonly batches: Buffer;
}

export function encodeBatchFrame(sub: number, partition: number, batch: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(1 + 10 + 10 + batch.length);
  out[0] = batchFrame;
  const at = writeUnsigned(out, writeUnsigned(out, 1, sub), partition);
  out.set(batch, at);
  return out.subarray(0, at + batch.length);
}

/** Throws InvalidRequest. */
export function decodeProduceFrame(bytes: Buffer): ProduceFrame {
  if (bytes[0] !== produceFrame)
    throw new InvalidRequest('type', `binary frame of type ${bytes[0]}: only type 2 (produce) is accepted`);
  const reader = { bytes, at: 1 };
  const id = readUnsigned(reader);
  const partition = readUnsigned(reader);
  const length = readUnsigned(reader);
  const end = reader.at + length;
  if (end > bytes.length) throw new InvalidRequest('topic', 'the binary frame ends within the topic name');
  return { id, partition, topic: bytes.toString('utf8', reader.at, end), batches: bytes.subarray(end) };
}

function writeUnsigned(out: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out[at++] = (rest % 0x80) | 0x80;
  out[at++] = rest;
  return at;
}

function readUnsigned(reader: { readonly bytes: Buffer; at: number }): number {
  let value = 0;
  for (let scale = 1; reader.at < reader.bytes.length; scale *= 0x80) {
    const byte = reader.bytes[reader.at++]!;
    value += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(value)) break;
    if (byte < 0x80) return value;
  }
  throw new InvalidRequest('frame', 'a length or number in the binary frame is not a valid varint');
}
