/** The placements of all held shards as the planners read them, in the order of shards, topics and partitions. */
import type { PlanPartition } from '../placement/constraints.ts';
import type { ControllerContext } from './context.ts';

export function planPartitions(context: ControllerContext): PlanPartition[] {
  const coolSinceMs = context.clock.wallMs() - context.settings.balanceCoolDownMs;
  const partitions: PlanPartition[] = [];
  for (const shard of context.shards.held()) {
    for (const [topicId, { row }] of shard.placements) {
      for (const [partition, { brokerId, reason, movedAtMs }] of row.partitions.entries()) {
        const load = context.loads.of(topicId, partition);
        const cooling = reason === 'balance' && movedAtMs > coolSinceMs;
        partitions.push({ topicId, partition, brokerId, load, cooling });
      }
    }
  }
  return partitions;
}

/** How many partitions each broker owns. */
export function partitionCounts(context: ControllerContext): Map<number, number> {
  const counts = new Map<number, number>();
  for (const shard of context.shards.held()) {
    for (const { row } of shard.placements.values()) {
      for (const { brokerId } of row.partitions) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
    }
  }
  return counts;
}
