/**
 * Decodes an LZ4 frame (LZ4 Frame Format 1.6.3) into memory of our own. The library that compresses is not used for this:
 * it keeps memory that another thread has freed, a gigabyte after a few large frames, and cannot be stopped. Checksums
 * inside the frame are not verified, because a batch has its own over all of these bytes.
 */
import { CorruptBatch } from './batch.ts';
import { copyLiterals, copyMatch, type SlicedDecoder } from './copy-match.ts';

const contentSizeFlag = 0x08;
const dictionaryFlag = 0x01;
const blockChecksumFlag = 0x10;
const independentFlag = 0x20;

export class Lz4Decoder implements SlicedDecoder {
  readonly #from: Uint8Array;
  readonly #to: Uint8Array;
  readonly #flags: number;
  #pos: number;
  #at = 0;
  /** End of the block that is being decoded. */
  #blockEnd = 0;
  /** Where matches may begin: a block that is independent of the others has its own history. */
  #historyStart = 0;

  /** `to` is exactly as long as the output (frame-bounds.ts, which has also checked the frame's structure). */
  constructor(frame: Uint8Array, to: Uint8Array) {
    this.#from = frame;
    this.#to = to;
    this.#flags = frame[4]!;
    if (this.#flags >> 6 !== 1) throw new CorruptBatch(`lz4: frame of version ${this.#flags >> 6}`);
    if ((this.#flags & dictionaryFlag) !== 0) throw new CorruptBatch('lz4: frame with a dictionary');
    this.#pos = (this.#flags & contentSizeFlag) !== 0 ? 15 : 7;
  }

  advance(stop: number): boolean {
    while (this.#at < stop) {
      if (this.#pos >= this.#blockEnd && !this.#nextBlock()) {
        if (this.#at !== this.#to.length) throw new CorruptBatch('lz4: shorter than its blocks state');
        return true;
      }
      if (this.#pos < this.#blockEnd) this.#sequences(stop);
    }
    return false;
  }

  /** Returns false at the end of the frame. */
  #nextBlock(): boolean {
    const from = this.#from;
    if (this.#blockEnd > 0 && (this.#flags & blockChecksumFlag) !== 0) this.#pos += 4;
    const at = this.#pos;
    if (at + 4 > from.length) throw new CorruptBatch('lz4: frame cut short');
    const word = (from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24)) >>> 0;
    if (word === 0) return false;
    const length = word & 0x7fff_ffff;
    this.#pos = at + 4;
    this.#blockEnd = this.#pos + length;
    if (this.#blockEnd > from.length) throw new CorruptBatch('lz4: block cut short');
    if ((this.#flags & independentFlag) !== 0) this.#historyStart = this.#at;
    if (word >= 0x8000_0000) this.#stored(length);
    return true;
  }

  #stored(length: number): void {
    if (length > this.#to.length - this.#at) throw new CorruptBatch('lz4: longer than its blocks');
    this.#to.set(this.#from.subarray(this.#pos, this.#blockEnd), this.#at);
    this.#at += length;
    this.#pos = this.#blockEnd;
  }

  #sequences(stop: number): void {
    const from = this.#from;
    const to = this.#to;
    const end = this.#blockEnd;
    let pos = this.#pos;
    let at = this.#at;
    while (pos < end && at < stop) {
      const token = from[pos++]!;
      let literals = token >> 4;
      if (literals === 15) {
        for (let byte = 255; byte === 255 && pos < end; ) literals += byte = from[pos++]!;
      }
      if (literals > end - pos || literals > to.length - at) throw new CorruptBatch('lz4: literals beyond the end');
      copyLiterals(from, pos, to, at, literals);
      pos += literals;
      at += literals;
      // The last sequence of a block has only literals.
      if (pos >= end) break;
      if (pos + 2 > end) throw new CorruptBatch('lz4: match cut short');
      const distance = from[pos]! | (from[pos + 1]! << 8);
      pos += 2;
      let length = (token & 15) + 4;
      if (length === 19) {
        for (let byte = 255; byte === 255 && pos < end; ) length += byte = from[pos++]!;
      }
      if (distance === 0 || distance > at - this.#historyStart) throw new CorruptBatch('lz4: match before the start');
      if (length > to.length - at) throw new CorruptBatch('lz4: match beyond the end');
      copyMatch(to, at, distance, length);
      at += length;
    }
    this.#pos = pos;
    this.#at = at;
  }
}
