/**
 * Subscriptions at the same place share one read. A thousand subscribers at the tail ask for the same records at the same
 * moment; one fetch of the engine serves them all, and they share its buffers. Each is charged separately.
 *
 * A read is shared only while it is in flight, so nothing is kept here: a late subscription reads from the engine. A
 * subscription that closes leaves its read to the others; the last one to leave ends it.
 *
 * A delivery to many costs writes to sockets, whatever their size. So when telling the sharers of an answer, and writing to
 * their sockets, took a while, the next read begins after a pause of a quarter of that time, and returns at once what was
 * written meanwhile. Records that arrive more slowly than they can be delivered to all are not delayed.
 */
import type { Engine, FetchedPartition, FetchPartition } from '../../engine/engine.ts';
import { assert } from '../../engine/kernel/assert.ts';
import { Cancellation } from '../../engine/kernel/cancellation.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { batchSizeBytes, lastOffset, recordCount } from '../../engine/records/batch.ts';
import type { GatewayContext } from '../context.ts';
import { TurnTime } from '../turn-time.ts';

/** One batch of an answer, inspected once for all its receivers. */
export interface ReadBatch {
  /** The same view for every receiver: it identifies those in step. */
  readonly bytes: Uint8Array;
  /** The offset after its last record. */
  readonly endOffset: number;
  readonly records: number;
}

export interface SharedPart {
  readonly fetched: FetchedPartition;
  readonly batches: readonly ReadBatch[];
  /** Names the partition to the limiter. */
  readonly key: string;
  /** The bytes of all its records. */
  readonly bytes: number;
  readonly records: number;
}

/** With more partitions the key of a read would cost more than sharing saves. */
const partitionsMax = 16;

/** Limits of one read, for all who share it. */
export const sharedReadLimits = { maxWaitMs: 5_000, minBytes: 1, maxBytes: 1024 * 1024 } as const;

/**
 * A subscription that waits for a read. Callbacks, not promises: at the tail of a busy topic thousands wait for one answer.
 */
export interface Sharer {
  /** In the order in which they joined, in one turn. Must not throw. */
  answered(parts: readonly SharedPart[]): void;
  /** With the error of Engine.fetch. */
  unanswered(error: unknown): void;
}

/** A pass over fewer sharers is not worth a look at the clock; a shorter one is not worth a pause. */
const passSharersMin = 16;
const passMsMin = 1;
/**
 * The pause as a part of the pass's time. Records written during a pass arrive together without any pause; this is for the
 * replies to it, the writers' next records. A pause as long as the pass left the loop idle for half of the time
 * (docs/benchmarks.md).
 */
const pauseShare = 0.25;
/** The most delay that a pause adds to a record, however long a pass took. */
const pauseMsMax = 20;

/** One read and its waiters. */
export class SharedRead {
  readonly asked: readonly FetchPartition[];
  readonly #engine: Engine;
  readonly #passes: Passes;
  readonly #cancellation = new Cancellation();
  readonly #onEnd: () => void;
  /** Indexed by place; undefined for a waiter that has left. */
  #sharers: (Sharer | undefined)[] = [];
  #present = 0;
  #hasEnded = false;

  constructor(engine: Engine, asked: readonly FetchPartition[], passes: Passes, onEnd: () => void) {
    this.#engine = engine;
    this.asked = asked;
    this.#passes = passes;
    this.#onEnd = onEnd;
    passes.thenStart(this);
  }

  start(): void {
    if (this.#hasEnded) return;
    this.#engine.fetch(this.asked, { ...sharedReadLimits, cancellation: this.#cancellation }).then(
      (fetched) => {
        const parts = fetched.map(sharedPart);
        const sharers = this.#end();
        if (sharers.length >= passSharersMin) this.#passes.begin();
        for (const sharer of sharers) sharer?.answered(parts);
      },
      (error: unknown) => {
        for (const sharer of this.#end()) sharer?.unanswered(error);
      },
    );
  }

  /** Returns the place to give back with `leave`. */
  join(sharer: Sharer): number {
    assert(!this.#hasEnded, 'a read that has ended is joined by nobody');
    this.#present++;
    return this.#sharers.push(sharer) - 1;
  }

  /** At most once per waiter, and only before the answer. The last one to leave ends the read. */
  leave(place: number): void {
    if (this.#hasEnded) return;
    this.#sharers[place] = undefined;
    if (--this.#present > 0) return;
    this.#end();
    this.#cancellation.cancel();
  }

  /** The waiters still to be told. A told waiter begins its next read at once, so this read must no longer be found. */
  #end(): (Sharer | undefined)[] {
    const sharers = this.#sharers;
    this.#sharers = [];
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      this.#onEnd();
    }
    return sharers;
  }
}

/** Times the passes over many sharers, and delays reads that begin during one. */
class Passes {
  readonly #clock: Clock;
  /** Undefined outside a pass. */
  #heldBack: SharedRead[] | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A pass lasts to the end of the turn, after the socket flushes, which are requested within it. */
  begin(): void {
    if (this.#heldBack) return;
    this.#heldBack = [];
    const startMs = this.#clock.monotonicMs();
    // Requested after the first sharers have requested theirs.
    queueMicrotask(() => this.#clock.endOfTurn(() => this.#end(startMs)));
  }

  thenStart(read: SharedRead): void {
    if (this.#heldBack) this.#heldBack.push(read);
    else read.start();
  }

  #end(startMs: number): void {
    const reads = this.#heldBack ?? [];
    this.#heldBack = undefined;
    const start = (): void => {
      for (const read of reads) read.start();
    };
    const tookMs = this.#clock.monotonicMs() - startMs;
    if (tookMs < passMsMin) start();
    else this.#clock.after(Math.min(tookMs * pauseShare, pauseMsMax), start);
  }
}

export class SharedReads {
  /** For the waiters that one answer wakes in one turn. */
  readonly turn: TurnTime;
  readonly #engine: Engine;
  readonly #passes: Passes;
  readonly #underWay = new Map<string, SharedRead>();
  /** The read that was joined last. */
  #last: SharedRead | undefined;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#passes = new Passes(clock);
    this.turn = new TurnTime(clock);
  }

  /** The result of `of`, if the previous caller asked for this place too: waiters in step ask in a row and need no key. */
  ofOne(topicId: Uuid, partition: number, offset: number): SharedRead | undefined {
    const asked = this.#last?.asked;
    if (asked?.length !== 1) return undefined;
    const one = asked[0]!;
    return one.offset === offset && one.partition === partition && one.topicId === topicId ? this.#last : undefined;
  }

  /** The read to join, in flight or begun by this call; undefined where sharing is not worth it. */
  of(asked: readonly FetchPartition[]): SharedRead | undefined {
    if (asked.length === 0 || asked.length > partitionsMax) return undefined;
    let key: string = asked[0]!.topicId;
    for (let i = 0; i < asked.length; i++) key += ` ${asked[i]!.partition}:${asked[i]!.offset}`;
    return (this.#last = this.#underWay.get(key) ?? this.#begin(key, asked));
  }

  #begin(key: string, asked: readonly FetchPartition[]): SharedRead {
    const read = new SharedRead(this.#engine, asked, this.#passes, () => {
      this.#underWay.delete(key);
      if (this.#last === read) this.#last = undefined;
    });
    this.#underWay.set(key, read);
    return read;
  }
}

export function sharedPart(fetched: FetchedPartition): SharedPart {
  let bytes = 0;
  let records = 0;
  const batches: ReadBatch[] = [];
  // From the batch headers alone.
  for (const run of fetched.records) {
    bytes += run.length;
    for (let at = 0; at < run.length; ) {
      const size = batchSizeBytes(run, at);
      const count = recordCount(run, at);
      const view = size === run.length ? run : run.subarray(at, at + size);
      batches.push({ bytes: view, endOffset: lastOffset(run, at) + 1, records: count });
      records += count;
      at += size;
    }
  }
  return { fetched, batches, key: `${fetched.topicId}${fetched.partition}`, bytes, records };
}

const ofEngine = new WeakMap<Engine, SharedReads>();

/** One per engine, for all subscriptions of all doors. */
export function sharedReadsOf({ engine, clock }: GatewayContext): SharedReads {
  let reads = ofEngine.get(engine);
  if (!reads) ofEngine.set(engine, (reads = new SharedReads(engine, clock)));
  return reads;
}
