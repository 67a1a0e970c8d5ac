/**
 * The topics that exist at this moment, from the rows. For the recovery of a dead broker's log, which must not bring back
 * what belonged to a deleted topic and must not drop what belongs to a new one: the catalogue, which follows the rows, may
 * not know it yet. A topic created after this look has nothing in the log of a session that was fenced before it.
 */
import type { Uuid } from '../../kernel/uuid.ts';
import { type Persistence, rangeSurely } from '../../store-surely.ts';
import { decodePlacement, placementSkPrefix } from '../rows/placement.ts';
import { shardCount, shardPk } from '../rows/shard.ts';

export async function placedTopics(persistence: Persistence): Promise<Set<Uuid>> {
  const topicIds = new Set<Uuid>();
  for (let shard = 0; shard < shardCount; shard++) {
    for (const row of await rangeSurely(persistence, shardPk(shard))) {
      if (row.sk.startsWith(placementSkPrefix)) topicIds.add(decodePlacement(row).topicId);
    }
  }
  return topicIds;
}
