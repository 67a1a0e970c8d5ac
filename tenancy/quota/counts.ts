/**
 * Exact counts. A reservation writes the counters row as it will be, on condition that it still is as it was read. It is
 * part of the engine's transaction that creates the topic, so both happen or neither. Of two reservations based on the same
 * reading only one can commit; the other runs again with what the first one left. Together they can never exceed a limit.
 *
 * The rate of partition changes is stored in the same row. So it is one rate over all gateways, and only changes that took
 * effect are charged: a lost race or a failed creation costs nothing.
 */
import type { TopicChange } from '../../engine/engine.ts';
import type { StoreOp } from '../../engine/ports.ts';
import { getSurely, type Persistence } from '../../engine/store-surely.ts';
import { Forbidden, NameCollides, NotFound, QuotaExceeded } from '../failures.ts';
import { collidingForm } from '../naming.ts';
import {
  type ClusterCounts,
  clusterCountsKey,
  decodeClusterCounts,
  encodeClusterCounts,
} from '../rows/cluster-counts.ts';
import { decodeNameClaim, encodeNameClaim, topicNameKey } from '../rows/name-claim.ts';
import type { ClusterLimits, CountGuard } from '../tenancy.ts';
import { partitionMutationWindowMs } from './limits.ts';

export class RowCountGuard implements CountGuard {
  readonly #persistence: Persistence;
  readonly #waitMsMax: number;
  readonly #limits: (clusterId: string) => ClusterLimits | undefined;

  constructor(
    persistence: Persistence,
    options: {
      readonly waitMsMax: number;
      readonly limits: (clusterId: string) => ClusterLimits | undefined;
    },
  ) {
    this.#persistence = persistence;
    this.#waitMsMax = options.waitMsMax;
    this.#limits = options.limits;
  }

  /** Throws NotFound, Forbidden (being deleted), and the store's failures. */
  async reserveInternal(clusterId: string, topics: 1 | -1): Promise<StoreOp[]> {
    const key = clusterCountsKey(clusterId);
    const row = await getSurely(this.#persistence, key, this.#waitMsMax);
    if (!row) throw new NotFound('cluster', clusterId);
    const counts = decodeClusterCounts(row);
    if (counts.closed && topics > 0) throw new Forbidden('the cluster is being deleted');
    // It would go below zero for a topic that was created before internal topics were counted.
    const next = { ...counts, internalTopics: Math.max(0, counts.internalTopics + topics) };
    return [{ op: 'put', key, value: encodeClusterCounts(next), if: { version: row.version } }];
  }

  /** Throws NotFound, Forbidden (being deleted), QuotaExceeded, NameCollides, and the store's failures. */
  async reserve(clusterId: string, change: TopicChange, topic: string): Promise<StoreOp[]> {
    const key = clusterCountsKey(clusterId);
    const row = await getSurely(this.#persistence, key, this.#waitMsMax);
    const limits = this.#limits(clusterId);
    if (!row || !limits) throw new NotFound('cluster', clusterId);
    const next = changedCounts(decodeClusterCounts(row), change, limits, this.#persistence.clock.wallMs());
    const counted: StoreOp = { op: 'put', key, value: encodeClusterCounts(next), if: { version: row.version } };
    return change.topics === 0 ? [counted] : [counted, ...(await this.#claim(clusterId, change, topic))];
  }

  /**
   * Takes or gives back a name that could collide. A topic that was created before names were claimed has no claim, and
   * its deletion leaves a later holder's claim alone.
   */
  async #claim(clusterId: string, { topics }: TopicChange, topic: string): Promise<StoreOp[]> {
    const form = collidingForm(topic);
    if (form === undefined) return [];
    const key = topicNameKey(clusterId, form);
    const row = await getSurely(this.#persistence, key, this.#waitMsMax);
    const holder = row && decodeNameClaim(row).id;
    if (topics < 0) return holder === topic ? [{ op: 'delete', key, if: { version: row!.version } }] : [];
    if (holder !== undefined && holder !== topic) throw new NameCollides(topic, holder);
    const condition = row ? { version: row.version } : { absent: true as const };
    return [{ op: 'put', key, value: encodeNameClaim({ id: topic }), if: condition }];
  }
}

/** Pure. Throws Forbidden, QuotaExceeded. */
export function changedCounts(
  counts: ClusterCounts,
  change: TopicChange,
  limits: ClusterLimits,
  nowMs: number,
): ClusterCounts {
  // It would go below zero when one topic is deleted twice at once. The engine's own condition refuses the second, so
  // nothing is written.
  const topics = Math.max(0, counts.topics + change.topics);
  const partitions = Math.max(0, counts.partitions + change.partitions);
  if (counts.closed) {
    if (change.topics > 0 || change.partitions > 0) throw new Forbidden('the cluster is being deleted');
    // Cleaning up a whole cluster is our work, not the tenant's, so no rate applies.
    return { ...counts, topics, partitions };
  }
  if (change.partitions > 0 && partitions > limits.partitionsMax) {
    throw new QuotaExceeded('partitionsMax', counts.partitions, limits.partitionsMax);
  }
  const milliMutations = chargedMutations(counts, Math.abs(change.partitions), limits, nowMs);
  return { ...counts, topics, partitions, milliMutations, mutationsAtMs: nowMs };
}

/**
 * A bucket of the limit's size that drains over five minutes. More partitions at once than the limit (one large topic) are
 * admitted when the bucket is empty; later changes then wait for them. Time that jumps back drains nothing.
 */
function chargedMutations(counts: ClusterCounts, count: number, limits: ClusterLimits, nowMs: number): number {
  const limit = limits.partitionMutationsPer5MinutesMax;
  if (limit === Infinity) return 0;
  const perMs = limit / partitionMutationWindowMs;
  const drained = Math.max(0, nowMs - counts.mutationsAtMs) * perMs;
  const used = Math.max(0, counts.milliMutations / 1000 - drained);
  const roomMax = Math.max(0, limit - count);
  if (used > roomMax) {
    const retryAfterMs = Math.max(1, Math.ceil((used - roomMax) / perMs));
    throw new QuotaExceeded('partitionMutationsPer5MinutesMax', Math.ceil(used), limit, retryAfterMs);
  }
  // Rounded up, because the row holds whole numbers and the limit must hold.
  return Math.ceil((used + count) * 1000);
}
