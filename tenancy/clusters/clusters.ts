/**
 * The life of a cluster (states: rows/cluster.ts). Creation is one transaction over four rows: the tenant's count, the
 * name, the cluster, its counters. Deletion is two transactions, with the removal of topics and keys between them. Each
 * step can run again, so repeating a deletion that a crash cut short finishes it.
 *
 *   1. cluster 'deleting' and counters closed: keys stop, and nobody can add a topic or a key
 *   2. topics, including our own inside the cluster, until the counters say there are none
 *   3. keys
 *   4. cluster, name, counters and usage removed, and the tenant's count one less
 */
import { assert } from '../../engine/kernel/assert.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { type Row, StoreConflict, type StoreOp } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import { getSurely, type Persistence, rangeSurely, transactSurely } from '../../engine/store-surely.ts';
import { AlreadyExists, Forbidden, NotFound, TopicsRemain } from '../failures.ts';
import { newClusterId } from '../ids.ts';
import { checkDefaultPartitions, checkName } from '../names.ts';
import { checkLimitOverrides, checkProfile } from '../quota/limits.ts';
import { apiKeysPk, decodeApiKey } from '../rows/api-key.ts';
import {
  type ClusterCounts,
  clusterCountsKey,
  decodeClusterCounts,
  encodeClusterCounts,
} from '../rows/cluster-counts.ts';
import { type ClusterRow, clusterKey, decodeCluster, encodeCluster } from '../rows/cluster.ts';
import { clusterNameKey, encodeNameClaim } from '../rows/name-claim.ts';
import { decodeTenant, encodeTenant, tenantKey } from '../rows/tenant.ts';
import { usageKey } from '../rows/usage.ts';
import type { Tenancy } from '../tenancy.ts';
import { untilNoConflict } from '../write-rows.ts';

export type ClusterSpec = Parameters<Tenancy['createCluster']>[0];
export type ClusterChange = Parameters<Tenancy['updateCluster']>[1];

export interface ClustersOptions {
  readonly persistence: Persistence;
  /** Profile of clusters created without one. */
  readonly profile: string;
  readonly storeWaitMsMax: number;
  readonly deleteRoundsMax: number;
  readonly deleteRoundMs: number;
  /** Called at once with a row that has become durable. */
  stored(clusterId: string, row: ClusterRow, version: number): void;
  removed(clusterId: string): void;
  keyRemoved(keyId: string): void;
}

const settableStates: ReadonlySet<string> = new Set(['serving', 'suspended']);
/** Key rows removed in one transaction; below storeOpsMax. */
const keysPerTransaction = 50;
const noCounts: ClusterCounts = {
  topics: 0,
  partitions: 0,
  internalTopics: 0,
  milliMutations: 0,
  mutationsAtMs: 0,
  closed: false,
};

export class Clusters {
  readonly #options: ClustersOptions;

  constructor(options: ClustersOptions) {
    this.#options = options;
  }

  /** Returns the id. Throws InvalidRequest, NotFound (tenant), AlreadyExists. */
  async create(spec: ClusterSpec): Promise<string> {
    const { clock, random } = this.#options.persistence;
    checkName('name', spec.name);
    const profile = spec.profile ?? this.#options.profile;
    checkProfile(profile);
    const limits = { ...spec.limits };
    checkLimitOverrides(limits);
    const defaultPartitions = spec.defaultPartitions ?? 1;
    checkDefaultPartitions(defaultPartitions);
    const { tenantId, name, autoCreateTopics = true } = spec;
    const createdAtMs = clock.wallMs();
    const row: ClusterRow = {
      tenantId,
      name,
      state: 'serving',
      autoCreateTopics,
      defaultPartitions,
      profile,
      limits,
      createdAtMs,
    };
    return untilNoConflict(async () => {
      const clusterId = newClusterId(random);
      const ops: StoreOp[] = [
        putNew(clusterNameKey(tenantId, name), encodeNameClaim({ id: clusterId })),
        await this.#countInTenant(tenantId, 1),
        putNew(clusterKey(clusterId), encodeCluster(row)),
        putNew(clusterCountsKey(clusterId), encodeClusterCounts(noCounts)),
      ];
      try {
        await this.#write(ops);
      } catch (error) {
        // The name's operation comes first; any other conflict (the tenant has changed) is retried.
        if (error instanceof StoreConflict && error.index === 0) throw new AlreadyExists('cluster', name);
        throw error;
      }
      this.#options.stored(clusterId, row, 1);
      return clusterId;
    });
  }

  /** Throws InvalidRequest, NotFound, Forbidden (being deleted). */
  async update(clusterId: string, change: ClusterChange): Promise<void> {
    if (change.defaultPartitions !== undefined) checkDefaultPartitions(change.defaultPartitions);
    checkLimitOverrides(change.limits ?? {});
    if (change.state !== undefined && !settableStates.has(change.state)) {
      throw new InvalidRequest('state', `state must be ${[...settableStates].join(' or ')}`);
    }
    await untilNoConflict(async () => {
      const found = await this.#read(clusterId);
      if (found.row.state === 'deleting') throw new Forbidden('the cluster is being deleted');
      const next: ClusterRow = {
        ...found.row,
        state: change.state ?? found.row.state,
        autoCreateTopics: change.autoCreateTopics ?? found.row.autoCreateTopics,
        defaultPartitions: change.defaultPartitions ?? found.row.defaultPartitions,
        limits: { ...found.row.limits, ...change.limits },
        ...(change.brokerConfigs
          ? { brokerConfigs: changedTexts(found.row.brokerConfigs ?? {}, change.brokerConfigs) }
          : {}),
      };
      await this.#write([putOver(found, clusterKey(clusterId), encodeCluster(next))]);
      this.#options.stored(clusterId, next, found.version + 1);
    });
  }

  /** Throws NotFound, TopicsRemain (run it again), and whatever `deleteTopics` throws. */
  async delete(clusterId: string, deleteTopics: () => Promise<void>): Promise<void> {
    const cluster = await this.#markDeleting(clusterId);
    await this.#deleteTopics(clusterId, deleteTopics);
    await this.#deleteKeys(clusterId);
    await this.#remove(clusterId, cluster);
    this.#options.removed(clusterId);
  }

  #markDeleting(clusterId: string): Promise<ClusterRow> {
    return untilNoConflict(async () => {
      const found = await this.#read(clusterId);
      if (found.row.state === 'deleting') return found.row;
      const next: ClusterRow = { ...found.row, state: 'deleting' };
      const counts = await this.#counts(clusterId);
      // A creation in progress holds the counters' old version: either it is in the counts now, or it will be refused.
      await this.#write([
        putOver(found, clusterKey(clusterId), encodeCluster(next)),
        putOver(counts, clusterCountsKey(clusterId), encodeClusterCounts({ ...counts.row, closed: true })),
      ]);
      this.#options.stored(clusterId, next, found.version + 1);
      return next;
    });
  }

  /**
   * May take several rounds: a topic whose creation committed just before the mark may be missing from this process's
   * catalogue when it lists the topics.
   */
  async #deleteTopics(clusterId: string, deleteTopics: () => Promise<void>): Promise<void> {
    const { persistence, deleteRoundsMax, deleteRoundMs } = this.#options;
    for (let round = 1; ; round++) {
      await deleteTopics();
      const row = await getSurely(persistence, clusterCountsKey(clusterId), this.#options.storeWaitMsMax);
      // No row: another process has finished this deletion.
      const counts = row ? decodeClusterCounts(row) : noCounts;
      const topics = counts.topics + counts.internalTopics;
      if (topics === 0) return;
      if (round === deleteRoundsMax) throw new TopicsRemain(clusterId, topics);
      await sleep(persistence.clock, deleteRoundMs);
    }
  }

  async #deleteKeys(clusterId: string): Promise<void> {
    const keys = await rangeSurely(this.#options.persistence, apiKeysPk, this.#options.storeWaitMsMax);
    const own = keys.filter((row) => unlessDamaged(row, decodeApiKey)?.clusterId === clusterId);
    for (let at = 0; at < own.length; at += keysPerTransaction) {
      const some = own.slice(at, at + keysPerTransaction);
      await this.#write(some.map(({ pk, sk }) => ({ op: 'delete', key: { pk, sk } })));
      for (const { sk } of some) this.#options.keyRemoved(sk);
    }
  }

  async #remove(clusterId: string, cluster: ClusterRow): Promise<void> {
    const key = clusterKey(clusterId);
    await untilNoConflict(async () => {
      if (!(await getSurely(this.#options.persistence, key, this.#options.storeWaitMsMax))) return;
      const tenant = await this.#countInTenant(cluster.tenantId, -1);
      try {
        await this.#write([
          { op: 'delete', key, if: { exists: true } },
          tenant,
          { op: 'delete', key: clusterNameKey(cluster.tenantId, cluster.name) },
          { op: 'delete', key: clusterCountsKey(clusterId) },
          { op: 'delete', key: usageKey(clusterId) },
        ]);
      } catch (error) {
        // Two deletions ran at once: the other one was first and has already lowered the tenant's count.
        if (error instanceof StoreConflict && error.index === 0 && error.current === undefined) return;
        throw error;
      }
    });
  }

  async #countInTenant(tenantId: string, change: 1 | -1): Promise<StoreOp> {
    const { persistence, storeWaitMsMax } = this.#options;
    const key = tenantKey(tenantId);
    const row = tenantId === '' ? undefined : await getSurely(persistence, key, storeWaitMsMax);
    if (!row) throw new NotFound('tenant', tenantId);
    const tenant = decodeTenant(row);
    // The count is read before the conditional write, so a deletion that lost the race may read a count that already
    // excludes its cluster.
    const clusters = Math.max(0, tenant.clusters + change);
    return { op: 'put', key, value: encodeTenant({ ...tenant, clusters }), if: { version: row.version } };
  }

  async #read(clusterId: string): Promise<{ row: ClusterRow; version: number }> {
    const { persistence, storeWaitMsMax } = this.#options;
    const row = clusterId === '' ? undefined : await getSurely(persistence, clusterKey(clusterId), storeWaitMsMax);
    if (!row) throw new NotFound('cluster', clusterId);
    return { row: decodeCluster(row), version: row.version };
  }

  async #counts(clusterId: string): Promise<{ row: ClusterCounts; version: number }> {
    const { persistence, storeWaitMsMax } = this.#options;
    const row: Row | undefined = await getSurely(persistence, clusterCountsKey(clusterId), storeWaitMsMax);
    if (!row) {
      // The row vanished between two reads: another process has finished deleting the cluster.
      await this.#read(clusterId);
      assert(false, 'a cluster has a counters row');
    }
    return { row: decodeClusterCounts(row), version: row.version };
  }

  #write(ops: readonly StoreOp[]): Promise<void> {
    return transactSurely(this.#options.persistence, ops, this.#options.storeWaitMsMax);
  }
}

function changedTexts(
  present: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const next = { ...present };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete next[name];
    else next[name] = value;
  }
  return next;
}

function putNew(key: StoreOp['key'], value: string): StoreOp {
  return { op: 'put', key, value, if: { absent: true } };
}

function putOver(found: { readonly version: number }, key: StoreOp['key'], value: string): StoreOp {
  return { op: 'put', key, value, if: { version: found.version } };
}
