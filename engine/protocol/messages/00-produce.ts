/**
 * Produce (key 0), v3-13: record batches in, their base offsets out. v9 is flexible, v10 names the new leader, v12 adds
 * partitions to a transaction by itself, v13 has topic ids.
 */
import { int16, int32, int64, message, records, string, struct, structs, uuid, type Infer } from '../schema.ts';

export const produceRequest = message('ProduceRequest', 0, '3-13', '9+', {
  transactionalId: string('txn', { nullable: true, default: null }),
  acks: int16(),
  timeoutMs: int32(),
  topicData: structs({
    name: string('topic', { until: 12, ignorable: true }),
    topicId: uuid('topicId', { since: 13, ignorable: true }),
    partitionData: structs({ index: int32(), records: records() }),
  }),
});
export type ProduceRequest = Infer<typeof produceRequest>;

export const produceResponse = message('ProduceResponse', 0, '3-13', '9+', {
  responses: structs({
    name: string('topic', { until: 12, ignorable: true }),
    topicId: uuid('topicId', { since: 13, ignorable: true }),
    partitionResponses: structs({
      index: int32(),
      errorCode: int16(),
      baseOffset: int64(),
      logAppendTimeMs: int64({ default: -1 }),
      logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
      recordErrors: structs(
        {
          batchIndex: int32(),
          batchIndexErrorMessage: string('errorText', { nullable: true, default: null }),
        },
        { since: 8, ignorable: true },
      ),
      errorMessage: string('errorText', { since: 8, nullable: true, default: null, ignorable: true }),
      currentLeader: struct(
        {
          leaderId: int32({ default: -1, entity: 'node' }),
          leaderEpoch: int32({ default: -1 }),
        },
        { since: 10, tag: 0 },
      ),
    }),
  }),
  throttleTimeMs: int32(),
  nodeEndpoints: structs(
    {
      nodeId: int32({ entity: 'node' }),
      host: string('address'),
      port: int32(),
      rack: string('rack', { nullable: true, default: null }),
    },
    { since: 10, tag: 0 },
  ),
});
export type ProduceResponse = Infer<typeof produceResponse>;
