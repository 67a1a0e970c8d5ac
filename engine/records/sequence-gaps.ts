/**
 * Batches of idempotent producers that were refused and have not been sent again. A log accepts any first sequence from a
 * producer that it does not know. So the batches that follow a refused one must not be sent before it comes again: if one
 * of them were stored first, its predecessor would be refused as out of order for ever.
 *
 * - Batches that wait behind it are known (AppendRoute.expelBehind), and so are those already at a broker (markBehind).
 * - Batches still on the wire arrive a moment later, when there may already be an owner. They are refused too, and the
 *   producer repeats them all in order.
 *
 * A producer that never repeats the refused batch has given it up, and all clients then begin a new epoch. A producer that
 * does not may continue after `gapMsMax`.
 */
import type { Uuid } from '../kernel/uuid.ts';
import { baseSequence, producerEpoch, producerId } from './batch.ts';

/** A batch and the log it is for. */
interface Sent {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly records: Buffer;
}

/** Longer than requests stay on the wire, and shorter than anybody would wait to find out what is wrong. */
const gapMsMax = 10_000;
/** Beyond this number, the oldest gap is forgotten. */
const gapsMax = 10_000;
const sequenceCount = 2 ** 31;

interface Gap {
  readonly epoch: number;
  readonly sequence: number;
  readonly sinceMs: number;
}

export class SequenceGaps {
  /** By topic, partition and producer, oldest first. */
  readonly #gaps = new Map<string, Gap>();

  get count(): number {
    return this.#gaps.size;
  }

  /** Notes a batch that is answered with an error after which its producer repeats it. */
  add(append: Sent, nowMs: number): void {
    const key = keyOf(append);
    const epoch = producerEpoch(append.records, 0);
    const sequence = baseSequence(append.records, 0);
    const earlier = this.#gaps.get(key);
    // A batch of an older epoch, which its producer has given up, says nothing about what it sends now.
    if (earlier && epoch < earlier.epoch) return;
    // Batches are refused in order: all others wait for the first one.
    if (earlier && earlier.epoch === epoch && isAfter(sequence, earlier.sequence)) return;
    this.#gaps.delete(key);
    this.#gaps.set(key, { epoch, sequence, sinceMs: nowMs });
    if (this.#gaps.size > gapsMax) this.#gaps.delete(this.#gaps.keys().next().value!);
  }

  /** Whether `append` must not be sent yet, because its producer must first repeat an earlier batch. */
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

/** Sequences wrap around after 2^31 - 1. */
function isAfter(sequence: number, other: number): boolean {
  const distance = (sequence - other + sequenceCount) % sequenceCount;
  return distance > 0 && distance < sequenceCount / 2;
}
