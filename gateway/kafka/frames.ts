/**
 * Cuts what a client sends into size-prefixed frames. The receive buffer is overwritten by the next read, so a frame is
 * copied once, into a buffer of exactly its size: record batches stay views of it until they are written. The announced
 * size is judged before anything is allocated, and a large frame's buffer grows with what has arrived, so that a client
 * which announces 100 MiB and sends nothing costs nothing.
 */
import { MalformedFrame } from '../../engine/protocol/malformed-frame.ts';
import { countedBytes } from './receive-budget.ts';

const prefixBytes = 4;
/** Up to here a frame's buffer is allocated at once. */
const eagerBytes = 1024 * 1024;

export class FrameReader {
  /** May change while the connection lives: unknown clients get less. */
  frameBytesMax: number;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #charge: (bytes: number) => void;
  #frame: Buffer | undefined;
  #frameBytes = 0;
  #filled = 0;
  #prefix = 0;
  #prefixFilled = 0;

  /** `charge` is asked before a large frame's buffer grows, in sum countedBytes of the frame; it may throw. */
  constructor(frameBytesMax: number, onFrame: (frame: Buffer) => void, charge: (bytes: number) => void = () => {}) {
    this.frameBytesMax = frameBytesMax;
    this.#onFrame = onFrame;
    this.#charge = charge;
  }

  /** Takes `chunk[0, length)`, keeping nothing of it. Throws MalformedFrame; whatever `onFrame` throws passes through. */
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
    if (countedBytes(size) > 0) this.#charge(eager);
    this.#frame = Buffer.allocUnsafeSlow(eager);
    if (size === 0) this.#finish(this.#frame);
    return position;
  }

  /** The buffer, doubled when `needed` bytes do not fit; never above the frame's own size. */
  #room(frame: Buffer, needed: number): Buffer {
    if (needed <= frame.length) return frame;
    const size = Math.min(this.#frameBytes, Math.max(needed, frame.length * 2));
    this.#charge(size - frame.length);
    const larger = Buffer.allocUnsafeSlow(size);
    frame.copy(larger, 0, 0, this.#filled);
    this.#frame = larger;
    return larger;
  }

  #finish(frame: Buffer): void {
    this.#frame = undefined;
    this.#onFrame(frame);
  }
}
