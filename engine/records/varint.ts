/**
 * Zigzag varints (Protocol Buffers' sint32 and sint64), the integers inside a record. Small magnitudes of either sign take
 * few bytes. Values are plain numbers: 32-bit ones exact, 64-bit ones (timestamp deltas) within ±2^52, which is 142,000
 * years in milliseconds.
 */
import { assert } from '../kernel/assert.ts';
import { CorruptBatch } from './batch.ts';

export const varlongMax = 2 ** 52 - 1;

/** Bytes that `value` takes, 1-8. */
export function varintBytes(value: number): number {
  if (value >= 0 && value < 64) return 1;
  let zigzag = value >= 0 ? value * 2 : value * -2 - 1;
  let bytes = 1;
  for (; zigzag >= 128; zigzag = Math.floor(zigzag / 128)) bytes++;
  return bytes;
}

/** Writes an integer within ±2^52 and returns the position after it. The caller has reserved room (varintBytes). */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value < 64) {
    bytes[at] = value << 1;
    return at + 1;
  }
  assert(value <= varlongMax && value >= -varlongMax, 'a varint stays within 2^52');
  let zigzag = value >= 0 ? value * 2 : value * -2 - 1;
  let pos = at;
  // Above 2^31 bit operators would truncate, so the high part uses division.
  for (; zigzag >= 0x8000_0000; zigzag = Math.floor(zigzag / 128)) bytes[pos++] = (zigzag % 128) | 0x80;
  for (; zigzag >= 128; zigzag >>>= 7) bytes[pos++] = (zigzag & 0x7f) | 0x80;
  bytes[pos++] = zigzag;
  return pos;
}

/** Walks varints and spans of `bytes` up to `end`. Throws CorruptBatch on everything it cannot read. Reused, never shared. */
export class VarintReader {
  bytes: Uint8Array;
  pos: number;
  end: number;

  constructor(bytes: Uint8Array, pos = 0, end = bytes.length) {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
  }

  /** Reads an int32. */
  varint(): number {
    const { bytes, end } = this;
    let pos = this.pos;
    let zigzag = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (pos >= end) throw new CorruptBatch(`varint cut short at byte ${pos}`);
      const byte = bytes[pos++]!;
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break;
        this.pos = pos;
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
    }
    throw new CorruptBatch(`varint at byte ${this.pos} does not fit in 32 bits`);
  }

  /** Reads an int64 within ±2^52. */
  varlong(): number {
    const { bytes, end } = this;
    let pos = this.pos;
    let zigzag = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      if (pos >= end) throw new CorruptBatch(`varlong cut short at byte ${pos}`);
      const byte = bytes[pos++]!;
      zigzag += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (zigzag >= 2 ** 53) break;
        this.pos = pos;
        return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      }
    }
    throw new CorruptBatch(`varlong at byte ${this.pos} is beyond 2^52`);
  }

  /** Skips a length-prefixed span; returns its length, -1 for null. The span ends at `pos`. */
  skipSpan(): number {
    const length = this.varint();
    if (length < 0) {
      if (length < -1) throw new CorruptBatch(`length ${length} before byte ${this.pos}`);
      return -1;
    }
    if (length > this.end - this.pos) {
      throw new CorruptBatch(`${length} bytes at byte ${this.pos}, ${this.end - this.pos} are left`);
    }
    this.pos += length;
    return length;
  }
}
