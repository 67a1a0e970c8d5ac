/**
 * A name in use. Keys: TENANT-NAME <name> for tenants, CLUSTER-NAME#<tenantId> <name> for the clusters of one tenant,
 * TOPIC-NAME#<clusterId> <form> for the topics of one cluster whose names could collide (naming.ts). Value: id of the
 * holder, for a topic its name. Written only if absent, in the transaction that creates the holder. That keeps names
 * unique under races.
 */
import { rowText } from '../../engine/store-row-checksum.ts';
import { rowFields } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';

export interface NameClaim {
  readonly id: string;
}

export function tenantNameKey(name: string): RowKey {
  return { pk: 'TENANT-NAME', sk: name };
}

export function clusterNameKey(tenantId: string, name: string): RowKey {
  return { pk: `CLUSTER-NAME#${tenantId}`, sk: name };
}

/** `form`: see collidingForm. */
export function topicNameKey(clusterId: string, form: string): RowKey {
  return { pk: `TOPIC-NAME#${clusterId}`, sk: form };
}

export function encodeNameClaim(claim: NameClaim): string {
  return rowText({ id: claim.id });
}

/** Throws RowCorrupt. */
export function decodeNameClaim(row: Row): NameClaim {
  return { id: rowFields(row).text('id') };
}
