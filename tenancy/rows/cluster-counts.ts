/**
 * What a cluster has, counted exactly. Key: COUNTS <clusterId>. Value: topics, partitions, internalTopics, milliMutations,
 * mutationsAtMs, closed.
 * Separate from the cluster's own row, so that creating topics and changing settings do not conflict. Every change is part
 * of the engine's transaction that creates or deletes the topic, on condition of this row's version.
 */
import { rowText } from '../../engine/store-row-checksum.ts';
import { rowFields } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';

export interface ClusterCounts {
  readonly topics: number;
  readonly partitions: number;
  /** Our own topics inside the cluster. They count against no quota, but the cluster's deletion must wait for them too. */
  readonly internalTopics: number;
  /** Thousandths of partitions created and deleted that count against the rate, as of `mutationsAtMs` (wall time). */
  readonly milliMutations: number;
  readonly mutationsAtMs: number;
  /** Set together with the cluster's state 'deleting': from then on nothing can be added, whatever a gateway believes. */
  readonly closed: boolean;
}

export const clusterCountsPk = 'COUNTS';

export function clusterCountsKey(clusterId: string): RowKey {
  return { pk: clusterCountsPk, sk: clusterId };
}

export function encodeClusterCounts(counts: ClusterCounts): string {
  const { topics, partitions, internalTopics, milliMutations, mutationsAtMs, closed } = counts;
  return rowText({ topics, partitions, internalTopics, milliMutations, mutationsAtMs, closed });
}

/** Throws RowCorrupt. */
export function decodeClusterCounts(row: Row): ClusterCounts {
  const fields = rowFields(row);
  return {
    topics: fields.whole('topics'),
    partitions: fields.whole('partitions'),
    // Older rows did not count them.
    internalTopics: fields.has('internalTopics') ? fields.whole('internalTopics') : 0,
    milliMutations: fields.whole('milliMutations'),
    mutationsAtMs: fields.whole('mutationsAtMs'),
    closed: fields.flag('closed'),
  };
}
