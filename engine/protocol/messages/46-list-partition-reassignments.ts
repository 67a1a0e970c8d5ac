/** ListPartitionReassignments (key 46), v0: which partitions are being moved. */
import { array, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const listPartitionReassignmentsRequest = message('ListPartitionReassignmentsRequest', 46, '0', '0+', {
  timeoutMs: int32({ default: 60000 }),
  topics: structs({ name: string('topic'), partitionIndexes: array(int32()) }, { nullable: true, default: null }),
});
export type ListPartitionReassignmentsRequest = Infer<typeof listPartitionReassignmentsRequest>;

export const listPartitionReassignmentsResponse = message('ListPartitionReassignmentsResponse', 46, '0', '0+', {
  throttleTimeMs: int32(),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true }),
  topics: structs({
    name: string('topic'),
    partitions: structs({
      partitionIndex: int32(),
      replicas: array(int32({ entity: 'node' })),
      addingReplicas: array(int32({ entity: 'node' })),
      removingReplicas: array(int32({ entity: 'node' })),
    }),
  }),
});
export type ListPartitionReassignmentsResponse = Infer<typeof listPartitionReassignmentsResponse>;
