/**
 * Cuts a byte stream into size-prefixed frames, as Kafka clients, gateways and brokers send them. The receive buffer is
 * overwritten by the next read, so a frame is copied out of it, into a buffer of exactly its size: record batches stay views
 * of it until they are written. Of a large frame only the beginning is: the rest is received where it belongs (`target`).
 * The announced size is judged before anything is allocated, and a buffer over `eagerBytes` grows with what has arrived, so
 * that a client which announces 100 MiB and sends nothing costs nothing.
 *
 * Buffers come from the frame pool. Who gets a frame may give it back to it, once nothing reads the frame any more.
 */
import { framePool } from '../kernel/frame-pool.ts';
import { MalformedFrame } from './malformed-frame.ts';

const prefixBytes = 4;
/** Less of a frame is copied: a read for its rest alone would cost more, and what comes behind it is read along. */
const directBytesMin = 64 * 1024;
/** Behind a frame of this size comes another often enough: of its beginning no more than this is read and copied. */
const largeBytesMin = 256 * 1024;
const beginningBytes = 4 * 1024;

/** An object and not two closures: ten thousand idle connections pay for each of them. */
export interface FrameTaker {
  received(frame: Buffer): void;
  /** Asked before the buffer of a frame of `frameBytes` holds `bytes` more, in sum all of them; may throw. */
  charge(bytes: number, frameBytes: number): void;
}

export class FrameReader {
  /** May change while the connection lives: unknown clients get less. */
  frameBytesMax: number;
  readonly #eagerBytes: number;
  readonly #taker: FrameTaker;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #filled = 0;
  #prefix = 0;
  #prefixFilled = 0;
  #lastFrameBytes = 0;
  /** The last target was the frame itself. */
  #isDirect = false;

  /** `eagerBytes`: up to here a frame's buffer is allocated at once; from there on with what arrives. */
  constructor(frameBytesMax: number, eagerBytes: number, taker: FrameTaker) {
    this.frameBytesMax = frameBytesMax;
    this.#eagerBytes = eagerBytes;
    this.#taker = taker;
  }

  /** Where the next bytes of the stream are best received: the rest of a large frame, or `shared`, as much of it as is wise. */
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
   * Takes `length` bytes: those in the last target when there was one for them, else `chunk[0, length)`, keeping nothing of
   * it. Throws MalformedFrame; whatever the taker throws passes through.
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
      throw new MalformedFrame(`frame of ${size} bytes, at most ${this.frameBytesMax} are taken`);
    }
    this.#frameBytes = size;
    this.#filled = 0;
    const eager = Math.min(size, this.#eagerBytes);
    this.#taker.charge(eager, size);
    this.#frame = framePool.take(eager);
    if (size === 0) this.#finish(this.#frame);
    return position;
  }

  /** The buffer, doubled when `needed` bytes do not fit; never above the frame's own size. */
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
