/** DeleteRecords (key 21): v0-v2. Back: engine/broker/api/21-delete-records.ts. Offset -1 means up to the high watermark. */
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../../engine/protocol/messages/21-delete-records.ts';
import { api } from '../api.ts';
import { askOwners, throughEngine } from '../partition-request.ts';

type Partition = DeleteRecordsRequest['topics'][number]['partitions'][number];
type PartitionAnswer = DeleteRecordsResponse['topics'][number]['partitions'][number];

export const deleteRecords = api(
  21,
  { from: 0, to: 2, beside: 'alone' },
  async (call, request) => ({
    throttleTimeMs: 0,
    topics: await askOwners(
      call,
      request.topics,
      (partition) => partition.partitionIndex,
      refusal,
      async (topics) => {
        // Each partition is written by its owner.
        call.charge(topics.reduce((sum, { partitions }) => sum + partitions.length, -1));
        return (await throughEngine(call, 21, { ...request, topics })).topics;
      },
    ),
  }),
  (request, { errorCode: code }) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => refusal(partition, code)),
    })),
  }),
);

function refusal({ partitionIndex }: Partition, code: number): PartitionAnswer {
  return { partitionIndex, errorCode: code, lowWatermark: -1 };
}
