/**
 * Memory for request frames, shared by all connections of the door. A client with a key may send frames of 100 MiB, and
 * may have thousands of connections: each is within its limit, together they are not. Frames are charged as they arrive,
 * by what their buffers hold, and until they are answered. Small frames are let through uncounted: they are bounded by the
 * number of connections, and nobody's heartbeat shall be refused because others send much.
 */
import { Overloaded } from '../../engine/kernel/failure.ts';

/** Frames up to here cost nothing. */
const uncountedBytesMax = 64 * 1024;

export class ReceiveBudget {
  readonly #bytesMax: number;
  #taken = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get takenBytes(): number {
    return this.#taken;
  }

  /** Throws Overloaded: the connection that asked is to be ended, its client comes back. */
  take(bytes: number): void {
    if (this.#taken + bytes > this.#bytesMax) {
      throw new Overloaded(`request frames of all connections hold over ${this.#bytesMax} bytes`);
    }
    this.#taken += bytes;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

/** What a frame of this size holds of the budget once it has arrived. */
export function countedBytes(frameBytes: number): number {
  return frameBytes > uncountedBytesMax ? frameBytes : 0;
}
