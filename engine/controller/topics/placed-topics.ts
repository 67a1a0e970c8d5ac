/**
 * The topics that exist at this moment, read from the rows. Used to recover a dead broker's log, which must neither
 * bring back records of a deleted topic nor drop records of a new one. The catalogue will not do: it follows the rows
 * and may lag behind. A topic created after this read has nothing in the log of a session that was fenced before it.
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
