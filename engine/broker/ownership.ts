/**
 * Which logs this session may serve: those whose placement row names it. Each opens on first use, at that row's leader
 * epoch. A broker that took over 3,000 partitions is therefore ready at once, and the hot ones open first.
 *
 * The catalogue follows the store's change feed, and may be a few milliseconds behind the gateway that sent the
 * request: the controller writes the row, the gateway reads it at once and asks us, and our feed has not delivered it
 * yet. So a request for a log that is not ours waits briefly for the feed before it is told to look elsewhere. It does
 * not wait when the row it was sent by is no newer than ours.
 */
import type { Catalogue, PartitionEntry, TopicEntry } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { type LogStore, NotOwner, type PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';

/** A log, or the Kafka error that explains its absence. */
export type Owned = { readonly log: PartitionLog; readonly topic: TopicEntry } | { readonly errorCode: number };

/** A log and the epoch at which it is given up. */
export interface GivenUp {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly leaderEpoch: number;
}

/** The catalogue of a process that follows the rows. */
export interface FollowedCatalogue extends Catalogue {
  /** All topics of all clusters, in no order. */
  all(): Iterable<TopicEntry>;
  /** Called after any of the topic's rows changed. */
  onPlacement(listener: (topicId: Uuid) => void): void;
  /** Makes the change feed look now. */
  refresh(): void;
}

export interface OwnershipSettings {
  /** How long a request for an unknown log waits for the change feed. */
  readonly feedWaitMsMax: number;
  /** How often the feed is made to look while a request waits for it. */
  readonly feedPollMs: number;
  /** Requests that wait for one log to open or to become known. */
  readonly waitersMax: number;
}

export const ownershipDefaults: OwnershipSettings = { feedWaitMsMax: 150, feedPollMs: 3, waitersMax: 10_000 };

export class Ownership {
  readonly #brokerId: number;
  readonly #store: LogStore;
  readonly #catalogue: FollowedCatalogue;
  readonly #clock: Clock;
  readonly #settings: OwnershipSettings;
  /** In order of arrival: appends that arrive while a log opens must enter it in that order, before any later one. */
  readonly #opening = new Map<string, ((owned: Owned) => void)[]>();
  readonly #unknown = new Map<Uuid, Set<() => void>>();
  readonly #released = new Map<string, number>();
  /** Topics whose logs are being removed for good while our feed still lists them. */
  readonly #deleted = new Set<Uuid>();
  /** Called when logs were given back, or could not be. */
  onReleased: (given: readonly GivenUp[], isReleased: boolean) => void = () => undefined;

  constructor(
    brokerId: number,
    store: LogStore,
    catalogue: FollowedCatalogue,
    clock: Clock,
    settings: OwnershipSettings = ownershipDefaults,
  ) {
    this.#brokerId = brokerId;
    this.#store = store;
    this.#catalogue = catalogue;
    this.#clock = clock;
    this.#settings = settings;
    catalogue.onPlacement((topicId) => this.#changed(topicId));
  }

  /**
   * Calls `use` once: in this turn when the log is open, otherwise once it is. Calls for one log keep their order.
   * `sentEpoch`: the leader epoch of the row that sent the request to us; -1 when unknown.
   */
  with(topicId: Uuid, partition: number, use: (owned: Owned) => void, sentEpoch = -1): void {
    const key = topicId + partition;
    const queue = this.#opening.get(key);
    if (queue) {
      if (queue.length >= this.#settings.waitersMax) use({ errorCode: errorCode.notLeaderOrFollower });
      else queue.push(use);
      return;
    }
    const topic = this.#catalogue.byId(topicId);
    const log = this.#store.get(topicId, partition);
    if (log?.isOpen && topic) {
      use({ log, topic });
      return;
    }
    this.#opening.set(key, [use]);
    this.#open(key, topicId, partition, sentEpoch).then(
      (owned) => this.#opened(key, owned),
      (error: unknown) => this.#opened(key, { errorCode: openError(error) }),
    );
  }

  /** Passes changed topic settings to open logs. A log that was given away is closed by release, not here. */
  #changed(topicId: Uuid): void {
    const topic = this.#catalogue.byId(topicId);
    if (!topic) this.#deleted.delete(topicId);
    for (const { index, leaderEpoch } of topic?.partitions ?? []) {
      this.#store.get(topicId, index)?.setConfigs(topic!.configs);
      const released = this.#released.get(topicId + index);
      if (released !== undefined && leaderEpoch > released) this.#released.delete(topicId + index);
    }
    const waiting = this.#unknown.get(topicId);
    if (!waiting) return;
    this.#unknown.delete(topicId);
    for (const wake of waiting) wake();
  }

  #opened(key: string, owned: Owned): void {
    const queue = this.#opening.get(key)!;
    this.#opening.delete(key);
    for (const use of queue) use(owned);
  }

  /**
   * Waits for the feed while it may be behind the sender's, but not in the opposite case. A request sent before a
   * planned move, or while the log was being released, must go to the next owner; what its producer sends after it
   * waits for its return.
   */
  async #open(key: string, topicId: Uuid, partition: number, sentEpoch: number): Promise<Owned> {
    const deadlineMs = this.#clock.monotonicMs() + this.#settings.feedWaitMsMax;
    // A request without an epoch came by a row that named us, normally that of the released log. If it came by a later
    // row, it asks again.
    const seenEpoch = sentEpoch >= 0 ? sentEpoch : (this.#released.get(key) ?? Infinity);
    for (;;) {
      const topic = this.#catalogue.byId(topicId);
      const entry = topic?.partitions[partition];
      if (topic && entry && !this.#deleted.has(topicId) && this.#isOurs(key, entry)) {
        const log = await this.#store.open(topicId, partition, entry.leaderEpoch, topic.configs);
        return { log, topic };
      }
      if (entry && entry.brokerId !== this.#brokerId && entry.leaderEpoch >= seenEpoch)
        return { errorCode: errorCode.notLeaderOrFollower };
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return { errorCode: topic ? errorCode.notLeaderOrFollower : errorCode.unknownTopicId };
      this.#catalogue.refresh();
      await this.#feed(topicId, Math.min(leftMs, this.#settings.feedPollMs));
    }
  }

  /** A placement older than our own release of the log is one that our feed has not replaced yet. */
  #isOurs(key: string, entry: PartitionEntry): boolean {
    return entry.brokerId === this.#brokerId && entry.leaderEpoch > (this.#released.get(key) ?? -1);
  }

  #feed(topicId: Uuid, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#unknown.get(topicId) ?? new Set();
      this.#unknown.set(topicId, waiting);
      const wake = (): void => {
        timer.cancel();
        waiting.delete(wake);
        if (waiting.size === 0 && this.#unknown.get(topicId) === waiting) this.#unknown.delete(topicId);
        resolve();
      };
      const timer = this.#clock.after(waitMs, wake);
      waiting.add(wake);
    });
  }

  /**
   * Gives logs back (planned move); `closing` runs before each leaves. The epoch is noted first, and an opening under
   * way is awaited, whether or not the log is open here. Otherwise, between our answer and the new owner's row, a late
   * request could reopen the log at the epoch that was given up, and nobody would ever read what it appends.
   *
   * After a failure the logs that were sealed are still ours, and serve again when they are taken back (take-back.ts).
   */
  async release(given: readonly GivenUp[], closing: (log: PartitionLog) => Promise<void>): Promise<void> {
    for (const { topicId, partition, leaderEpoch } of given) {
      const key = topicId + partition;
      this.#released.set(key, Math.max(leaderEpoch, this.#released.get(key) ?? -1));
    }
    let isReleased = false;
    try {
      await Promise.all(given.map(({ topicId, partition }) => this.#openingEnds(topicId + partition)));
      const open = given.flatMap((one) => {
        const log = this.#store.get(one.topicId, one.partition);
        return log ? { log, leaderEpoch: one.leaderEpoch < 0 ? log.leaderEpoch : one.leaderEpoch } : [];
      });
      const logs = open.map(({ log }) => log);
      this.#refuseTakenBack(open);
      await this.#store.prepareRelease(logs);
      this.#refuseTakenBack(open);
      await Promise.all(logs.map(closing));
      this.#refuseTakenBack(open);
      await this.#store.release(logs);
      isReleased = true;
    } finally {
      this.onReleased(given, isReleased);
    }
  }

  /** The mover asks for an epoch that is over: a move by it would be refused, and meanwhile nobody would serve the log. */
  #refuseTakenBack(given: readonly { readonly log: PartitionLog; readonly leaderEpoch: number }[]): void {
    for (const { log, leaderEpoch } of given) {
      if (log.leaderEpoch > leaderEpoch) throw new NotOwner(`the log is open at leader epoch ${log.leaderEpoch}`);
    }
  }

  /**
   * The topic is deleted, and none of its logs opens from here on. Our feed may name us for a while longer, and a late
   * request would otherwise start the log again after its space was freed. Resolves when no opening of the partition is
   * under way.
   */
  delete(topicId: Uuid, partition: number): Promise<void> {
    if (this.#catalogue.byId(topicId)) this.#deleted.add(topicId);
    return this.#openingEnds(topicId + partition);
  }

  #openingEnds(key: string): Promise<void> {
    const queue = this.#opening.get(key);
    return queue ? new Promise((resolve) => queue.push(() => resolve())) : Promise.resolve();
  }
}

function openError(error: unknown): number {
  if (!(error instanceof Failure)) throw error;
  switch (error.code) {
    case 'not-owner':
    case 'fenced':
      return errorCode.notLeaderOrFollower;
    default:
      return errorCode.kafkaStorageError;
  }
}
