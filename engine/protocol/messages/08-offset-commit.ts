/** OffsetCommit (key 8), v2-10: stores a group's offsets. Members of the consumer protocol (KIP-848) use v9; v10 has topic ids. */
import { exactInt64, int16, int32, int64, message, string, structs, uuid, type Infer } from '../schema.ts';

export const offsetCommitRequest = message('OffsetCommitRequest', 8, '2-10', '8+', {
  groupId: string('group'),
  generationIdOrMemberEpoch: int32({ default: -1 }),
  memberId: string('plain'),
  groupInstanceId: string('plain', { since: 7, nullable: true, default: null }),
  retentionTimeMs: int64({ until: 4, default: -1, ignorable: true, saturates: true }),
  topics: structs({
    name: string('topic', { until: 9, ignorable: true }),
    topicId: uuid('topicId', { since: 10, ignorable: true }),
    partitions: structs({
      partitionIndex: int32(),
      committedOffset: exactInt64(),
      committedLeaderEpoch: int32({ since: 6, default: -1, ignorable: true }),
      committedMetadata: string('plain', { nullable: true }),
    }),
  }),
});
export type OffsetCommitRequest = Infer<typeof offsetCommitRequest>;

export const offsetCommitResponse = message('OffsetCommitResponse', 8, '2-10', '8+', {
  throttleTimeMs: int32({ since: 3, ignorable: true }),
  topics: structs({
    name: string('topic', { until: 9, ignorable: true }),
    topicId: uuid('topicId', { since: 10, ignorable: true }),
    partitions: structs({ partitionIndex: int32(), errorCode: int16() }),
  }),
});
export type OffsetCommitResponse = Infer<typeof offsetCommitResponse>;
