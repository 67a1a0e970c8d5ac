/**
 * What a cluster has, counted exactly. Key: COUNTS <clusterId>. Value: topics, partitions, internalTopics, milliMutations,
 * mutationsAtMs, closed.
 * Apart from the cluster's own row, so that creating topics and changing settings do not get in each other's way. Every
 * change rides in the engine's transaction that makes or removes the topic, on condition of this row's version.
 */
import { rowFields } from '../../engine/controller/rows/row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';

export interface ClusterCounts {
  readonly topics: number;
  readonly partitions: number;
  /** Of ours inside the cluster, which are nobody's quota: its deletion has to wait for them as well. */
  readonly internalTopics: number;
  /** Thousandths of partitions made and removed that count against the rate, as of `mutationsAtMs` (wall time). */
  readonly milliMutations: number;
  readonly mutationsAtMs: number;
  /** Set with the cluster's state 'deleting': nothing can be added from then on, whatever a gateway believes. */
  readonly closed: boolean;
}

export const clusterCountsPk = 'COUNTS';

export function clusterCountsKey(clusterId: string): RowKey {
  return { pk: clusterCountsPk, sk: clusterId };
}

export function encodeClusterCounts(counts: ClusterCounts): string {
  const { topics, partitions, internalTopics, milliMutations, mutationsAtMs, closed } = counts;
  return JSON.stringify({ topics, partitions, internalTopics, milliMutations, mutationsAtMs, closed });
}

/** Throws RowCorrupt. */
export function decodeClusterCounts(row: Row): ClusterCounts {
  const fields = rowFields(row);
  return {
    topics: fields.whole('topics'),
    partitions: fields.whole('partitions'),
    // Rows of before did not count them.
    internalTopics: fields.has('internalTopics') ? fields.whole('internalTopics') : 0,
    milliMutations: fields.whole('milliMutations'),
    mutationsAtMs: fields.whole('mutationsAtMs'),
    closed: fields.flag('closed'),
  };
}
