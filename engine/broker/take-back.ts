/**
 * Takes back logs that were released for a planned move that never came: whoever moved them died between the release and
 * the new owner's row. A released log is not opened again at the epoch that was given up, so without this nobody would
 * serve it until somebody decides anew, and there may be no controller alive to do that.
 *
 * The new epoch is written by the broker itself, on the condition that the placement is still the one that was given up.
 * A mover that was only slow finds another epoch than the one it had released, and lets go (commit-moves.ts). Of the two
 * writes one has its effect, whatever the order:
 *
 *   mover commits first    the placement names another broker, or an epoch that is higher: nothing to take back
 *   broker writes first    the mover's write is refused, and its second look finds an epoch that it did not release
 */
import type { Catalogue } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { shardOf } from '../placement/shard.ts';
import type { MetadataStore, StoreOp } from '../ports.ts';
import { decodePlacement, encodePlacement, placementKey } from '../controller/rows/placement.ts';
import { shardCount, shardKey } from '../controller/rows/shard.ts';
import type { GivenUp } from './ownership.ts';

export interface TakeBackParts {
  readonly brokerId: number;
  readonly store: MetadataStore;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  /** The session's conditions. */
  guard(): readonly StoreOp[];
}

/** From a release to its move takes a write; a mover that needs longer than this has to begin again. */
const takeBackAfterMs = 5_000;
const retryMs = 1_000;

export class TakeBack {
  readonly #parts: TakeBackParts;
  readonly #timers = new Set<Timer>();
  #isStopped = false;

  constructor(parts: TakeBackParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** These were released just now. */
  watch(given: readonly GivenUp[]): void {
    this.#later(takeBackAfterMs, given);
  }

  #later(delayMs: number, given: readonly GivenUp[]): void {
    if (this.#isStopped) return;
    const timer = this.#parts.clock.after(
      delayMs,
      () => {
        this.#timers.delete(timer);
        void this.#look(given);
      },
      'background',
    );
    this.#timers.add(timer);
  }

  async #look(given: readonly GivenUp[]): Promise<void> {
    const topics = new Map<string, GivenUp[]>();
    for (const one of given) {
      const place = this.#parts.catalogue.byId(one.topicId)?.partitions[one.partition];
      const isLeft = place?.brokerId === this.#parts.brokerId && place.leaderEpoch <= one.leaderEpoch;
      if (isLeft) topics.set(one.topicId, [...(topics.get(one.topicId) ?? []), one]);
    }
    const left: GivenUp[] = [];
    for (const [topicId, ofTopic] of topics) {
      try {
        await this.#takeBack(topicId, ofTopic);
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        // A conflict, or a store that is away: what the rows say by then decides. A fenced session ends by itself.
        left.push(...ofTopic);
      }
    }
    if (left.length > 0) this.#later(retryMs, left);
  }

  async #takeBack(topicId: string, given: readonly GivenUp[]): Promise<void> {
    const { store, catalogue, brokerId, clock } = this.#parts;
    const topic = catalogue.byId(topicId);
    if (!topic || this.#isStopped) return;
    const shard = shardOf(topic.clusterId, shardCount);
    const [owner, row] = await Promise.all([store.get(shardKey(shard)), store.get(placementKey(shard, topicId))]);
    if (!row) return;
    const partitions = [...decodePlacement(row).partitions];
    let count = 0;
    for (const { partition, leaderEpoch } of given) {
      const place = partitions[partition];
      if (place?.brokerId !== brokerId || place.leaderEpoch !== leaderEpoch) continue;
      const movedAtMs = clock.wallMs();
      partitions[partition] = { brokerId, leaderEpoch: leaderEpoch + 1, reason: 'taken-back', movedAtMs };
      count++;
    }
    if (count === 0) return;
    const value = encodePlacement({ topicId, partitions });
    const key = placementKey(shard, topicId);
    const check: StoreOp = {
      op: 'check',
      key: shardKey(shard),
      if: owner ? { version: owner.version } : { absent: true },
    };
    await store.transact([...this.#parts.guard(), check, { op: 'put', key, value, if: { version: row.version } }]);
  }
}
