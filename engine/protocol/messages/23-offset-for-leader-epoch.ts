/** OffsetForLeaderEpoch (key 23), v2-4: where an epoch ended, so that a client can detect truncation. */
import { int16, int32, int64, message, string, structs, type Infer } from '../schema.ts';

export const offsetForLeaderEpochRequest = message('OffsetForLeaderEpochRequest', 23, '2-4', '4+', {
  replicaId: int32({ since: 3, default: -2, ignorable: true, entity: 'node' }),
  topics: structs({
    topic: string('topic'),
    partitions: structs({ partition: int32(), currentLeaderEpoch: int32({ default: -1 }), leaderEpoch: int32() }),
  }),
});
export type OffsetForLeaderEpochRequest = Infer<typeof offsetForLeaderEpochRequest>;

export const offsetForLeaderEpochResponse = message('OffsetForLeaderEpochResponse', 23, '2-4', '4+', {
  throttleTimeMs: int32(),
  topics: structs({
    topic: string('topic'),
    partitions: structs({
      errorCode: int16(),
      partition: int32(),
      leaderEpoch: int32({ default: -1 }),
      endOffset: int64({ default: -1 }),
    }),
  }),
});
export type OffsetForLeaderEpochResponse = Infer<typeof offsetForLeaderEpochResponse>;
