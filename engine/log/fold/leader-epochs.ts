/**
 * Which leader epoch wrote which offsets (KIP-101): a short list of (epoch, first offset), read from the batches. An epoch
 * that wrote nothing has no entry, as in Kafka.
 */
import { assert } from '../../kernel/assert.ts';
import type { EpochEnd } from '../log.ts';

export type EpochSnapshot = [epoch: number, startOffset: number][];

export class LeaderEpochs {
  readonly #starts: EpochSnapshot;

  constructor(snapshot: EpochSnapshot = []) {
    this.#starts = snapshot.map(([epoch, start]) => [epoch, start]);
  }

  get latest(): number {
    return this.#starts.at(-1)?.[0] ?? -1;
  }

  /** A batch of `epoch` starts at `offset`. */
  observe(epoch: number, offset: number): void {
    const last = this.#starts.at(-1);
    assert(!last || epoch >= last[0], 'leader epochs of a log never fall');
    if (!last || epoch > last[0]) this.#starts.push([epoch, offset]);
  }

  /** Undoes the observations at and after `offset`: their batches were never written. */
  retractFrom(offset: number): void {
    while ((this.#starts.at(-1)?.[1] ?? -1) >= offset) this.#starts.pop();
  }

  /** Drops epochs that ended at or before the log's start; the epoch that spans the start stays. */
  forgetBefore(startOffset: number): void {
    while (this.#starts.length > 1 && this.#starts[1]![1] <= startOffset) this.#starts.shift();
  }

  /** The epoch of the batch that holds `offset`, or -1. */
  at(offset: number): number {
    return this.#starts.findLast(([, start]) => start <= offset)?.[0] ?? -1;
  }

  /**
   * Kafka's LeaderEpochFileCache.endOffsetFor: the largest epoch at or below the requested one, and where the next began.
   * For the current epoch that is the log's end. A future epoch is unknown: -1, -1.
   */
  endOf(epoch: number, currentEpoch: number, endOffset: number): EpochEnd {
    if (epoch === currentEpoch) return { leaderEpoch: epoch, endOffset };
    if (epoch > currentEpoch || epoch < 0) return { leaderEpoch: -1, endOffset: -1 };
    const next = this.#starts.findIndex(([known]) => known > epoch);
    if (next === -1) return { leaderEpoch: this.latest, endOffset: this.latest === -1 ? -1 : endOffset };
    // Older than all known epochs: the log holds nothing of it, so it ended where the log begins.
    if (next === 0) return { leaderEpoch: epoch, endOffset: this.#starts[0]![1] };
    return { leaderEpoch: this.#starts[next - 1]![0], endOffset: this.#starts[next]![1] };
  }

  snapshot(): EpochSnapshot {
    return this.#starts.map(([epoch, start]) => [epoch, start]);
  }
}
