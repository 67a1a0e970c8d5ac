/**
 * Cuts a byte stream into size-prefixed frames. The stream arrives in a buffer that the next read overwrites, so every
 * frame is copied once, into a buffer of exactly its size that belongs to whoever receives it: record batches stay views
 * of that buffer until they are written. Of a large frame only the beginning is copied, the rest is received where it
 * belongs (`target`, `filled`). The buffer comes from the frame pool, to which its receiver may give it back.
 */
import { Failure } from '../../engine/kernel/failure.ts';
import { framePool } from '../../engine/kernel/frame-pool.ts';

/** The peer announced a frame that is negative or over the limit: the stream cannot be followed any further. */
export class FrameRefused extends Failure {
  readonly code = 'malformed-frame';
}

const prefixBytes = 4;

export class FrameAssembler {
  readonly #frameBytesMax: number;
  readonly #onFrame: (frame: Buffer) => void;
  /** The frame being filled; undefined between frames and while its size is incomplete. */
  #frame: Buffer | undefined;
  #filled = 0;
  /** Bytes of a size prefix that was cut by the end of a read. */
  #prefix = 0;
  #prefixFilled = 0;

  constructor(frameBytesMax: number, onFrame: (frame: Buffer) => void) {
    this.#frameBytesMax = frameBytesMax;
    this.#onFrame = onFrame;
  }

  /** Takes `chunk[0, length)`, keeping nothing of it. Throws FrameRefused; whatever `onFrame` throws passes through. */
  push(chunk: Uint8Array, length: number): void {
    let position = 0;
    while (position < length) {
      const frame = this.#frame;
      if (frame === undefined) {
        position = this.#takePrefix(chunk, position, length);
        continue;
      }
      const taken = Math.min(frame.length - this.#filled, length - position);
      frame.set(chunk.subarray(position, position + taken), this.#filled);
      position += taken;
      this.#filled += taken;
      if (this.#filled === frame.length) this.#finish(frame);
    }
  }

  /** Where the next bytes of the stream belong, when that is room enough to receive them there instead of pushing them. */
  target(bytesMin: number): Buffer | undefined {
    const frame = this.#frame;
    if (frame === undefined || frame.length - this.#filled < bytesMin) return undefined;
    return frame.subarray(this.#filled);
  }

  /** `bytes` more have been received into the last `target`. */
  filled(bytes: number): void {
    const frame = this.#frame!;
    this.#filled += bytes;
    if (this.#filled === frame.length) this.#finish(frame);
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
    if (size < 0 || size > this.#frameBytesMax) {
      throw new FrameRefused(`frame of ${size} bytes, at most ${this.#frameBytesMax}`);
    }
    this.#frame = framePool.take(size);
    this.#filled = 0;
    if (size === 0) this.#finish(this.#frame);
    return position;
  }

  #finish(frame: Buffer): void {
    this.#frame = undefined;
    this.#filled = 0;
    this.#onFrame(frame);
  }
}
