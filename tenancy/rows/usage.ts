/**
 * What a cluster has used since its creation, over all gateways. Key: USAGE <clusterId>. Value: bytes and records in and
 * out, throttledMs by limit. Absolute values, written on condition of the version, so that a repeated write cannot count twice.
 */
import { rowText } from '../../engine/store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';
import { isLimitName } from '../quota/limits.ts';
import type { ClusterLimits } from '../tenancy.ts';

export interface UsageRow {
  readonly producedBytes: number;
  readonly producedRecords: number;
  readonly fetchedBytes: number;
  readonly fetchedRecords: number;
  readonly throttledMs: Readonly<Partial<Record<keyof ClusterLimits, number>>>;
}

export const usagePk = 'USAGE';

export function usageKey(clusterId: string): RowKey {
  return { pk: usagePk, sk: clusterId };
}

export function encodeUsage(usage: UsageRow): string {
  const { producedBytes, producedRecords, fetchedBytes, fetchedRecords } = usage;
  const throttledMs: Record<string, string> = {};
  for (const [quota, ms] of Object.entries(usage.throttledMs)) throttledMs[quota] = String(ms);
  return rowText({ producedBytes, producedRecords, fetchedBytes, fetchedRecords, throttledMs });
}

/** Throws RowCorrupt. */
export function decodeUsage(row: Row): UsageRow {
  const fields = rowFields(row);
  const throttledMs: Partial<Record<keyof ClusterLimits, number>> = {};
  for (const [name, text] of Object.entries(fields.textMap('throttledMs'))) {
    const ms = Number(text);
    if (!isLimitName(name) || !(ms >= 0)) throw new RowCorrupt(row, `throttledMs of ${name} is ${text}`);
    throttledMs[name] = ms;
  }
  return {
    producedBytes: fields.whole('producedBytes'),
    producedRecords: fields.whole('producedRecords'),
    fetchedBytes: fields.whole('fetchedBytes'),
    fetchedRecords: fields.whole('fetchedRecords'),
    throttledMs,
  };
}
