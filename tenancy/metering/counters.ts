/** What a cluster has written, read and waited for, as numbers that are added up. */
import type { ClusterLimits, Usage } from '../tenancy.ts';

export type Counted = Omit<Usage, 'clusterId'>;

export interface Counters extends Counted {
  producedBytes: number;
  producedRecords: number;
  fetchedBytes: number;
  fetchedRecords: number;
  throttledMs: Partial<Record<keyof ClusterLimits, number>>;
}

export function noCounters(): Counters {
  return { producedBytes: 0, producedRecords: 0, fetchedBytes: 0, fetchedRecords: 0, throttledMs: {} };
}

export function addCounted(to: Counters, more: Counted): void {
  to.producedBytes += more.producedBytes;
  to.producedRecords += more.producedRecords;
  to.fetchedBytes += more.fetchedBytes;
  to.fetchedRecords += more.fetchedRecords;
  for (const [quota, ms] of Object.entries(more.throttledMs) as [keyof ClusterLimits, number][]) {
    to.throttledMs[quota] = (to.throttledMs[quota] ?? 0) + ms;
  }
}
