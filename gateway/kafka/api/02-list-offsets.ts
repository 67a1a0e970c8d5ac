/**
 * ListOffsets (key 2): v1-v11. Back: engine/broker/api/02-list-offsets.ts. Times that are kept for brokers with tiered
 * storage (-5, -6) have no answer there.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { ListOffsetsRequest, ListOffsetsResponse } from '../../../engine/protocol/messages/02-list-offsets.ts';
import { api } from '../api.ts';
import { askOwners, throughEngine } from '../partition-request.ts';

type Partition = ListOffsetsRequest['topics'][number]['partitions'][number];
type PartitionAnswer = ListOffsetsResponse['topics'][number]['partitions'][number];

const firstEpochVersion = 4;

export const listOffsets = api(
  2,
  { from: 1, to: 11 },
  async (call, request) => {
    const topics = await askOwners(
      call,
      request.topics,
      (partition) => partition.partitionIndex,
      refusal,
      async (asked) => (await throughEngine(call, 2, { ...request, topics: asked })).topics,
    );
    if (call.version < firstEpochVersion) {
      for (const { partitions } of topics) for (const partition of partitions) partition.leaderEpoch = -1;
    }
    return { throttleTimeMs: 0, topics };
  },
  (request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => refusal(partition, code)),
    })),
  }),
);

function refusal({ partitionIndex }: Partition, code: number = errorCode.none): PartitionAnswer {
  return { partitionIndex, errorCode: code, timestamp: -1, offset: -1, leaderEpoch: -1 };
}
