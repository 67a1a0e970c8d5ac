/**
 * Cuts what a client sends into size-prefixed frames. The receive buffer is overwritten by the next read, so a frame is
 * copied out of it, into a buffer of exactly its size: record batches stay views of it until they are written. Of a large
 * frame only the beginning is: the rest is received where it belongs (`target`, `filled`). The announced
 * size is judged before anything is allocated, and a large frame's buffer grows with what has arrived, so that a client
 * which announces 100 MiB and sends nothing costs nothing.
 *
 * Buffers come from the frame pool. Who gets a frame may give it back to it, once nothing reads the frame any more.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { MalformedFrame } from '../../engine/protocol/malformed-frame.ts';
import { countedBytes } from './receive-budget.ts';

const prefixBytes = 4;
/** Up to here a frame's buffer is allocated at once: a batch of 1 MiB, which many clients fill, with what is around it. */
const eagerBytes = 1024 * 1024 + 64 * 1024;

/** An object and not two closures: ten thousand idle connections pay for each of them. */
export interface FrameTaker {
  received(frame: Buffer): void;
  /** Asked before a large frame's buffer grows, in sum countedBytes of the frame; may throw. */
  charge(bytes: number): void;
}

export class FrameReader {
  /** May change while the connection lives: unknown clients get less. */
  frameBytesMax: number;
  readonly #taker: FrameTaker;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #filled = 0;
  #prefix = 0;
  #prefixFilled = 0;

  constructor(frameBytesMax: number, taker: FrameTaker) {
    this.frameBytesMax = frameBytesMax;
    this.#taker = taker;
  }

  /** Takes `chunk[0, length)`, keeping nothing of it. Throws MalformedFrame; whatever the taker throws passes through. */
  push(chunk: Uint8Array, length: number): void {
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
      this.#filled += taken;
      if (this.#filled === this.#frameBytes) this.#finish(frame);
    }
  }

  /** Where the next bytes of the stream belong, when that is room enough to receive them there instead of pushing them. */
  target(bytesMin: number): Buffer | undefined {
    const frame = this.#frame;
    if (frame === undefined || frame.length - this.#filled < bytesMin) return undefined;
    return frame.subarray(this.#filled);
  }

  /** `bytes` more have been received into the last `target`. Throws as `push` does. */
  filled(bytes: number): void {
    const frame = this.#frame!;
    this.#filled += bytes;
    if (this.#filled === this.#frameBytes) this.#finish(frame);
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
    const eager = Math.min(size, eagerBytes);
    if (countedBytes(size) > 0) this.#taker.charge(eager);
    this.#frame = framePool.take(eager);
    if (size === 0) this.#finish(this.#frame);
    return position;
  }

  /** The buffer, doubled when `needed` bytes do not fit; never above the frame's own size. */
  #room(frame: Buffer, needed: number): Buffer {
    if (needed <= frame.length) return frame;
    const size = Math.min(this.#frameBytes, Math.max(needed, frame.length * 2));
    this.#taker.charge(size - frame.length);
    const larger = framePool.take(size);
    frame.copy(larger, 0, 0, this.#filled);
    framePool.give(frame);
    this.#frame = larger;
    return larger;
  }

  #finish(frame: Buffer): void {
    this.#frame = undefined;
    this.#taker.received(frame);
  }
}
