/**
 * Which APIs and versions clients are offered. The ranges are Apache Kafka 4.3's own, because every client library is
 * tested against those.
 */
import { type ApiKey, apiKey } from './apis.ts';

export interface ServedVersions {
  readonly key: ApiKey;
  /** The lowest version that gets a real answer. */
  readonly min: number;
  /** The lowest version that ApiVersions claims, which may be a lie. */
  readonly claimedMin: number;
  readonly max: number;
}

/**
 * [min, max]. APIs used only between brokers, and transactions, are absent. Some APIs are listed so that they can be
 * refused with their own error.
 */
const ranges: readonly (readonly [ApiKey, number, number])[] = [
  [apiKey.produce, 3, 13],
  [apiKey.fetch, 4, 18],
  [apiKey.listOffsets, 1, 11],
  [apiKey.metadata, 0, 13],
  [apiKey.offsetCommit, 2, 10],
  [apiKey.offsetFetch, 1, 10],
  [apiKey.findCoordinator, 0, 6],
  // v0-1 look obsolete, but librdkafka before 2.11 takes a missing JoinGroup v0 for missing SASL (KAFKA-19444).
  [apiKey.joinGroup, 0, 9],
  [apiKey.heartbeat, 0, 4],
  [apiKey.leaveGroup, 0, 5],
  [apiKey.syncGroup, 0, 5],
  [apiKey.describeGroups, 0, 6],
  [apiKey.listGroups, 0, 5],
  [apiKey.saslHandshake, 0, 1],
  [apiKey.apiVersions, 0, 4],
  [apiKey.createTopics, 2, 7],
  [apiKey.deleteTopics, 1, 6],
  [apiKey.deleteRecords, 0, 2],
  // v6 is two-phase commit, which Kafka itself does not offer yet.
  [apiKey.initProducerId, 0, 5],
  [apiKey.offsetForLeaderEpoch, 2, 4],
  [apiKey.describeAcls, 1, 3],
  [apiKey.createAcls, 1, 3],
  [apiKey.deleteAcls, 1, 3],
  [apiKey.describeConfigs, 1, 4],
  [apiKey.alterConfigs, 0, 2],
  [apiKey.describeLogDirs, 1, 5],
  [apiKey.saslAuthenticate, 0, 2],
  [apiKey.createPartitions, 0, 3],
  [apiKey.deleteGroups, 0, 2],
  [apiKey.electLeaders, 0, 2],
  [apiKey.incrementalAlterConfigs, 0, 1],
  [apiKey.alterPartitionReassignments, 0, 1],
  [apiKey.listPartitionReassignments, 0, 0],
  [apiKey.offsetDelete, 0, 0],
  [apiKey.describeClientQuotas, 0, 1],
  [apiKey.alterClientQuotas, 0, 1],
  [apiKey.describeUserScramCredentials, 0, 0],
  [apiKey.alterUserScramCredentials, 0, 0],
  [apiKey.describeCluster, 0, 2],
  [apiKey.listTransactions, 0, 2],
  // Refused with its own error: where this API is missing, librdkafka waits for ever.
  [apiKey.consumerGroupHeartbeat, 0, 1],
  [apiKey.listConfigResources, 0, 1],
  [apiKey.describeTopicPartitions, 0, 0],
];

/**
 * Produce v0-2 are claimed and refused: without v0 in the list, librdkafka believes that the broker supports no compression
 * (KAFKA-18659).
 */
const claimedMins = new Map<ApiKey, number>([[apiKey.produce, 0]]);

export const servedVersions: ReadonlyMap<number, ServedVersions> = new Map(
  ranges.map(([key, min, max]) => [key, { key, min, claimedMin: claimedMins.get(key) ?? min, max }]),
);

/** Whether a request of this API and version gets an answer other than UNSUPPORTED_VERSION. */
export function isServed(key: number, version: number): boolean {
  const served = servedVersions.get(key);
  return served !== undefined && version >= served.min && version <= served.max;
}
