/**
 * Partitions of a subscription that answer with errors: when to tell the reader, and when to retry them. A damaged or
 * missing partition may stay so, and is reported at once. A moving partition is back in a moment, so only one that stays
 * away is reported. The other partitions are read meanwhile and wait for none of these.
 */
import { errorCode } from '../../engine/protocol/error-codes.ts';

/** Longer than a failover takes. */
const tellAfterMs = 5_000;
/** Each retry is a read of the segment. */
const damagedRetryMs = 1_000;

interface Trouble {
  readonly sinceMs: number;
  retryAtMs: number;
  isTold: boolean;
}

export class Troubles {
  readonly #byPartition = new Map<number, Trouble>();

  get isEmpty(): boolean {
    return this.#byPartition.size === 0;
  }

  /** Whether to tell the reader now. */
  failed(partition: number, code: number, nowMs: number): boolean {
    let trouble = this.#byPartition.get(partition);
    if (!trouble) {
      trouble = { sinceMs: nowMs, retryAtMs: nowMs, isTold: false };
      this.#byPartition.set(partition, trouble);
    }
    const isDamaged = code === errorCode.kafkaStorageError;
    trouble.retryAtMs = isDamaged ? nowMs + damagedRetryMs : nowMs;
    if (trouble.isTold || (!isDamaged && nowMs - trouble.sinceMs < tellAfterMs)) return false;
    trouble.isTold = true;
    return true;
  }

  /** Whether the reader was told of the trouble that has ended. */
  answered(partition: number): boolean {
    const isTold = this.#byPartition.get(partition)?.isTold ?? false;
    this.#byPartition.delete(partition);
    return isTold;
  }

  isDue(partition: number, nowMs: number): boolean {
    return (this.#byPartition.get(partition)?.retryAtMs ?? nowMs) <= nowMs;
  }

  /** Time until the first of `partitions` may be retried. */
  waitMs(partitions: Iterable<number>, nowMs: number): number {
    let firstAtMs = Infinity;
    for (const partition of partitions) {
      firstAtMs = Math.min(firstAtMs, this.#byPartition.get(partition)?.retryAtMs ?? nowMs);
    }
    return Math.max(0, firstAtMs - nowMs);
  }
}
