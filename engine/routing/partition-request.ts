/**
 * Requests about partitions that carry no data (ListOffsets, DeleteRecords, OffsetForLeaderEpoch, DescribeLogDirs).
 * They are split by owner, sent in parallel, and merged in the order of the request. All of them can be repeated
 * without harm, so when a partition's owner is away, refuses or vanishes, the catalogue's owner is asked again until
 * the hold time is over.
 *
 * DeleteRecords carries its client's timeout, after which it is answered whatever the owners do: with what others have
 * reported by then, and REQUEST_TIMED_OUT where nothing is known. What an owner may have done is never answered with
 * NOT_LEADER.
 */
import type { PartitionApi } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { grantedMs, inTime, late } from '../kernel/request-time.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { latestVersion } from '../link/latest-version.ts';
import type { Link } from '../link/link.ts';
import type { LinkPool } from '../link/pool.ts';
import { LinkClosed } from '../ports.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import type { Changes } from './changes.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { isMisrouted } from './misrouted.ts';
import { joinTopicIds } from '../link/named-topics.ts';
import { ownerOf, type RoutingCatalogue } from './owners.ts';
import { type Entry, type PartitionShape, partitionShapes } from './partition-shapes.ts';
import type { RoutingSettings } from './settings.ts';
import type { Bounds } from './told-bounds.ts';

export class PartitionRouter {
  readonly metrics = { requests: 0, retries: 0 };
  readonly #catalogue: RoutingCatalogue;
  readonly #pool: LinkPool;
  readonly #clock: Clock;
  readonly #changes: Changes;
  readonly #settings: RoutingSettings;
  /** Called with the bounds of a log from answers, so later fetches never report less. */
  readonly #onTold: (topicId: Uuid, partition: number, bounds: Bounds) => void;

  constructor(
    catalogue: RoutingCatalogue,
    pool: LinkPool,
    clock: Clock,
    changes: Changes,
    settings: RoutingSettings,
    onTold: (topicId: Uuid, partition: number, bounds: Bounds) => void,
  ) {
    this.#catalogue = catalogue;
    this.#pool = pool;
    this.#clock = clock;
    this.#changes = changes;
    this.#settings = settings;
    this.#onTold = onTold;
  }

  async request<K extends PartitionApi>(key: K, request: RequestOf<K>): Promise<ResponseOf<K>> {
    this.metrics.requests++;
    const shape: PartitionShape<K> = partitionShapes[key];
    const entries = shape.entries(request);
    const startMs = this.#clock.monotonicMs();
    const timeMs = shape.timeoutMs ? grantedMs(shape.timeoutMs(request)) : Number.POSITIVE_INFINITY;
    let pauseMs = this.#settings.retryMs;
    for (;;) {
      const seen = this.#changes.count;
      const open = await this.#round(key, shape, request, entries, startMs + timeMs);
      if (open.length === 0) break;
      const heldMs = this.#clock.monotonicMs() - startMs;
      this.#giveUp(shape, open, heldMs);
      if (heldMs >= timeMs) timeIsUp(open);
      if (entries.every((entry) => entry.result !== undefined)) break;
      this.metrics.retries++;
      await this.#changes.next(seen, Math.min(pauseMs, this.#settings.holdMsMax - heldMs, timeMs - heldMs));
      pauseMs = Math.min(pauseMs * 2, this.#settings.retryMsMax);
    }
    return shape.response(request, entries);
  }

  /** Asks the owners of all entries without a result. Returns the entries that still have none. */
  async #round<K extends PartitionApi>(
    key: K,
    shape: PartitionShape<K>,
    request: RequestOf<K>,
    entries: readonly Entry<K>[],
    untilMs: number,
  ): Promise<Entry<K>[]> {
    const byLink = new Map<Link, Entry<K>[]>();
    for (const entry of entries) {
      if (entry.result !== undefined) continue;
      const link = this.#linkOf(entry);
      if (!link) continue;
      const asked = byLink.get(link);
      if (asked) asked.push(entry);
      else byLink.set(link, [entry]);
    }
    await Promise.all([...byLink].map(([link, asked]) => this.#ask(key, shape, request, link, asked, untilMs)));
    return entries.filter((entry) => entry.result === undefined);
  }

  #linkOf(entry: Entry): Link | undefined {
    const topic = this.#catalogue.byName(entry.topic);
    if (!topic) return undefined;
    const owner = ownerOf(this.#catalogue, topic.topicId, entry.index);
    if (typeof owner === 'string') return undefined;
    // Checks KIP-320 against the catalogue; the broker is asked with the epoch of the intended owner.
    if (entry.leaderEpoch >= 0 && entry.leaderEpoch !== owner.leaderEpoch) {
      const isOld = entry.leaderEpoch < owner.leaderEpoch;
      entry.result = { errorCode: isOld ? errorCode.fencedLeaderEpoch : errorCode.unknownLeaderEpoch };
      return undefined;
    }
    entry.sentEpoch = owner.leaderEpoch;
    entry.sentTopicId = topic.topicId;
    return this.#pool.link(owner.address, 'control');
  }

  async #ask<K extends PartitionApi>(
    key: K,
    shape: PartitionShape<K>,
    request: RequestOf<K>,
    link: Link,
    asked: readonly Entry<K>[],
    untilMs: number,
  ): Promise<void> {
    let response: ResponseOf<K> | typeof late;
    try {
      const options = { clientId: joinTopicIds(topicIdsOf(asked)) };
      const work = link.request(key, latestVersion(key), shape.request(request, asked), options);
      const hasTime = shape.timeoutMs !== undefined;
      response = hasTime ? await inTime(this.#clock, untilMs - this.#clock.monotonicMs(), work) : await work;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error instanceof LinkClosed && error.sent) for (const entry of asked) entry.mayBeDone = true;
      return;
    }
    // A late answer is ignored.
    if (response === late) return timeIsUp(asked);
    const waiting = byPartition(asked);
    shape.read(response, (topic, index, result) => {
      const entry = waiting.get(partitionKey(topic, index))?.pop();
      if (!entry || isMisrouted(result.errorCode)) return;
      entry.result = result;
      if (!shape.told || result.errorCode !== errorCode.none || entry.sentTopicId === undefined) return;
      this.#onTold(entry.sentTopicId, index, shape.told(entry, result));
    });
  }

  #giveUp<K extends PartitionApi>(shape: PartitionShape<K>, open: readonly Entry[], heldMs: number): void {
    const { holdMsMax, unknownTopicMsMax } = this.#settings;
    for (const entry of open) {
      const isKnown = this.#catalogue.byName(entry.topic)?.partitions[entry.index] !== undefined;
      if (heldMs >= holdMsMax && isKnown) {
        const isUnsure = entry.mayBeDone && shape.timeoutMs !== undefined;
        entry.result = { errorCode: isUnsure ? errorCode.requestTimedOut : errorCode.notLeaderOrFollower };
      }
      if (heldMs >= Math.min(unknownTopicMsMax, holdMsMax) && !isKnown) {
        entry.result = { errorCode: errorCode.unknownTopicOrPartition };
      }
    }
  }
}

/** One for each topic of the request that is made of these entries: adjacent ones of a topic go together. */
function topicIdsOf(asked: readonly Entry[]): (Uuid | undefined)[] {
  return asked.filter(({ topicAt }, i) => topicAt !== asked[i - 1]?.topicAt).map(({ sentTopicId }) => sentTopicId);
}

function partitionKey(topic: string, index: number): string {
  return `${index}/${topic}`;
}

/** Entries by partition, the first one last. A partition that is named twice is answered twice. */
function byPartition<E extends Entry>(entries: readonly E[]): Map<string, E[]> {
  const byKey = new Map<string, E[]>();
  for (const entry of entries.toReversed()) {
    const key = partitionKey(entry.topic, entry.index);
    const same = byKey.get(key);
    if (same) same.push(entry);
    else byKey.set(key, [entry]);
  }
  return byKey;
}

function timeIsUp(entries: readonly Entry[]): void {
  for (const entry of entries) entry.result ??= { errorCode: errorCode.requestTimedOut };
}
