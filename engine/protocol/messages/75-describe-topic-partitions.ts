/** DescribeTopicPartitions (key 75), v0: like Metadata for topics, in pages (KIP-966). */
import { array, bool, int16, int32, message, string, struct, structs, uuid, type Infer } from '../schema.ts';

export const describeTopicPartitionsRequest = message('DescribeTopicPartitionsRequest', 75, '0', '0+', {
  topics: structs({ name: string('topic') }),
  responsePartitionLimit: int32({ default: 2000 }),
  cursor: struct({ topicName: string('topic'), partitionIndex: int32() }, { nullable: true, default: null }),
});
export type DescribeTopicPartitionsRequest = Infer<typeof describeTopicPartitionsRequest>;

export const describeTopicPartitionsResponse = message('DescribeTopicPartitionsResponse', 75, '0', '0+', {
  throttleTimeMs: int32(),
  topics: structs({
    errorCode: int16(),
    name: string('topic', { nullable: true }),
    topicId: uuid('topicId'),
    isInternal: bool(),
    partitions: structs({
      errorCode: int16(),
      partitionIndex: int32(),
      leaderId: int32({ entity: 'node' }),
      leaderEpoch: int32({ default: -1 }),
      replicaNodes: array(int32({ entity: 'node' })),
      isrNodes: array(int32({ entity: 'node' })),
      eligibleLeaderReplicas: array(int32({ entity: 'node' }), { nullable: true, default: null }),
      lastKnownElr: array(int32({ entity: 'node' }), { nullable: true, default: null }),
      offlineReplicas: array(int32({ entity: 'node' })),
    }),
    topicAuthorizedOperations: int32({ default: -2147483648 }),
  }),
  nextCursor: struct({ topicName: string('topic'), partitionIndex: int32() }, { nullable: true, default: null }),
});
export type DescribeTopicPartitionsResponse = Infer<typeof describeTopicPartitionsResponse>;
