/** ElectLeaders (key 43), v0-2: moves leadership to the preferred replica, or to any remaining one. */
import { array, int16, int32, int8, message, string, structs, type Infer } from '../schema.ts';

export const electLeadersRequest = message('ElectLeadersRequest', 43, '0-2', '2+', {
  electionType: int8({ since: 1 }),
  topicPartitions: structs({ topic: string('topic'), partitions: array(int32()) }, { nullable: true }),
  timeoutMs: int32({ default: 60000 }),
});
export type ElectLeadersRequest = Infer<typeof electLeadersRequest>;

export const electLeadersResponse = message('ElectLeadersResponse', 43, '0-2', '2+', {
  throttleTimeMs: int32(),
  errorCode: int16({ since: 1 }),
  replicaElectionResults: structs({
    topic: string('topic'),
    partitionResult: structs({
      partitionId: int32(),
      errorCode: int16(),
      errorMessage: string('errorText', { nullable: true }),
    }),
  }),
});
export type ElectLeadersResponse = Infer<typeof electLeadersResponse>;
