/**
 * Cuts a byte stream into size-prefixed frames, as Kafka clients, gateways and brokers send them. The next read overwrites
 * the receive buffer, so each frame is copied out of it, into a buffer of exactly its size; record batches stay views of
 * that buffer until they are written. Of a large frame only the beginning is copied: the rest is received directly into its
 * place (`target`). The announced size is checked before anything is allocated, and a buffer over `eagerBytes` grows with
 * the bytes that arrive, so that a client that announces 100 MiB and sends nothing costs nothing.
 *
 * Buffers come from the frame pool. The receiver of a frame may give it back once nothing reads it any more.
 */
import { framePool } from '../kernel/frame-pool.ts';
import { MalformedFrame } from './malformed-frame.ts';

const prefixBytes = 4;
/** A shorter rest is copied: a read for it alone would cost more than the copy, and one read can bring the next frame along. */
const directBytesMin = 64 * 1024;
/** A frame of this size is often followed by another. Of that one's beginning, no more than this is read and copied. */
const largeBytesMin = 256 * 1024;
const beginningBytes = 4 * 1024;

/** An object instead of two closures, because ten thousand idle connections pay for each of them. */
export interface FrameTaker {
  received(frame: Buffer): void;
  /** Called before the buffer of a frame of `frameBytes` grows by `bytes`; the calls add up to the whole frame. May throw. */
  charge(bytes: number, frameBytes: number): void;
}

export class FrameReader {
  /** May change while the connection lives: unknown clients get a lower limit. */
  frameBytesMax: number;
  readonly #eagerBytes: number;
  readonly #taker: FrameTaker;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #filled = 0;
  #prefix = 0;
  #prefixFilled = 0;
  #lastFrameBytes = 0;
  /** Whether the last target was the frame itself. */
  #isDirect = false;

  /** Up to `eagerBytes`, a frame's buffer is allocated at once; beyond that it grows with the bytes that arrive. */
  constructor(frameBytesMax: number, eagerBytes: number, taker: FrameTaker) {
    this.frameBytesMax = frameBytesMax;
    this.#eagerBytes = eagerBytes;
    this.#taker = taker;
  }

  /** Where to receive the next bytes of the stream: the rest of a large frame, or a suitable part of `shared`. */
  target(shared: Buffer): Buffer {
    const frame = this.#frame;
    if (frame !== undefined && frame.length - this.#filled >= directBytesMin) {
      this.#isDirect = true;
      return frame.subarray(this.#filled);
    }
    const isShort = frame === undefined && this.#lastFrameBytes >= largeBytesMin;
    return isShort ? shared.subarray(0, beginningBytes) : shared;
  }

  /**
   * Takes `length` bytes: those in the last target if that was a frame, otherwise `chunk[0, length)`, of which nothing is
   * kept. Throws MalformedFrame; whatever the taker throws passes through.
   */
  push(chunk: Uint8Array, length: number): void {
    if (this.#isDirect) {
      this.#isDirect = false;
      return this.#filledBy(this.#frame!, length);
    }
    let position = 0;
    while (position < length) {
      if (this.#frame === undefined) {
        position = this.#takePrefix(chunk, position, length);
        continue;
      }
      const taken = Math.min(this.#frameBytes - this.#filled, length - position);
      const frame = this.#room(this.#frame, this.#filled + taken);
      frame.set(chunk.subarray(position, position + taken), this.#filled);
      position += taken;
      this.#filledBy(frame, taken);
    }
  }

  #takePrefix(chunk: Uint8Array, from: number, length: number): number {
    let position = from;
    while (this.#prefixFilled < prefixBytes && position < length) {
      this.#prefix = (this.#prefix << 8) | chunk[position++]!;
      this.#prefixFilled++;
    }
    if (this.#prefixFilled < prefixBytes) return position;
    const size = this.#prefix;
    this.#prefix = 0;
    this.#prefixFilled = 0;
    if (size < 0 || size > this.frameBytesMax) {
      throw new MalformedFrame(`frame of ${size} bytes, at most ${this.frameBytesMax} are allowed`);
    }
    this.#frameBytes = size;
    this.#filled = 0;
    const eager = Math.min(size, this.#eagerBytes);
    this.#taker.charge(eager, size);
    this.#frame = framePool.take(eager);
    if (size === 0) this.#finish(this.#frame);
    return position;
  }

  /** Returns the buffer, doubled when `needed` bytes do not fit, but never larger than the frame itself. */
  #room(frame: Buffer, needed: number): Buffer {
    if (needed <= frame.length) return frame;
    const size = Math.min(this.#frameBytes, Math.max(needed, frame.length * 2));
    this.#taker.charge(size - frame.length, this.#frameBytes);
    const larger = framePool.take(size);
    frame.copy(larger, 0, 0, this.#filled);
    framePool.give(frame);
    this.#frame = larger;
    return larger;
  }

  #filledBy(frame: Buffer, bytes: number): void {
    this.#filled += bytes;
    if (this.#filled === this.#frameBytes) this.#finish(frame);
  }

  #finish(frame: Buffer): void {
    this.#frame = undefined;
    this.#lastFrameBytes = frame.length;
    this.#taker.received(frame);
  }
}
