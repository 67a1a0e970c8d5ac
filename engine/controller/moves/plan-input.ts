/**
 * Placements as the planners read them, in the order of shards, topics and partitions: of the shards that this controller
 * holds, for repairs, or of all, for the balancer.
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
 * How many partitions each broker owns, as far as is known. Asked often, also while clients wait: a row is counted once. A
 * plan made of it is held against the rows when it is written; who ends a broker, or says that one is empty, asks
 * ShardTable.countAt.
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

/** Rows do not change; another placement is another row. */
const countsByRow = new WeakMap<PlacementRow, ReadonlyMap<number, number>>();

function countsOf(row: PlacementRow): ReadonlyMap<number, number> {
  const known = countsByRow.get(row);
  if (known) return known;
  const counts = new Map<number, number>();
  for (const { brokerId } of row.partitions) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
  countsByRow.set(row, counts);
  return counts;
}
