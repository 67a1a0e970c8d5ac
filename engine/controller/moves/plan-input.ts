/**
 * Placements as the planners read them, ordered by shard, topic and partition. Repairs read the shards that this
 * controller holds; the balancer reads all.
 */
import type { PlanPartition } from '../../placement/constraints.ts';
import type { ControllerContext } from '../context.ts';
import type { PlacementRow } from '../rows/placement.ts';

export function planPartitions(context: ControllerContext, scope: 'held' | 'all'): PlanPartition[] {
  const coolSinceMs = context.clock.wallMs() - context.settings.balanceCoolDownMs;
  const partitions: PlanPartition[] = [];
  for (const row of context.shards.placements(scope)) {
    const { topicId } = row;
    for (const [partition, { brokerId, reason, movedAtMs }] of row.partitions.entries()) {
      const load = context.loads.of(topicId, partition);
      const cooling = reason === 'balance' && movedAtMs > coolSinceMs;
      partitions.push({ topicId, partition, brokerId, load, cooling });
    }
  }
  return partitions;
}

/**
 * How many partitions each broker owns, as far as known. Called often, also while clients wait, so each row is counted
 * only once. A plan based on the counts is checked against the rows when it is written. Code that stops a broker, or
 * reports that one is empty, calls ShardTable.countAt instead.
 */
export function partitionCounts(
  context: Pick<ControllerContext, 'shards'>,
  scope: 'held' | 'all' = 'all',
): Map<number, number> {
  const counts = new Map<number, number>();
  for (const row of context.shards.placements(scope)) {
    for (const [brokerId, count] of countsOf(row)) counts.set(brokerId, (counts.get(brokerId) ?? 0) + count);
  }
  return counts;
}

/** Rows are immutable: a changed placement is a new row object. */
const countsByRow = new WeakMap<PlacementRow, ReadonlyMap<number, number>>();

function countsOf(row: PlacementRow): ReadonlyMap<number, number> {
  const known = countsByRow.get(row);
  if (known) return known;
  const counts = new Map<number, number>();
  for (const { brokerId } of row.partitions) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
  countsByRow.set(row, counts);
  return counts;
}
