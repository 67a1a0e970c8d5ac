/**
 * ListOffsets (key 2), v1-11: offset for a timestamp. -1 is latest, -2 earliest, -3 largest timestamp (v7), -4 earliest
 * local (v8), -5 last tiered (v9), -6 earliest not yet tiered (v11).
 */
import { int16, int32, int64, int8, message, string, structs, type Infer } from '../schema.ts';

export const listOffsetsRequest = message('ListOffsetsRequest', 2, '1-11', '6+', {
  replicaId: int32({ entity: 'node' }),
  isolationLevel: int8({ since: 2 }),
  topics: structs({
    name: string('topic'),
    partitions: structs({
      partitionIndex: int32(),
      currentLeaderEpoch: int32({ since: 4, default: -1, ignorable: true }),
      timestamp: int64({ saturates: true }),
    }),
  }),
  timeoutMs: int32({ since: 10, ignorable: true }),
});
export type ListOffsetsRequest = Infer<typeof listOffsetsRequest>;

export const listOffsetsResponse = message('ListOffsetsResponse', 2, '1-11', '6+', {
  throttleTimeMs: int32({ since: 2, ignorable: true }),
  topics: structs({
    name: string('topic'),
    partitions: structs({
      partitionIndex: int32(),
      errorCode: int16(),
      timestamp: int64({ default: -1 }),
      offset: int64({ default: -1 }),
      leaderEpoch: int32({ since: 4, default: -1 }),
    }),
  }),
});
export type ListOffsetsResponse = Infer<typeof listOffsetsResponse>;
