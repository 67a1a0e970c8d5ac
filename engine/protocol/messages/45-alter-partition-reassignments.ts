/** AlterPartitionReassignments (key 45), v0-1: moves partitions to other brokers. */
import { array, bool, int16, int32, message, string, structs, type Infer } from '../schema.ts';

export const alterPartitionReassignmentsRequest = message('AlterPartitionReassignmentsRequest', 45, '0-1', '0+', {
  timeoutMs: int32({ default: 60000 }),
  allowReplicationFactorChange: bool({ since: 1, default: true }),
  topics: structs({
    name: string('topic'),
    partitions: structs({
      partitionIndex: int32(),
      replicas: array(int32({ entity: 'node' }), { nullable: true, default: null }),
    }),
  }),
});
export type AlterPartitionReassignmentsRequest = Infer<typeof alterPartitionReassignmentsRequest>;

export const alterPartitionReassignmentsResponse = message('AlterPartitionReassignmentsResponse', 45, '0-1', '0+', {
  throttleTimeMs: int32(),
  allowReplicationFactorChange: bool({ since: 1, default: true, ignorable: true }),
  errorCode: int16(),
  errorMessage: string('errorText', { nullable: true }),
  responses: structs({
    name: string('topic'),
    partitions: structs({
      partitionIndex: int32(),
      errorCode: int16(),
      errorMessage: string('errorText', { nullable: true }),
    }),
  }),
});
export type AlterPartitionReassignmentsResponse = Infer<typeof alterPartitionReassignmentsResponse>;
