/**
 * Takes back logs that were sealed for a planned move that never came: because their release failed, for example while
 * the segment store was away, or because the mover died between the release and the new owner's row. A released log does
 * not open again at the epoch that was given up. Without this, nobody would serve it until a controller decides again, and
 * there may be no live controller.
 *
 * The broker itself writes the new epoch, on the condition that the placement is still the one that was given up. A
 * mover that was merely slow finds another epoch than the one it had released, and lets go (commit-moves.ts). Only one
 * of the two writes takes effect, in either order:
 *
 *   mover commits first    the placement names another broker, or an epoch that is higher: nothing to take back
 *   broker writes first    the mover's write is refused, and its second look finds an epoch that it did not release
 *
 * So taking a log back early does no harm. The mover is the controller that keeps the fleet, the owner of shard 0. When
 * that is no longer the same controller as at the release, or its process has ended, no move follows, and clients wait
 * for the log.
 */
import type { Catalogue } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { shardOf } from '../placement/shard.ts';
import type { MetadataStore, StoreOp } from '../ports.ts';
import { decodePlacement, encodePlacement, placementKey } from '../controller/rows/placement.ts';
import { shardCount, shardKey, shardOwner } from '../controller/rows/shard.ts';
import type { GivenUp } from './ownership.ts';

export interface TakeBackParts {
  readonly brokerId: number;
  readonly store: MetadataStore;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  /** The session's conditions. */
  guard(): readonly StoreOp[];
  /**
   * Whether the log still serves here, because its release failed before it began. Such a log needs no other epoch, and
   * the one that is open would not serve it.
   */
  isOpen(topicId: Uuid, partition: number): boolean;
  /** Whether a controller's process is known to have ended, by controller id. */
  isControllerGone?(controllerId: string): boolean;
}

interface Watched {
  readonly given: readonly GivenUp[];
  /** The controller that released them, as far as known. */
  readonly mover: string | undefined;
  /** Monotonic. After this time the mover is no longer waited for. */
  readonly untilMs: number;
}

/** A move follows its release after one write. A mover that needs longer than this has to begin again. */
const takeBackAfterMs = 5_000;
const lookIntervalMs = 250;
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

  /** Watches logs that were just released. Those whose release failed are taken back at once: no move follows. */
  watch(given: readonly GivenUp[], isReleased: boolean): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (!isReleased) return void this.#look({ given, mover: undefined, untilMs: nowMs });
    void this.#mover().then((mover) => this.#later(lookIntervalMs, { given, mover, untilMs: nowMs + takeBackAfterMs }));
  }

  #later(delayMs: number, watched: Watched): void {
    if (this.#isStopped) return;
    const timer = this.#parts.clock.after(
      delayMs,
      () => {
        this.#timers.delete(timer);
        void this.#look(watched);
      },
      'background',
    );
    this.#timers.add(timer);
  }

  /** Undefined when the store does not answer. */
  async #mover(): Promise<string | undefined> {
    try {
      const row = await this.#parts.store.get(shardKey(0));
      return shardOwner(row);
    } catch (failure) {
      if (failure instanceof Failure) return undefined;
      throw failure;
    }
  }

  async #isMoverGone(mover: string | undefined): Promise<boolean> {
    const now = await this.#mover();
    if (mover === undefined || now === undefined) return false;
    return now !== mover || (this.#parts.isControllerGone?.(mover) ?? false);
  }

  async #look({ given, mover, untilMs }: Watched): Promise<void> {
    const { catalogue, brokerId, clock } = this.#parts;
    const still = given.filter((one) => {
      const place = catalogue.byId(one.topicId)?.partitions[one.partition];
      if (place?.brokerId !== brokerId || place.leaderEpoch > one.leaderEpoch) return false;
      return !this.#parts.isOpen(one.topicId, one.partition);
    });
    if (still.length === 0) return;
    if (clock.monotonicMs() < untilMs && !(await this.#isMoverGone(mover))) {
      return this.#later(lookIntervalMs, { given: still, mover, untilMs });
    }
    const topics = new Map<string, GivenUp[]>();
    for (const one of still) topics.set(one.topicId, [...(topics.get(one.topicId) ?? []), one]);
    const left: GivenUp[] = [];
    for (const [topicId, ofTopic] of topics) {
      try {
        await this.#takeBack(topicId, ofTopic);
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        // A conflict, or an unavailable store: the rows decide the next time. A fenced session ends by itself.
        left.push(...ofTopic);
      }
    }
    if (left.length > 0) this.#later(retryMs, { given: left, mover, untilMs });
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
