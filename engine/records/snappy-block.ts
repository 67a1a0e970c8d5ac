/**
 * Decodes Snappy (format_description.txt of google/snappy) into memory of our own, for the reason given in lz4-frame.ts:
 * raw blocks, as librdkafka sends them, and xerial's framing of them, as Java clients do.
 */
import { CorruptBatch } from './batch.ts';
import { readI32 } from './bytes.ts';
import { copyLiterals, copyMatch, type SlicedDecoder } from './copy-match.ts';
import { snappyLength } from './frame-bounds.ts';

/** 0x82 'SNAPPY' 0, version i32, lowest compatible version i32, then blocks: compressed length i32 and a raw block. */
export const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
export const xerialHeaderBytes = 16;

function isXerial(bytes: Buffer): boolean {
  return bytes.length >= xerialHeaderBytes && bytes.subarray(0, xerialMagic.length).equals(xerialMagic);
}

/** The output size, as the blocks state it. Stops counting beyond `bytesMax`. Throws CorruptBatch. */
export function snappyBound(bytes: Buffer, bytesMax: number): number {
  if (!isXerial(bytes)) return snappyLength(bytes);
  let total = 0;
  for (let pos = xerialHeaderBytes; pos < bytes.length && total <= bytesMax; ) {
    const end = xerialBlockEnd(bytes, pos);
    total += snappyLength(bytes.subarray(pos + 4, end));
    pos = end;
  }
  return total;
}

function xerialBlockEnd(bytes: Buffer, pos: number): number {
  const length = bytes.length - pos < 4 ? -1 : readI32(bytes, pos);
  if (length < 0 || length > bytes.length - pos - 4) throw new CorruptBatch('snappy: block cut short');
  return pos + 4 + length;
}

export class SnappyDecoder implements SlicedDecoder {
  readonly #from: Buffer;
  readonly #to: Uint8Array;
  readonly #isFramed: boolean;
  #pos: number;
  #at = 0;
  /** For the block that is being decoded: its end in input and output, and where its history begins. */
  #blockEnd: number;
  #blockOutEnd = 0;
  #historyStart = 0;

  /** `to` is exactly as long as the output (snappyBound). */
  constructor(bytes: Buffer, to: Uint8Array) {
    this.#from = bytes;
    this.#to = to;
    this.#isFramed = isXerial(bytes);
    this.#pos = this.#isFramed ? xerialHeaderBytes : 0;
    this.#blockEnd = this.#pos;
    if (!this.#isFramed) this.#begin(0, bytes.length);
  }

  advance(stop: number): boolean {
    while (this.#at < stop) {
      if (this.#pos >= this.#blockEnd && !this.#nextBlock()) return true;
      this.#elements(stop);
    }
    return false;
  }

  #begin(from: number, end: number): void {
    const length = snappyLength(this.#from.subarray(from, end));
    let pos = from;
    while (this.#from[pos]! >= 0x80) pos++;
    this.#pos = pos + 1;
    this.#blockEnd = end;
    this.#historyStart = this.#at;
    this.#blockOutEnd = this.#at + length;
    if (this.#blockOutEnd > this.#to.length) throw new CorruptBatch('snappy: longer than its blocks');
  }

  /** Returns false after the last block. */
  #nextBlock(): boolean {
    if (this.#at !== this.#blockOutEnd) throw new CorruptBatch('snappy: shorter than it states');
    if (!this.#isFramed || this.#pos >= this.#from.length) return false;
    this.#begin(this.#pos + 4, xerialBlockEnd(this.#from, this.#pos));
    return true;
  }

  #elements(stop: number): void {
    const from = this.#from;
    const to = this.#to;
    const end = this.#blockEnd;
    const outEnd = this.#blockOutEnd;
    let pos = this.#pos;
    let at = this.#at;
    while (pos < end && at < stop) {
      const tag = from[pos++]!;
      const kind = tag & 3;
      if (kind === 0) {
        let length = tag >> 2;
        if (length >= 60) {
          const bytes = length - 59;
          length = littleEndian(from, pos, bytes, end);
          pos += bytes;
        }
        length++;
        if (length > end - pos || length > outEnd - at) throw new CorruptBatch('snappy: literals beyond the end');
        copyLiterals(from, pos, to, at, length);
        pos += length;
        at += length;
        continue;
      }
      const length = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
      const bytes = kind === 3 ? 4 : kind;
      const low = littleEndian(from, pos, bytes, end);
      const distance = kind === 1 ? ((tag >> 5) << 8) | low : low;
      pos += bytes;
      if (distance === 0 || distance > at - this.#historyStart)
        throw new CorruptBatch('snappy: match before the start');
      if (length > outEnd - at) throw new CorruptBatch('snappy: match beyond the end');
      copyMatch(to, at, distance, length);
      at += length;
    }
    this.#pos = pos;
    this.#at = at;
  }
}

function littleEndian(from: Uint8Array, pos: number, bytes: number, end: number): number {
  if (bytes > end - pos) throw new CorruptBatch('snappy: cut short');
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + from[pos + i]!;
  return value;
}
