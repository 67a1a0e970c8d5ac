/**
 * A name in use. Keys: TENANT-NAME <name> for tenants, CLUSTER-NAME#<tenantId> <name> for the clusters of one tenant.
 * Value: id of the holder. Written only if absent, in the transaction that creates the holder. That keeps names unique
 * under races.
 */
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

export function encodeNameClaim(claim: NameClaim): string {
  return JSON.stringify({ id: claim.id });
}

/** Throws RowCorrupt. */
export function decodeNameClaim(row: Row): NameClaim {
  return { id: rowFields(row).text('id') };
}
