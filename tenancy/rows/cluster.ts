/**
 * A cluster, one row each. Key: CLUSTER <clusterId>. Value: tenantId, name, state, settings, profile, limits, createdAtMs, brokerConfigs?.
 * `limits` holds only what differs from the profile, as texts, because JSON has no Infinity.
 *
 *   (created) -> serving <-> suspended
 *                serving | suspended -> deleting -> (removed)
 */
import { rowText } from '../../engine/store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';
import { isLimitName } from '../quota/limits.ts';
import type { ClusterLimits } from '../tenancy.ts';

/** Creation is one transaction, so no row is ever 'creating'. */
export type ClusterState = 'serving' | 'suspended' | 'deleting';

export interface ClusterRow {
  readonly tenantId: string;
  readonly name: string;
  readonly state: ClusterState;
  readonly autoCreateTopics: boolean;
  readonly defaultPartitions: number;
  readonly profile: string;
  readonly limits: Readonly<Partial<ClusterLimits>>;
  readonly createdAtMs: number;
  /** Broker configs that the tenant has set on the brokers it sees; a door chooses the names. */
  readonly brokerConfigs?: Readonly<Record<string, string>>;
}

export const clustersPk = 'CLUSTER';

export function clusterKey(clusterId: string): RowKey {
  return { pk: clustersPk, sk: clusterId };
}

export function encodeCluster(cluster: ClusterRow): string {
  const { tenantId, name, state, autoCreateTopics, defaultPartitions, profile, createdAtMs, brokerConfigs } = cluster;
  const limits: Record<string, string> = {};
  for (const [limit, value] of Object.entries(cluster.limits)) limits[limit] = String(value);
  const rest = { profile, limits, createdAtMs, brokerConfigs };
  return rowText({ tenantId, name, state, autoCreateTopics, defaultPartitions, ...rest });
}

/** Throws RowCorrupt. */
export function decodeCluster(row: Row): ClusterRow {
  const fields = rowFields(row);
  const state = fields.text('state');
  if (!isState(state)) throw new RowCorrupt(row, `unknown state ${state}`);
  const limits: Partial<Record<keyof ClusterLimits, number>> = {};
  for (const [name, text] of Object.entries(fields.textMap('limits'))) {
    const value = Number(text);
    if (!isLimitName(name) || !(value >= 0)) throw new RowCorrupt(row, `limit ${name} is ${text}`);
    limits[name] = value;
  }
  return {
    tenantId: fields.text('tenantId'),
    name: fields.text('name'),
    state,
    autoCreateTopics: fields.flag('autoCreateTopics'),
    defaultPartitions: fields.whole('defaultPartitions'),
    profile: fields.text('profile'),
    limits,
    createdAtMs: fields.whole('createdAtMs'),
    ...(fields.has('brokerConfigs') ? { brokerConfigs: fields.textMap('brokerConfigs') } : {}),
  };
}

function isState(text: string): text is ClusterState {
  return text === 'serving' || text === 'suspended' || text === 'deleting';
}
