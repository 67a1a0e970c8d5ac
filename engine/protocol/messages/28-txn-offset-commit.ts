/** TxnOffsetCommit (key 28), v0-5: offsets to store when a transaction commits. v5 adds the group to the transaction by itself. */
import { int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const txnOffsetCommitRequest = message('TxnOffsetCommitRequest', 28, '0-5', '3+', {
  transactionalId: string('txn'),
  groupId: string('group'),
  producerId: int64({ entity: 'producerId' }),
  producerEpoch: int16(),
  generationId: int32({ since: 3, default: -1 }),
  memberId: string('plain', { since: 3 }),
  groupInstanceId: string('plain', { since: 3, nullable: true, default: null }),
  topics: structs({
    name: string('topic'),
    partitions: structs({
      partitionIndex: int32(),
      committedOffset: int64(),
      committedLeaderEpoch: int32({ since: 2, default: -1, ignorable: true }),
      committedMetadata: string('plain', { nullable: true }),
    }),
  }),
});
export type TxnOffsetCommitRequest = Infer<typeof txnOffsetCommitRequest>;

export const txnOffsetCommitResponse = message('TxnOffsetCommitResponse', 28, '0-5', '3+', {
  throttleTimeMs: int32(),
  topics: structs({
    name: string('topic'),
    partitions: structs({ partitionIndex: int32(), errorCode: int16() }),
  }),
});
export type TxnOffsetCommitResponse = Infer<typeof txnOffsetCommitResponse>;
