/**
 * A lease, one row per holder. Key: LEASE broker-<id> | controller-<id>. Value: epoch, durationMs, renewals.
 * It holds no time: observers measure on their own clocks how long the row has stayed unchanged (../lease.ts).
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowFields } from './row-json.ts';

export interface LeaseRow {
  /** The holder's session epoch. */
  readonly epoch: number;
  readonly durationMs: number;
  /** Counts renewals in this epoch, so that each one changes the row. */
  readonly renewals: number;
}

export const leasesPk = 'LEASE';

export function brokerLeaseKey(brokerId: number): RowKey {
  return { pk: leasesPk, sk: `broker-${brokerId}` };
}

export const controllerLeasePrefix = 'controller-';

export function controllerLeaseKey(controllerId: string): RowKey {
  return { pk: leasesPk, sk: `${controllerLeasePrefix}${controllerId}` };
}

export function encodeLease(lease: LeaseRow): string {
  const { epoch, durationMs, renewals } = lease;
  return JSON.stringify({ epoch, durationMs, renewals });
}

/** Throws RowCorrupt. */
export function decodeLease(row: Row): LeaseRow {
  const fields = rowFields(row);
  return { epoch: fields.whole('epoch'), durationMs: fields.whole('durationMs'), renewals: fields.whole('renewals') };
}
