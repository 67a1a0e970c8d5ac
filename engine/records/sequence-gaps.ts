/**
 * Batches of idempotent producers that were given up and have not come back. A log takes the first batch of a producer
 * that it does not know whatever its sequence is. So what follows a given-up batch must not be sent before that comes
 * again: stored first, it would have its predecessor refused as out of order for ever.
 *
 *   - What waits behind it is known (AppendRoute.expelBehind), and what is with a broker (markBehind).
 *   - What is still on the wire comes a moment later, when an owner may be there already. It is given up too; the producer
 *     repeats both, in order.
 *
 * A producer that never brings it back gave up itself, and all clients begin a new epoch then; one that does not may go on
 * after `gapMsMax`.
 */
import type { Uuid } from '../kernel/uuid.ts';
import { baseSequence, producerEpoch, producerId } from './batch.ts';

/** A batch, and whose log it is for. */
interface Sent {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly records: Buffer;
}

/** Longer than requests stay on the wire, shorter than anybody would wait to find out what is wrong. */
const gapMsMax = 10_000;
/** The oldest is forgotten beyond it. */
const gapsMax = 10_000;
const sequenceCount = 2 ** 31;

interface Gap {
  readonly epoch: number;
  readonly sequence: number;
  readonly sinceMs: number;
}

export class SequenceGaps {
  /** By topic, partition and producer, the oldest first. */
  readonly #gaps = new Map<string, Gap>();

  get count(): number {
    return this.#gaps.size;
  }

  /** `append` is answered with an error after which its producer repeats it. */
  add(append: Sent, nowMs: number): void {
    const key = keyOf(append);
    const epoch = producerEpoch(append.records, 0);
    const sequence = baseSequence(append.records, 0);
    const earlier = this.#gaps.get(key);
    // What its producer has given up itself tells nothing of what it sends since.
    if (earlier && epoch < earlier.epoch) return;
    // Given up in order: the first one is what everything else waits for.
    if (earlier && earlier.epoch === epoch && isAfter(sequence, earlier.sequence)) return;
    this.#gaps.delete(key);
    this.#gaps.set(key, { epoch, sequence, sinceMs: nowMs });
    if (this.#gaps.size > gapsMax) this.#gaps.delete(this.#gaps.keys().next().value!);
  }

  /** Whether `append` must not be sent yet: what its producer has to repeat first has not come. */
  isEarly(append: Sent, nowMs: number): boolean {
    if (this.#gaps.size === 0) return false;
    this.#expire(nowMs);
    const key = keyOf(append);
    const gap = this.#gaps.get(key);
    if (!gap) return false;
    const epoch = producerEpoch(append.records, 0);
    if (epoch < gap.epoch) return false;
    if (epoch === gap.epoch && isAfter(baseSequence(append.records, 0), gap.sequence)) return true;
    this.#gaps.delete(key);
    return false;
  }

  #expire(nowMs: number): void {
    for (const [key, { sinceMs }] of this.#gaps) {
      if (nowMs - sinceMs < gapMsMax) return;
      this.#gaps.delete(key);
    }
  }
}

function keyOf({ topicId, partition, records }: Sent): string {
  return `${topicId} ${partition} ${producerId(records, 0)}`;
}

/** Sequences go round after 2^31 - 1. */
function isAfter(sequence: number, other: number): boolean {
  const distance = (sequence - other + sequenceCount) % sequenceCount;
  return distance > 0 && distance < sequenceCount / 2;
}
