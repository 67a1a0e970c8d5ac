/**
 * Metadata (key 3), v0-13: brokers, topics and the leaders of their partitions. In v0 an empty list means all topics, in
 * later versions null does. v10 has topic ids, v12 accepts them in requests.
 */
import { array, bool, int16, int32, message, string, structs, uuid, type Infer } from '../schema.ts';

export const metadataRequest = message('MetadataRequest', 3, '0-13', '9+', {
  topics: structs(
    {
      topicId: uuid('topicId', { since: 10, ignorable: true }),
      name: string('topic', { nullable: 10 }),
    },
    { nullable: 1 },
  ),
  allowAutoTopicCreation: bool({ since: 4, default: true }),
  includeClusterAuthorizedOperations: bool({ since: 8, until: 10 }),
  includeTopicAuthorizedOperations: bool({ since: 8 }),
});
export type MetadataRequest = Infer<typeof metadataRequest>;

export const metadataResponse = message('MetadataResponse', 3, '0-13', '9+', {
  throttleTimeMs: int32({ since: 3, ignorable: true }),
  brokers: structs({
    nodeId: int32({ entity: 'node' }),
    host: string('address'),
    port: int32(),
    rack: string('rack', { since: 1, nullable: true, default: null, ignorable: true }),
  }),
  clusterId: string('clusterId', { since: 2, nullable: true, default: null, ignorable: true }),
  controllerId: int32({ since: 1, default: -1, ignorable: true, entity: 'node' }),
  topics: structs({
    errorCode: int16(),
    name: string('topic', { nullable: 12 }),
    topicId: uuid('topicId', { since: 10, ignorable: true }),
    isInternal: bool({ since: 1, ignorable: true }),
    partitions: structs({
      errorCode: int16(),
      partitionIndex: int32(),
      leaderId: int32({ entity: 'node' }),
      leaderEpoch: int32({ since: 7, default: -1, ignorable: true }),
      replicaNodes: array(int32({ entity: 'node' })),
      isrNodes: array(int32({ entity: 'node' })),
      offlineReplicas: array(int32({ entity: 'node' }), { since: 5, ignorable: true }),
    }),
    topicAuthorizedOperations: int32({ since: 8, default: -2147483648 }),
  }),
  clusterAuthorizedOperations: int32({ since: 8, until: 10, default: -2147483648 }),
  errorCode: int16({ since: 13, ignorable: true }),
});
export type MetadataResponse = Infer<typeof metadataResponse>;
