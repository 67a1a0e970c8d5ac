/** From the state of tenancy and engine to what the API shows. Pure. */
import type { BrokerEntry, PartitionEntry, TopicEntry } from '../../engine/engine.ts';
import { uuidText } from '../../engine/kernel/uuid.ts';
import { NotFound } from '../../tenancy/failures.ts';
import type { ClusterLimits, ClusterView, Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { limitNames } from './schemas.ts';

/** JSON has no Infinity: null stands for it. */
type LimitsShown = Record<keyof ClusterLimits, number | null>;

export function clusterShown(cluster: ClusterView) {
  const { clusterId, tenantId, name, state, autoCreateTopics, defaultPartitions, createdAtMs, usage } = cluster;
  const limits = limitsShown(cluster.limits);
  return {
    clusterId,
    tenantId,
    name,
    state,
    autoCreateTopics,
    defaultPartitions,
    createdAtMs,
    limits,
    usage: {
      topics: { used: usage.topics },
      partitions: { used: usage.partitions, limit: limits.partitionsMax },
      connections: { used: usage.connections, limit: limits.connectionsMax },
    },
  };
}

function limitsShown(limits: ClusterLimits): LimitsShown {
  const shown: Partial<LimitsShown> = {};
  for (const name of limitNames) shown[name] = limits[name] === Infinity ? null : limits[name];
  return shown as LimitsShown;
}

export function limitsRead(
  given: Readonly<Partial<Record<keyof ClusterLimits, number | null | undefined>>>,
): Partial<ClusterLimits> {
  const limits: Partial<Record<keyof ClusterLimits, number>> = {};
  for (const name of limitNames) {
    const value = given[name];
    if (value !== undefined) limits[name] = value ?? Infinity;
  }
  return limits;
}

/** Without the undefined fields: to `exactOptionalPropertyTypes`, absent and undefined differ. */
export function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

export function topicShown(name: string, topic: TopicEntry) {
  const { topicId, partitions, configs, createdAtMs } = topic;
  return { name, topicId: uuidText(topicId), partitions: partitions.length, configs: { ...configs }, createdAtMs };
}

export function placementShown(partition: PartitionEntry, zones: ReadonlyMap<number, string>) {
  const { index, brokerId, leaderEpoch, reason, movedAtMs } = partition;
  const broker = brokerId < 0 ? null : brokerId;
  return { partition: index, broker, zone: zones.get(brokerId) ?? null, epoch: leaderEpoch, reason, movedAtMs };
}

export function zonesOf(brokers: readonly BrokerEntry[]): Map<number, string> {
  return new Map(brokers.map(({ brokerId, zone }) => [brokerId, zone]));
}

/** Throws NotFound. */
export function clusterOf({ tenancy }: GatewayContext, clusterId: string): ClusterView {
  const cluster = tenancy.cluster(clusterId);
  if (!cluster) throw new NotFound('cluster', clusterId);
  return cluster;
}

/** Acts as the operator in a tenant's place. Throws NotFound. */
export function operatorOf(context: GatewayContext, clusterId: string): Principal {
  return { tenantId: clusterOf(context, clusterId).tenantId, clusterId, keyId: 'admin' };
}
