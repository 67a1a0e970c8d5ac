/**
 * Subscriptions that stand at the same place read once. A thousand subscribers at the tail ask for the same records at the
 * same moment; one fetch of the engine serves them all, and they share its buffers. What is charged is charged for each.
 *
 * A read is shared while it is under way and by nobody afterwards, so nothing is kept here: who comes late reads what the
 * engine has. A subscription that closes leaves its read to the others; the last one to leave ends it.
 */
import type { Engine, FetchedPartition, FetchPartition } from '../../engine/engine.ts';
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import { batchSizeBytes, recordCount } from '../../engine/records/batch.ts';
import type { GatewayContext } from '../context.ts';
import { TurnTime } from '../turn-time.ts';

export interface SharedPart {
  readonly fetched: FetchedPartition;
  /** Names the partition to the limiter. */
  readonly key: string;
  /** Of all its records. */
  readonly bytes: number;
  readonly records: number;
}

/** Beyond it the key of a read would cost more than is won. */
const partitionsMax = 16;

/** Bounds for one read of all who share it. */
export const sharedReadLimits = { maxWaitMs: 5_000, minBytes: 1, maxBytes: 1024 * 1024 } as const;

/** One read and those who wait for it. */
export class SharedRead {
  readonly #abort = new AbortController();
  readonly #onEnd: () => void;
  #sharers = 0;
  /** Undefined once answered: a Map's former tables would keep the answer alive (engine/link/link.ts, Outstanding). */
  #parts: Promise<readonly SharedPart[]> | undefined;

  constructor(engine: Engine, asked: readonly FetchPartition[], onEnd: () => void) {
    this.#onEnd = onEnd;
    const { signal } = this.#abort;
    this.#parts = engine.fetch(asked, { ...sharedReadLimits, signal }).then((fetched) => {
      this.#end();
      return fetched.map(sharedPart);
    });
    this.#parts.catch(() => this.#end());
  }

  /** Each who joins leaves at most once, and only before the answer. Rejects as Engine.fetch does. */
  join(): Promise<readonly SharedPart[]> {
    const parts = this.#parts;
    assert(parts !== undefined, 'a read that has ended is joined by nobody');
    this.#sharers++;
    return parts;
  }

  /** The last one to leave ends the read. */
  leave(): void {
    if (--this.#sharers > 0 || this.#parts === undefined) return;
    this.#end();
    this.#abort.abort();
  }

  #end(): void {
    if (this.#parts === undefined) return;
    this.#parts = undefined;
    this.#onEnd();
  }
}

export class SharedReads {
  /** For those whom one answer wakes in one turn. */
  readonly turn: TurnTime;
  readonly #engine: Engine;
  readonly #underWay = new Map<string, SharedRead>();

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.turn = new TurnTime(clock);
  }

  /** The read to join, under way or begun with this call; undefined for what is not worth sharing. */
  of(asked: readonly FetchPartition[]): SharedRead | undefined {
    if (asked.length === 0 || asked.length > partitionsMax) return undefined;
    let key: string = asked[0]!.topicId;
    for (let i = 0; i < asked.length; i++) key += ` ${asked[i]!.partition}:${asked[i]!.offset}`;
    const known = this.#underWay.get(key);
    if (known) return known;
    const read = new SharedRead(this.#engine, asked, () => this.#underWay.delete(key));
    this.#underWay.set(key, read);
    return read;
  }
}

export function sharedPart(fetched: FetchedPartition): SharedPart {
  let bytes = 0;
  let records = 0;
  // From the batch headers alone.
  for (const run of fetched.records) {
    bytes += run.length;
    for (let at = 0; at < run.length; at += batchSizeBytes(run, at)) records += recordCount(run, at);
  }
  return { fetched, key: `${fetched.topicId}${fetched.partition}`, bytes, records };
}

const ofEngine = new WeakMap<Engine, SharedReads>();

/** One per engine, for all subscriptions of all doors. */
export function sharedReadsOf({ engine, clock }: GatewayContext): SharedReads {
  let reads = ofEngine.get(engine);
  if (!reads) ofEngine.set(engine, (reads = new SharedReads(engine, clock)));
  return reads;
}
