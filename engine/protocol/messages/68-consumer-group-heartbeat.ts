/** ConsumerGroupHeartbeat (key 68), v0-1: heartbeat of a member of a KIP-848 consumer group. */
import { array, int16, int32, message, string, struct, structs, uuid, type Infer } from '../schema.ts';

export const consumerGroupHeartbeatRequest = message('ConsumerGroupHeartbeatRequest', 68, '0-1', '0+', {
  groupId: string('group'),
  memberId: string('plain'),
  memberEpoch: int32(),
  instanceId: string('plain', { nullable: true, default: null }),
  rackId: string('rack', { nullable: true, default: null }),
  rebalanceTimeoutMs: int32({ default: -1 }),
  subscribedTopicNames: array(string('topic'), { nullable: true, default: null }),
  subscribedTopicRegex: string('plain', { since: 1, nullable: true, default: null }),
  serverAssignor: string('plain', { nullable: true, default: null }),
  topicPartitions: structs(
    {
      topicId: uuid('topicId'),
      partitions: array(int32()),
    },
    { nullable: true, default: null },
  ),
});
export type ConsumerGroupHeartbeatRequest = Infer<typeof consumerGroupHeartbeatRequest>;

export const consumerGroupHeartbeatResponse = message('ConsumerGroupHeartbeatResponse', 68, '0-1', '0+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true, default: null }),
  memberId: string('plain', { nullable: true, default: null }),
  memberEpoch: int32(),
  heartbeatIntervalMs: int32(),
  assignment: struct(
    {
      topicPartitions: structs({
        topicId: uuid('topicId'),
        partitions: array(int32()),
      }),
    },
    { nullable: true, default: null },
  ),
});
export type ConsumerGroupHeartbeatResponse = Infer<typeof consumerGroupHeartbeatResponse>;
