/**
 * OffsetFetch (key 9), v1-10: a group's stored offsets. v7 can wait for open transactions, v8 asks for many groups,
 * v9 carries the member epoch, v10 has topic ids.
 */
import { array, bool, exactInt64, int16, int32, message, string, structs, uuid, type Infer } from '../schema.ts';

export const offsetFetchRequest = message('OffsetFetchRequest', 9, '1-10', '6+', {
  groupId: string('group', { until: 7 }),
  topics: structs({ name: string('topic'), partitionIndexes: array(int32()) }, { until: 7, nullable: 2 }),
  groups: structs(
    {
      groupId: string('group'),
      memberId: string('plain', { since: 9, nullable: true, default: null, ignorable: true }),
      memberEpoch: int32({ since: 9, default: -1, ignorable: true }),
      topics: structs(
        {
          name: string('topic', { until: 9, ignorable: true }),
          topicId: uuid('topicId', { since: 10, ignorable: true }),
          partitionIndexes: array(int32()),
        },
        { nullable: true },
      ),
    },
    { since: 8 },
  ),
  requireStable: bool({ since: 7 }),
});
export type OffsetFetchRequest = Infer<typeof offsetFetchRequest>;

export const offsetFetchResponse = message('OffsetFetchResponse', 9, '1-10', '6+', {
  throttleTimeMs: int32({ since: 3, ignorable: true }),
  topics: structs(
    {
      name: string('topic'),
      partitions: structs({
        partitionIndex: int32(),
        committedOffset: exactInt64(),
        committedLeaderEpoch: int32({ since: 5, default: -1, ignorable: true }),
        metadata: string('plain', { nullable: true }),
        errorCode: int16(),
      }),
    },
    { until: 7 },
  ),
  errorCode: int16({ since: 2, until: 7, ignorable: true }),
  groups: structs(
    {
      groupId: string('group'),
      topics: structs({
        name: string('topic', { until: 9, ignorable: true }),
        topicId: uuid('topicId', { since: 10, ignorable: true }),
        partitions: structs({
          partitionIndex: int32(),
          committedOffset: exactInt64(),
          committedLeaderEpoch: int32({ default: -1 }),
          metadata: string('plain', { nullable: true }),
          errorCode: int16(),
        }),
      }),
      errorCode: int16(),
    },
    { since: 8 },
  ),
});
export type OffsetFetchResponse = Infer<typeof offsetFetchResponse>;
