/**
 * What a log remembers of idempotent producers (KIP-98): per producer id, the epoch and the last five batches, enough for
 * five requests in flight. Entries are immutable, so a failed write can restore the previous one, and the state of the
 * rolled-up part shares them with the live one.
 *
 * The format leaves room for transactions: an entry may carry the first offset of an open transaction, which determines the
 * last stable offset; control batches end it. Neither is written as long as brokers accept no transactions.
 */
import { type BatchHeader, attributeBit } from '../../records/batch.ts';

/** Batches remembered per producer: max.in.flight.requests.per.connection of an idempotent producer (Kafka's 5). */
const producerBatchesMax = 5;
const sequenceModulus = 0x8000_0000;

interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
}

export interface ProducerEntry {
  readonly epoch: number;
  /** Oldest first, at most producerBatchesMax, never empty. */
  readonly batches: readonly ProducerBatch[];
  /** Wall clock of the last append. */
  readonly lastMs: number;
}

export type ProducerVerdict =
  | { readonly kind: 'accept' }
  /** The batch is already in the log. */
  | { readonly kind: 'repeat'; readonly batch: ProducerBatch }
  | { readonly kind: 'out-of-order'; readonly message: string }
  | { readonly kind: 'old-epoch'; readonly message: string }
  | { readonly kind: 'early'; readonly message: string };

const accept: ProducerVerdict = { kind: 'accept' };

/** The sequence after `sequence`; 0 follows 2^31 - 1. */
export function sequencePlus(sequence: number, increment: number): number {
  return (sequence + increment) % sequenceModulus;
}

/**
 * Whether a batch may follow what is known of its producer (Kafka's ProducerAppendInfo and ProducerStateEntry). A producer
 * that `isNew` cannot have been forgotten: a batch that arrives before its sequence 0 is early and may be sent again.
 */
export function judgeProducer(entry: ProducerEntry | undefined, header: BatchHeader, isNew = false): ProducerVerdict {
  const { producerEpoch: epoch, baseSequence: first } = header;
  // Nothing is known, for example after expiry or DeleteRecords: any sequence is accepted, as in Kafka since 2.5 (KIP-360).
  if (!entry) {
    return isNew && first !== 0
      ? { kind: 'early', message: `sequence ${first} of producer ${header.producerId} arrived before its sequence 0` }
      : accept;
  }
  if (epoch < entry.epoch) {
    return { kind: 'old-epoch', message: `producer epoch ${epoch} is older than ${entry.epoch}` };
  }
  if (epoch > entry.epoch) {
    return first === 0
      ? accept
      : { kind: 'out-of-order', message: `producer epoch ${epoch} begins with sequence ${first} instead of 0` };
  }
  const last = sequencePlus(first, header.lastOffsetDelta);
  const batch = entry.batches.find((known) => known.firstSequence === first && known.lastSequence === last);
  if (batch) return { kind: 'repeat', batch };
  const expected = sequencePlus(entry.batches.at(-1)!.lastSequence, 1);
  return first === expected
    ? accept
    : { kind: 'out-of-order', message: `sequence ${first} of producer ${header.producerId}, expected ${expected}` };
}

/** The entry after an accepted batch that got `baseOffset`. */
export function producerAfter(
  entry: ProducerEntry | undefined,
  header: BatchHeader,
  baseOffset: number,
  nowMs: number,
): ProducerEntry {
  const batch: ProducerBatch = {
    firstSequence: header.baseSequence,
    lastSequence: sequencePlus(header.baseSequence, header.lastOffsetDelta),
    baseOffset,
    lastOffset: baseOffset + header.lastOffsetDelta,
  };
  const kept = entry && entry.epoch === header.producerEpoch ? entry.batches.slice(1 - producerBatchesMax) : [];
  return { epoch: header.producerEpoch, batches: [...kept, batch], lastMs: nowMs };
}

export class ProducerState {
  /** In order of last use. Absent while the log has no idempotent producer, like most logs. */
  #entries: Map<number, ProducerEntry> | undefined;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries?.get(producerId);
  }

  /** `undefined` removes the entry. Beyond `producersMax` the least recently used producer is forgotten. */
  set(producerId: number, entry: ProducerEntry | undefined, producersMax: number): void {
    this.#entries?.delete(producerId);
    if (!entry) return;
    this.#entries ??= new Map();
    this.#entries.set(producerId, entry);
    if (this.#entries.size > producersMax) this.#entries.delete(this.#entries.keys().next().value!);
  }

  /** Forgets the least recently used producers until at most `producersMax` are left. */
  trim(producersMax: number): void {
    for (const id of this.#entries?.keys() ?? []) {
      if (this.size <= producersMax) return;
      this.#entries!.delete(id);
    }
  }

  /** Takes over a batch that is already in the log, as recovery and roll-up do. */
  fold(header: BatchHeader, nowMs: number, producersMax: number): void {
    if (header.producerId < 0 || header.attributes & attributeBit.control) return;
    const before = this.get(header.producerId);
    this.set(header.producerId, producerAfter(before, header, header.baseOffset, nowMs), producersMax);
  }

  /** Forgets producers whose last append was `expirationMs` or longer ago. */
  expire(nowMs: number, expirationMs: number): void {
    if (!this.#entries) return;
    for (const [id, entry] of this.#entries) if (nowMs - entry.lastMs >= expirationMs) this.#entries.delete(id);
    if (this.#entries.size === 0) this.#entries = undefined;
  }

  /** Shares the entries, which never change. */
  copyFrom(other: ProducerState): void {
    this.#entries = other.#entries && new Map(other.#entries);
  }

  /** Plain JSON: [id, epoch, lastMs, [firstSequence, lastSequence, baseOffset, lastOffset]…]. */
  snapshot(): ProducerSnapshot {
    const out: ProducerSnapshot = [];
    for (const [id, { epoch, lastMs, batches }] of this.#entries ?? []) {
      out.push([
        id,
        epoch,
        lastMs,
        batches.map((b): [number, number, number, number] => [
          b.firstSequence,
          b.lastSequence,
          b.baseOffset,
          b.lastOffset,
        ]),
      ]);
    }
    return out;
  }

  static restore(snapshot: ProducerSnapshot): ProducerState {
    const state = new ProducerState();
    for (const [id, epoch, lastMs, batches] of snapshot) {
      const restored = batches.map(([firstSequence, lastSequence, baseOffset, lastOffset]) => ({
        firstSequence,
        lastSequence,
        baseOffset,
        lastOffset,
      }));
      state.set(id, { epoch, lastMs, batches: restored }, Infinity);
    }
    return state;
  }
}

export type ProducerSnapshot = [
  id: number,
  epoch: number,
  lastMs: number,
  batches: [firstSequence: number, lastSequence: number, baseOffset: number, lastOffset: number][],
][];
