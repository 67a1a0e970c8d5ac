/** OffsetForLeaderEpoch (key 23) at the owner: where an epoch ended, for clients that look for truncation (KIP-320). */
import type { Catalogue } from '../../engine.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../protocol/messages/23-offset-for-leader-epoch.ts';
import { epochFault } from '../epoch-fault.ts';
import { ownedByName } from '../inner-topic.ts';
import type { Ownership } from '../ownership.ts';

const nowhere = { leaderEpoch: -1, endOffset: -1 };

export async function offsetForLeaderEpoch(
  catalogue: Catalogue,
  ownership: Ownership,
  isAwake: () => boolean,
  request: OffsetForLeaderEpochRequest,
  topicIds?: readonly (Uuid | undefined)[],
): Promise<OffsetForLeaderEpochResponse> {
  const topics = request.topics.map(async ({ topic, partitions }, t) => ({
    topic,
    partitions: await Promise.all(
      partitions.map(async ({ partition, currentLeaderEpoch, leaderEpoch }) => {
        const named = { name: topic, topicId: topicIds?.[t] };
        const owned = await ownedByName(catalogue, ownership, named, partition, currentLeaderEpoch);
        if ('errorCode' in owned) return { partition, errorCode: owned.errorCode, ...nowhere };
        if (!isAwake()) return { partition, errorCode: errorCode.notLeaderOrFollower, ...nowhere };
        const { log } = owned;
        const fault = epochFault(log, currentLeaderEpoch);
        if (fault !== errorCode.none) return { partition, errorCode: fault, ...nowhere };
        return { partition, errorCode: errorCode.none, ...log.endOfEpoch(leaderEpoch) };
      }),
    ),
  }));
  return { throttleTimeMs: 0, topics: await Promise.all(topics) };
}
