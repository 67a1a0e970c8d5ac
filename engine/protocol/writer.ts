/**
 * Where encoders put their bytes: a slab that many messages share, cut into parts. Large record batches are not copied in.
 * The slab is cut, the batch's own view becomes a part, and the message continues after it; the socket writes the parts
 * with one writev. Parts stay valid for as long as somebody holds them, because a full slab is left to its holders and
 * never written again.
 */
import { assert } from '../kernel/assert.ts';

const slabBytes = 64 * 1024;
/** Below this size, a copy is cheaper than one more buffer in a writev. */
export const copiedBytesMax = 256;
const messageBytesMax = 256 * 1024 * 1024;

export class Writer {
  /** The slab; `position` is its first free byte. Encoders keep both in locals and store them back before every call. */
  bytes: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  position = 0;
  /** Start of the part that is being written. */
  start = 0;
  #parts: Uint8Array[] = [];

  /** Discards what was written by an encoder that threw. */
  begin(): void {
    this.position = this.start;
    if (this.#parts.length > 0) this.#parts = [];
  }

  /** Makes room for `length` bytes at `position`, which may move; returns the slab. */
  reserve(length: number): Buffer {
    const written = this.position - this.start;
    const needed = written + length;
    if (this.start + needed <= this.bytes.length) return this.bytes;
    assert(needed <= messageBytesMax, 'encoded message fits in messageBytesMax');
    const slab = Buffer.allocUnsafeSlow(needed * 2 > slabBytes ? needed * 2 : slabBytes);
    this.bytes.copy(slab, 0, this.start, this.position);
    this.bytes = slab;
    this.start = 0;
    this.position = written;
    return slab;
  }

  /** Adds `view` itself as a part. */
  splice(view: Uint8Array): void {
    if (this.position > this.start) this.#parts.push(this.bytes.subarray(this.start, this.position));
    this.#parts.push(view);
    this.start = this.position;
  }

  /** The message's parts, in order, at least one. Afterwards the writer is ready for the next message. */
  take(): Uint8Array[] {
    const parts = this.#parts;
    this.#parts = [];
    if (this.position > this.start || parts.length === 0) {
      parts.push(this.bytes.subarray(this.start, this.position));
    }
    this.start = this.position;
    return parts;
  }
}
