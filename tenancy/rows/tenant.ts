/**
 * A tenant, one row each. Key: TENANT <tenantId>. Value: name, clusters, createdAtMs.
 * `clusters` counts its clusters in every state. Creating or removing a cluster writes this row, so that a tenant cannot be
 * deleted while one of its clusters is being created.
 */
import { rowText } from '../../engine/store-row-checksum.ts';
import { rowFields } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';

export interface TenantRow {
  readonly name: string;
  readonly clusters: number;
  readonly createdAtMs: number;
}

export const tenantsPk = 'TENANT';

export function tenantKey(tenantId: string): RowKey {
  return { pk: tenantsPk, sk: tenantId };
}

export function encodeTenant(tenant: TenantRow): string {
  const { name, clusters, createdAtMs } = tenant;
  return rowText({ name, clusters, createdAtMs });
}

/** Throws RowCorrupt. */
export function decodeTenant(row: Row): TenantRow {
  const fields = rowFields(row);
  return { name: fields.text('name'), clusters: fields.whole('clusters'), createdAtMs: fields.whole('createdAtMs') };
}
