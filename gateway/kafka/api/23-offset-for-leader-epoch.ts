/** OffsetForLeaderEpoch (key 23): v2-v4. Back: engine/broker/api/23-offset-for-leader-epoch.ts. */
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../../engine/protocol/messages/23-offset-for-leader-epoch.ts';
import { api } from '../api.ts';
import { askOwners, throughEngine } from '../partition-request.ts';

type Partition = OffsetForLeaderEpochRequest['topics'][number]['partitions'][number];
type PartitionAnswer = OffsetForLeaderEpochResponse['topics'][number]['partitions'][number];

export const offsetForLeaderEpoch = api(
  23,
  { from: 2, to: 4 },
  async (call, request) => {
    const topics = await askOwners(
      call,
      request.topics.map(({ topic, partitions }) => ({ name: topic, partitions })),
      ({ partition }) => partition,
      refusal,
      async (asked) => {
        const named = asked.map(({ name, partitions }) => ({ topic: name, partitions }));
        return (await throughEngine(call, 23, { ...request, topics: named })).topics;
      },
    );
    return { throttleTimeMs: 0, topics: topics.map(({ name, partitions }) => ({ topic: name, partitions })) };
  },
  (request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => refusal(partition, code)),
    })),
  }),
);

function refusal({ partition }: Partition, code: number): PartitionAnswer {
  return { errorCode: code, partition, leaderEpoch: -1, endOffset: -1 };
}
