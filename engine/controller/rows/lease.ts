/**
 * A lease, one row per holder. Key: LEASE broker-<id> | controller-<id>. Value: epoch, durationMs, renewals,
 * syncedLsn?. It holds no time: observers measure on their own clocks how long the row has stayed unchanged
 * (../lease.ts).
 */
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { rowFields } from '../../store-row-json.ts';

export interface LeaseRow {
  /** The holder's session epoch. */
  readonly epoch: number;
  readonly durationMs: number;
  /** Counts renewals in this epoch, so each one changes the row. */
  readonly renewals: number;
  /**
   * The write-ahead log of a broker's session is synced to disk at least this far. If a recovery finds less, the disk
   * has changed. Absent: unknown, as for a controller, or for a log of which nothing is needed any longer.
   */
  readonly syncedLsn?: number;
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
  const { epoch, durationMs, renewals, syncedLsn } = lease;
  return rowText({ epoch, durationMs, renewals, syncedLsn });
}

/** Throws RowCorrupt. */
export function decodeLease(row: Row): LeaseRow {
  const fields = rowFields(row);
  return {
    epoch: fields.whole('epoch'),
    durationMs: fields.whole('durationMs'),
    renewals: fields.whole('renewals'),
    ...(fields.has('syncedLsn') ? { syncedLsn: fields.whole('syncedLsn') } : {}),
  };
}
