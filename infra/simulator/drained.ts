/** Whether a broker that was reported empty is empty: nothing it had at the time of the request may still be there. */
import { decodePlacement, placementSkPrefix } from '../../engine/controller/rows/placement.ts';
import { shardCount, shardPk } from '../../engine/controller/rows/shard.ts';
import { shardOf } from '../../engine/placement/shard.ts';
import { partitionName } from './partition-name.ts';
import { clusterIds, type World } from './world.ts';

/** Partition and leader epoch of everything that the rows place there. */
export async function placesAt(world: World, brokerId: number): Promise<ReadonlySet<string>> {
  const places = new Set<string>();
  for (const clusterId of clusterIds) {
    const { rows } = await world.store.rows.range(shardPk(shardOf(clusterId, shardCount)));
    for (const row of rows) {
      if (!row.sk.startsWith(placementSkPrefix)) continue;
      const { topicId, partitions } = decodePlacement(row);
      for (const [index, place] of partitions.entries()) {
        if (place.brokerId === brokerId) places.add(`${partitionName(topicId, index)} at epoch ${place.leaderEpoch}`);
      }
    }
  }
  return places;
}

export async function checkDrained(world: World, brokerId: number, before: ReadonlySet<string>): Promise<void> {
  const now = await placesAt(world, brokerId);
  const [left] = [...before].filter((place) => now.has(place));
  if (left === undefined) return;
  world.history.add({ kind: 'undrained', what: `broker ${brokerId} was said to be empty, and has ${left}` });
}
