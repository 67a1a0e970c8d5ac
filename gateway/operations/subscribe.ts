/**
 * A subscription reads some partitions of one topic from given positions and delivers batches as long as its holder has
 * granted credit. It buffers no records for a slow holder: out of credit it stops reading, and later it continues from
 * where it stopped. WebSocket subscriptions and SSE streams use it.
 *
 * Life:   reading ⇄ waiting for credit;   either → closed, or failed (told once through `failed`)
 */
import type { FetchPartition, TopicEntry } from '../../engine/engine.ts';
import { Cancellation } from '../../engine/kernel/cancellation.ts';
import type { Timer } from '../../engine/kernel/clock.ts';
import { type Failure, Overloaded } from '../../engine/kernel/failure.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import { ClusterShares } from '../cluster-shares.ts';
import type { GatewayContext } from '../context.ts';
import { readFailure } from '../failures.ts';
import type { Position } from './cursor.ts';
import { heldBackMs } from './admit.ts';
import { chargeRead } from './fetch.ts';
import { UnreadableRecords } from './records-to-json.ts';
import {
  type ReadBatch,
  type SharedPart,
  sharedPart,
  type Sharer,
  type SharedRead,
  type SharedReads,
  sharedReadLimits,
  sharedReadsOf,
} from './shared-reads.ts';
import { Troubles } from './troubles.ts';

/**
 * The records of [fromOffset, nextOffset) in one stored batch. The batch is whole: it may begin before `fromOffset` (a
 * position within a batch) and, for a holder that takes records one by one, continue after `nextOffset`.
 */
export interface Delivery {
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly batch: Uint8Array;
  readonly records: number;
  readonly highWatermark: number;
}

export interface SubscriptionHolder {
  /** May be asynchronous (decoding): nothing more is delivered until it settles. */
  deliver(delivery: Delivery): void | Promise<void>;
  /**
   * Records between the position and the log's start are gone (retention): reading continues at `toOffset`. Never silent.
   */
  gap(partition: number, fromOffset: number, toOffset: number): void;
  /** One partition cannot be read and is retried; the others continue. Called once, until the partition is `available`. */
  unavailable(partition: number, why: Failure): void;
  available(partition: number): void;
  /** The subscription has ended itself: topic deleted, offset beyond the end, or a bug. */
  failed(kafkaError: number, message: string): void;
  /** The subscription has ended at a batch whose records the holder could not read. */
  unreadable(error: UnreadableRecords): void;
}

export interface Credit {
  readonly records: number;
  readonly bytes: number;
}

const subscribed = new WeakMap<GatewayContext, ClusterShares>();

/** The reads of all subscriptions of all doors. */
function subscribedOf(context: GatewayContext): ClusterShares {
  let shares = subscribed.get(context);
  if (!shares) subscribed.set(context, (shares = new ClusterShares(context.settings.subscribedPartitionsMax)));
  return shares;
}

const partitionReadBytesMax = 256 * 1024;
const retryMs = 50;

export class Subscription implements Sharer {
  readonly topic: TopicEntry;
  readonly #splits: boolean;
  readonly #context: GatewayContext;
  readonly #reads: SharedReads;
  readonly #principal: Principal;
  readonly #holder: SubscriptionHolder;
  readonly #offsets = new Map<number, number>();
  #credit: { records: number; bytes: number };
  #state: 'reading' | 'idle' | 'closed' = 'idle';
  #paused = false;
  /** The read in flight, shared or own; or the wait before the next. */
  #own: Cancellation | undefined;
  #shared: SharedRead | undefined;
  #place = 0;
  #wait: Timer | undefined;
  /** Created on first use: most subscriptions never have any. */
  #troubles: Troubles | undefined;

  /** Throws Overloaded when all subscriptions together already read as many partitions as there is room for. */
  constructor(
    context: GatewayContext,
    principal: Principal,
    topic: TopicEntry,
    positions: readonly Position[],
    credit: Credit,
    holder: SubscriptionHolder,
    /** 'records': no more records than the credit allows. 'batches': whole batches, so the last one may exceed it. */
    unit: 'records' | 'batches' = 'batches',
  ) {
    this.#splits = unit === 'records';
    this.#context = context;
    this.#reads = sharedReadsOf(context);
    this.#principal = principal;
    this.topic = topic;
    this.#holder = holder;
    this.#credit = { ...credit };
    for (const { partition, offset } of positions) this.#offsets.set(partition, offset);
    if (!subscribedOf(context).tryTake(principal.clusterId, this.#offsets.size)) {
      throw new Overloaded(
        'the event streams and subscriptions of this gateway read as many partitions as they may: close some, or try again later',
      );
    }
  }

  /** Where to continue after everything delivered so far. */
  positions(): Position[] {
    return [...this.#offsets].map(([partition, offset]) => ({ partition, offset }));
  }

  /** Whether it reads one partition, whose position is its entire cursor. */
  get isOfOne(): boolean {
    return this.#offsets.size === 1;
  }

  get credit(): Credit {
    return this.#credit;
  }

  /** Adds credit; reading continues when both kinds are above zero. Infinity is allowed. */
  grant(records: number, bytes: number): void {
    this.#credit.records += records;
    this.#credit.bytes += bytes;
    this.#wake();
  }

  /** For a holder whose socket is full: delivery stops after the current batch. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  start(): void {
    this.#wake();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    subscribedOf(this.#context).give(this.#principal.clusterId, this.#offsets.size);
    this.#own?.cancel();
    this.#wait?.cancel();
    this.#shared?.leave(this.#place);
    this.#shared = undefined;
  }

  #mayRead(): boolean {
    return !this.#paused && this.#credit.records > 0 && this.#credit.bytes > 0;
  }

  #wake(): void {
    if (this.#state !== 'idle' || !this.#mayRead()) return;
    this.#state = 'reading';
    this.#readOn();
  }

  /** Out of credit, or paused. */
  #rest(): void {
    if (this.#state !== 'reading') return;
    this.#state = 'idle';
    // Credit may have arrived since the last check.
    this.#wake();
  }

  #broke(error: unknown): void {
    if (this.#state === 'closed') return;
    if (error instanceof UnreadableRecords) {
      this.close();
      this.#holder.unreadable(error);
      return;
    }
    if (error instanceof Overloaded) {
      this.#fail(errorCode.throttlingQuotaExceeded, error.message);
      return;
    }
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#context.log('subscription-failed', { clusterId: this.#principal.clusterId, reason });
    this.#fail(errorCode.unknownServerError, 'the read failed');
  }

  #fail(kafkaError: number, message: string): void {
    if (this.#state === 'closed') return;
    this.close();
    this.#holder.failed(kafkaError, message);
  }

  /** Shares the read with others at the same place, unless the credit is less than a shared read. */
  #readOn(): void {
    if (this.#state !== 'reading') return;
    if (!this.#mayRead()) return this.#rest();
    if (this.#isDeleted()) return;
    const troubledMs = this.#troubles?.waitMs(this.#offsets.keys(), this.#context.clock.monotonicMs()) ?? 0;
    if (troubledMs > 0) return this.#readAfter(troubledMs);
    // The length of a read's wait limits how late a deleted topic is noticed, not the latency of records.
    const { maxWaitMs, minBytes, maxBytes } = sharedReadLimits;
    const bytesMax = Math.min(maxBytes, this.#credit.bytes);
    if (bytesMax === maxBytes) {
      const shared = this.#sharedRead(maxBytes);
      if (shared) {
        this.#place = shared.join(this);
        this.#shared = shared;
        return;
      }
    }
    const own = new Cancellation();
    this.#own = own;
    const options = { maxWaitMs, minBytes, maxBytes: bytesMax, cancellation: own };
    this.#context.engine.fetch(this.#asked(bytesMax), options).then(
      (fetched) => {
        this.#own = undefined;
        this.answered(fetched.map(sharedPart));
      },
      (error: unknown) => this.#broke(error),
    );
  }

  #sharedRead(maxBytes: number): SharedRead | undefined {
    if (this.#offsets.size === 1) {
      for (const [partition, offset] of this.#offsets) {
        const inStep = this.#reads.ofOne(this.topic.topicId, partition, offset);
        if (inStep) return inStep;
      }
    }
    return this.#reads.of(this.#asked(maxBytes));
  }

  /** One answer may be for thousands of subscriptions, and many answers may arrive together. */
  answered(parts: readonly SharedPart[]): void {
    this.#shared = undefined;
    const { turns } = this.#context;
    const { clusterId } = this.#principal;
    if (turns.isAlone(clusterId, this.#reads.turn.nowMs())) this.#take(parts);
    else void turns.goOn(clusterId, () => this.#take(parts));
  }

  #take(parts: readonly SharedPart[]): void {
    // Closed while the read was in flight: its holder is told nothing more.
    if (this.#state !== 'reading') return;
    try {
      const verdict = chargeRead(this.#context, this.#principal, parts, this.#reads.turn.nowMs());
      const delayMs = heldBackMs(this.#context, this.#principal.clusterId, verdict);
      this.#deliverParts(parts, 0, delayMs);
    } catch (error) {
      this.#broke(error);
    }
  }

  unanswered(error: unknown): void {
    this.#shared = undefined;
    this.#broke(error);
  }

  /** Delivers from part `from` on; then starts the next read after `waitMs`. */
  #deliverParts(parts: readonly SharedPart[], from: number, waitMs: number): void {
    let delayMs = waitMs;
    for (let i = from; i < parts.length; i++) {
      if (this.#state !== 'reading') return;
      const { fetched, batches } = parts[i]!;
      const { partition, errorCode: code, logStartOffset, highWatermark, isStale } = fetched;
      if (this.#troubles && code === errorCode.none && !isStale && this.#troubles.answered(partition)) {
        this.#holder.available(partition);
      }
      if (code !== errorCode.none) {
        if (!this.#judge(partition, code, logStartOffset, highWatermark)) return;
        delayMs = Math.max(delayMs, retryMs);
        continue;
      }
      const goesOn = this.#deliverAll(partition, batches, 0, highWatermark);
      if (goesOn === false) return this.#rest();
      if (goesOn !== true) return this.#deliverLater(goesOn, parts, i + 1, delayMs);
    }
    if (delayMs <= 0) return this.#readOn();
    this.#readAfter(delayMs);
  }

  #inTurn<T>(work: () => T | Promise<T>): T | Promise<T> {
    return this.#context.turns.goOn(this.#principal.clusterId, work);
  }

  #readAfter(delayMs: number): void {
    this.#wait = this.#context.clock.after(delayMs, () => {
      this.#wait = undefined;
      this.#readOn();
    });
  }

  #deliverLater(goesOn: Promise<boolean>, parts: readonly SharedPart[], from: number, waitMs: number): void {
    goesOn
      .then((mayGoOn) => this.#inTurn(() => (mayGoOn ? this.#deliverParts(parts, from, waitMs) : this.#rest())))
      .catch((error: unknown) => this.#broke(error));
  }

  /** Rotates, so that one busy partition cannot starve the others: each read starts with the next one. */
  #asked(bytesMax: number): FetchPartition[] {
    const first = this.#offsets.size > 1 ? this.#offsets.entries().next().value : undefined;
    if (first) {
      this.#offsets.delete(first[0]);
      this.#offsets.set(first[0], first[1]);
    }
    let places = [...this.#offsets];
    const troubles = this.#troubles;
    if (troubles && !troubles.isEmpty) {
      const nowMs = this.#context.clock.monotonicMs();
      places = places.filter(([partition]) => troubles.isDue(partition, nowMs));
    }
    return places.map(([partition, offset]) => ({
      topicId: this.topic.topicId,
      partition,
      offset,
      maxBytes: Math.min(partitionReadBytesMax, bytesMax),
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
  }

  /** False: the subscription has ended. */
  #judge(partition: number, code: number, logStartOffset: number, highWatermark: number): boolean {
    const offset = this.#offsets.get(partition)!;
    if (code === errorCode.offsetOutOfRange && offset < logStartOffset) {
      this.#holder.gap(partition, offset, logStartOffset);
      this.#offsets.set(partition, logStartOffset);
      return true;
    }
    if (code === errorCode.offsetOutOfRange) {
      this.#fail(code, `partition ${partition} ends at offset ${highWatermark}; the position ${offset} is beyond that`);
      return false;
    }
    // A moving partition: the engine has held the read already; ask again.
    if (this.#isDeleted()) return false;
    this.#troubles ??= new Troubles();
    if (this.#troubles.failed(partition, code, this.#context.clock.monotonicMs())) {
      this.#holder.unavailable(partition, readFailure(code, partition));
    }
    return true;
  }

  #isDeleted(): boolean {
    if (this.#context.engine.catalogue.byId(this.topic.topicId) !== undefined) return false;
    this.#fail(errorCode.unknownTopicId, 'the topic was deleted');
    return true;
  }

  /**
   * Delivers from batch `from` on. False: out of credit, paused or closed; undelivered records are read again later.
   * Returns a promise only where the holder gives one: at the tail of a busy topic this runs for every subscriber.
   */
  #deliverAll(
    partition: number,
    batches: readonly ReadBatch[],
    from: number,
    highWatermark: number,
  ): boolean | Promise<boolean> {
    for (let i = from; i < batches.length; i++) {
      if (this.#state !== 'reading' || !this.#mayRead()) return false;
      const { bytes: batch, endOffset, records: count } = batches[i]!;
      const fromOffset = this.#offsets.get(partition)!;
      if (endOffset <= fromOffset) continue;
      const nextOffset = this.#splits ? Math.min(endOffset, fromOffset + this.#credit.records) : endOffset;
      const records = Math.min(count, nextOffset - fromOffset);
      this.#offsets.set(partition, nextOffset);
      this.#credit.records -= records;
      // A part of a batch costs its share, so that a batch taken in pieces costs the same as one taken whole.
      this.#credit.bytes -= records === count ? batch.length : Math.ceil((batch.length * records) / count);
      const settled = this.#holder.deliver({ partition, fromOffset, nextOffset, batch, records, highWatermark });
      // Out of credit within the batch: the rest of it is read again.
      const isCut = nextOffset < endOffset;
      if (settled) {
        // The sockets of many subscriptions may have drained together.
        return settled.then(
          () => !isCut && this.#inTurn(() => this.#deliverAll(partition, batches, i + 1, highWatermark)),
        );
      }
      if (isCut) return false;
    }
    return true;
  }
}
