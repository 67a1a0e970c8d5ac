/** The batches of one log that are durable but not rolled up. Most reads want these; they are served from memory without a copy. */
import { assert } from '../../kernel/assert.ts';
import type { SharedFrame } from '../../kernel/frame-pool.ts';
import { baseOffset, maxTimestamp } from '../../records/batch.ts';
import type { WalChunk } from '../wal/wal.ts';

export interface TailBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  /** One past the last offset. */
  readonly nextOffset: number;
  readonly chunk: WalChunk;
  /** Position of the batch in the chunk. */
  readonly position: number;
  /** The frame that `bytes` is a view of; dropped when the batch has left the tail. */
  readonly frame: SharedFrame | undefined;
}

export class Tail {
  #batches: TailBatch[] = [];
  bytes = 0;

  /** Valid for this turn only, or for a roll-up, which ends before the batches leave. Afterwards their memory holds other frames. */
  get batches(): readonly TailBatch[] {
    return this.#batches;
  }

  push(batch: TailBatch): void {
    const last = this.#batches.at(-1);
    assert(!last || last.nextOffset === batch.baseOffset, 'the tail has no gap');
    assert(baseOffset(batch.bytes, 0) === batch.baseOffset, 'the batch carries its offset');
    this.#batches.push(batch);
    this.bytes += batch.bytes.length;
  }

  /** For a caller that reads them over several turns. */
  lend(): readonly TailBatch[] {
    for (const { frame } of this.#batches) frame?.escape();
    return this.#batches;
  }

  /** Removes the oldest `count` batches and returns them. */
  shift(count: number): TailBatch[] {
    const removed = this.#batches.slice(0, count);
    this.#batches = this.#batches.slice(count);
    for (const batch of removed) this.bytes -= batch.bytes.length;
    return removed;
  }

  /** Index of the batch that holds `offset`; the tail's length when all batches end before it. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#batches[middle]!.nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Adds batches to `out` while they fit, from the one that holds `offset` on; returns the bytes added. Holds their frames
   * in `frames`.
   */
  read(offset: number, maxBytes: number, minOneBatch: boolean, out: Uint8Array[], frames: SharedFrame[]): number {
    let bytes = 0;
    for (let i = this.indexOf(offset); i < this.#batches.length; i++) {
      const { bytes: batch, frame } = this.#batches[i]!;
      if (bytes + batch.length > maxBytes && !(minOneBatch && bytes === 0)) break;
      if (frame) {
        frame.hold();
        frames.push(frame);
      }
      out.push(batch);
      bytes += batch.length;
    }
    return bytes;
  }

  /** Bytes from the batch that holds `offset` on, counted up to `limit`. */
  bytesFrom(offset: number, limit: number): number {
    const first = this.indexOf(offset);
    if (first === 0) return Math.min(this.bytes, limit);
    let bytes = 0;
    for (let i = first; i < this.#batches.length && bytes < limit; i++) bytes += this.#batches[i]!.bytes.length;
    return Math.min(bytes, limit);
  }

  get maxTimestamp(): number {
    let max = -1;
    for (const { bytes } of this.#batches) max = Math.max(max, maxTimestamp(bytes, 0));
    return max;
  }
}
