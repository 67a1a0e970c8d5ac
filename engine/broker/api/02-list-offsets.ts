/**
 * ListOffsets (key 2) at the owner: -1 latest, -2 earliest, -3 the record with the largest timestamp, -4 earliest local
 * (the same as earliest: nothing is tiered), -5 and -6 (tiered storage) have no answer, any other number is a time.
 * Refused: while the process may have slept over its succession (wakefulness.ts).
 */
import type { Catalogue } from '../../engine.ts';
import { Overloaded } from '../../kernel/failure.ts';
import type { PartitionLog, TimedOffset } from '../../log/log.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import { epochFault } from '../epoch-fault.ts';
import { ownedByName } from '../inner-topic.ts';
import type { Ownership } from '../ownership.ts';

const nowhere = { timestamp: -1, offset: -1, leaderEpoch: -1 };

export async function listOffsets(
  catalogue: Catalogue,
  ownership: Ownership,
  isAwake: () => boolean,
  request: ListOffsetsRequest,
): Promise<ListOffsetsResponse> {
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(
      partitions.map(async ({ partitionIndex, currentLeaderEpoch, timestamp }) => {
        const owned = await ownedByName(catalogue, ownership, name, partitionIndex, currentLeaderEpoch);
        if ('errorCode' in owned) return { partitionIndex, errorCode: owned.errorCode, ...nowhere };
        if (!isAwake()) return { partitionIndex, errorCode: errorCode.notLeaderOrFollower, ...nowhere };
        const { log } = owned;
        const fault = epochFault(log, currentLeaderEpoch);
        if (fault !== errorCode.none) return { partitionIndex, errorCode: fault, ...nowhere };
        try {
          return { partitionIndex, errorCode: errorCode.none, ...(await find(log, timestamp)) };
        } catch (error) {
          if (!(error instanceof Overloaded)) throw error;
          return { partitionIndex, errorCode: errorCode.requestTimedOut, ...nowhere };
        }
      }),
    ),
  }));
  return { throttleTimeMs: 0, topics: await Promise.all(topics) };
}

/** A log without records begins, for Kafka, with the epoch that its next record will have. */
function epochOfStart(log: PartitionLog): number {
  const isEmpty = log.startOffset === log.highWatermark;
  return isEmpty ? log.leaderEpoch : log.epochAt(log.startOffset);
}

async function find(log: PartitionLog, timestamp: number): Promise<TimedOffset> {
  switch (timestamp) {
    case -1:
      return { timestamp: -1, offset: log.highWatermark, leaderEpoch: log.leaderEpoch };
    case -2:
    case -4:
      return { timestamp: -1, offset: log.startOffset, leaderEpoch: epochOfStart(log) };
    case -3:
      return log.offsetOfMaxTimestamp();
    default:
      return timestamp < 0 ? nowhere : log.offsetForTimestamp(timestamp);
  }
}
