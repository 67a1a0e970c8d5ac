/** All APIs by key, and the types that tie a key to its request and response. */
import { produceRequest, produceResponse } from './messages/00-produce.ts';
import { fetchRequest, fetchResponse } from './messages/01-fetch.ts';
import { listOffsetsRequest, listOffsetsResponse } from './messages/02-list-offsets.ts';
import { metadataRequest, metadataResponse } from './messages/03-metadata.ts';
import { offsetCommitRequest, offsetCommitResponse } from './messages/08-offset-commit.ts';
import { offsetFetchRequest, offsetFetchResponse } from './messages/09-offset-fetch.ts';
import { findCoordinatorRequest, findCoordinatorResponse } from './messages/10-find-coordinator.ts';
import { joinGroupRequest, joinGroupResponse } from './messages/11-join-group.ts';
import { heartbeatRequest, heartbeatResponse } from './messages/12-heartbeat.ts';
import { leaveGroupRequest, leaveGroupResponse } from './messages/13-leave-group.ts';
import { syncGroupRequest, syncGroupResponse } from './messages/14-sync-group.ts';
import { describeGroupsRequest, describeGroupsResponse } from './messages/15-describe-groups.ts';
import { listGroupsRequest, listGroupsResponse } from './messages/16-list-groups.ts';
import { saslHandshakeRequest, saslHandshakeResponse } from './messages/17-sasl-handshake.ts';
import { apiVersionsRequest, apiVersionsResponse } from './messages/18-api-versions.ts';
import { createTopicsRequest, createTopicsResponse } from './messages/19-create-topics.ts';
import { deleteTopicsRequest, deleteTopicsResponse } from './messages/20-delete-topics.ts';
import { deleteRecordsRequest, deleteRecordsResponse } from './messages/21-delete-records.ts';
import { initProducerIdRequest, initProducerIdResponse } from './messages/22-init-producer-id.ts';
import { offsetForLeaderEpochRequest, offsetForLeaderEpochResponse } from './messages/23-offset-for-leader-epoch.ts';
import { addPartitionsToTxnRequest, addPartitionsToTxnResponse } from './messages/24-add-partitions-to-txn.ts';
import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from './messages/25-add-offsets-to-txn.ts';
import { endTxnRequest, endTxnResponse } from './messages/26-end-txn.ts';
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from './messages/28-txn-offset-commit.ts';
import { describeAclsRequest, describeAclsResponse } from './messages/29-describe-acls.ts';
import { createAclsRequest, createAclsResponse } from './messages/30-create-acls.ts';
import { deleteAclsRequest, deleteAclsResponse } from './messages/31-delete-acls.ts';
import { describeConfigsRequest, describeConfigsResponse } from './messages/32-describe-configs.ts';
import { alterConfigsRequest, alterConfigsResponse } from './messages/33-alter-configs.ts';
import { describeLogDirsRequest, describeLogDirsResponse } from './messages/35-describe-log-dirs.ts';
import { saslAuthenticateRequest, saslAuthenticateResponse } from './messages/36-sasl-authenticate.ts';
import { createPartitionsRequest, createPartitionsResponse } from './messages/37-create-partitions.ts';
import { deleteGroupsRequest, deleteGroupsResponse } from './messages/42-delete-groups.ts';
import { electLeadersRequest, electLeadersResponse } from './messages/43-elect-leaders.ts';
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from './messages/44-incremental-alter-configs.ts';
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from './messages/45-alter-partition-reassignments.ts';
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from './messages/46-list-partition-reassignments.ts';
import { offsetDeleteRequest, offsetDeleteResponse } from './messages/47-offset-delete.ts';
import { describeClientQuotasRequest, describeClientQuotasResponse } from './messages/48-describe-client-quotas.ts';
import { alterClientQuotasRequest, alterClientQuotasResponse } from './messages/49-alter-client-quotas.ts';
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from './messages/50-describe-user-scram-credentials.ts';
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from './messages/51-alter-user-scram-credentials.ts';
import { describeClusterRequest, describeClusterResponse } from './messages/60-describe-cluster.ts';
import { listTransactionsRequest, listTransactionsResponse } from './messages/66-list-transactions.ts';
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from './messages/68-consumer-group-heartbeat.ts';
import { listConfigResourcesRequest, listConfigResourcesResponse } from './messages/74-list-config-resources.ts';
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from './messages/75-describe-topic-partitions.ts';
import { releaseLogsRequest, releaseLogsResponse } from './messages/30000-release-logs.ts';
import { closeLogsRequest, closeLogsResponse } from './messages/30001-close-logs.ts';
import { brokerStatusRequest, brokerStatusResponse } from './messages/30002-broker-status.ts';
import { takeLoadRequest, takeLoadResponse } from './messages/30003-take-load.ts';
import { scrubRequest, scrubResponse } from './messages/30004-scrub.ts';
import type { Infer, Message } from './schema.ts';

export const apiKey = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  describeGroups: 15,
  listGroups: 16,
  saslHandshake: 17,
  apiVersions: 18,
  createTopics: 19,
  deleteTopics: 20,
  deleteRecords: 21,
  initProducerId: 22,
  offsetForLeaderEpoch: 23,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
  describeAcls: 29,
  createAcls: 30,
  deleteAcls: 31,
  describeConfigs: 32,
  alterConfigs: 33,
  describeLogDirs: 35,
  saslAuthenticate: 36,
  createPartitions: 37,
  deleteGroups: 42,
  electLeaders: 43,
  incrementalAlterConfigs: 44,
  alterPartitionReassignments: 45,
  listPartitionReassignments: 46,
  offsetDelete: 47,
  describeClientQuotas: 48,
  alterClientQuotas: 49,
  describeUserScramCredentials: 50,
  alterUserScramCredentials: 51,
  describeCluster: 60,
  listTransactions: 66,
  consumerGroupHeartbeat: 68,
  listConfigResources: 74,
  describeTopicPartitions: 75,
  releaseLogs: 30000,
  closeLogs: 30001,
  brokerStatus: 30002,
  takeLoad: 30003,
  scrub: 30004,
} as const;

const messages = {
  0: { request: produceRequest, response: produceResponse },
  1: { request: fetchRequest, response: fetchResponse },
  2: { request: listOffsetsRequest, response: listOffsetsResponse },
  3: { request: metadataRequest, response: metadataResponse },
  8: { request: offsetCommitRequest, response: offsetCommitResponse },
  9: { request: offsetFetchRequest, response: offsetFetchResponse },
  10: { request: findCoordinatorRequest, response: findCoordinatorResponse },
  11: { request: joinGroupRequest, response: joinGroupResponse },
  12: { request: heartbeatRequest, response: heartbeatResponse },
  13: { request: leaveGroupRequest, response: leaveGroupResponse },
  14: { request: syncGroupRequest, response: syncGroupResponse },
  15: { request: describeGroupsRequest, response: describeGroupsResponse },
  16: { request: listGroupsRequest, response: listGroupsResponse },
  17: { request: saslHandshakeRequest, response: saslHandshakeResponse },
  18: { request: apiVersionsRequest, response: apiVersionsResponse },
  19: { request: createTopicsRequest, response: createTopicsResponse },
  20: { request: deleteTopicsRequest, response: deleteTopicsResponse },
  21: { request: deleteRecordsRequest, response: deleteRecordsResponse },
  22: { request: initProducerIdRequest, response: initProducerIdResponse },
  23: { request: offsetForLeaderEpochRequest, response: offsetForLeaderEpochResponse },
  24: { request: addPartitionsToTxnRequest, response: addPartitionsToTxnResponse },
  25: { request: addOffsetsToTxnRequest, response: addOffsetsToTxnResponse },
  26: { request: endTxnRequest, response: endTxnResponse },
  28: { request: txnOffsetCommitRequest, response: txnOffsetCommitResponse },
  29: { request: describeAclsRequest, response: describeAclsResponse },
  30: { request: createAclsRequest, response: createAclsResponse },
  31: { request: deleteAclsRequest, response: deleteAclsResponse },
  32: { request: describeConfigsRequest, response: describeConfigsResponse },
  33: { request: alterConfigsRequest, response: alterConfigsResponse },
  35: { request: describeLogDirsRequest, response: describeLogDirsResponse },
  36: { request: saslAuthenticateRequest, response: saslAuthenticateResponse },
  37: { request: createPartitionsRequest, response: createPartitionsResponse },
  42: { request: deleteGroupsRequest, response: deleteGroupsResponse },
  43: { request: electLeadersRequest, response: electLeadersResponse },
  44: { request: incrementalAlterConfigsRequest, response: incrementalAlterConfigsResponse },
  45: { request: alterPartitionReassignmentsRequest, response: alterPartitionReassignmentsResponse },
  46: { request: listPartitionReassignmentsRequest, response: listPartitionReassignmentsResponse },
  47: { request: offsetDeleteRequest, response: offsetDeleteResponse },
  48: { request: describeClientQuotasRequest, response: describeClientQuotasResponse },
  49: { request: alterClientQuotasRequest, response: alterClientQuotasResponse },
  50: { request: describeUserScramCredentialsRequest, response: describeUserScramCredentialsResponse },
  51: { request: alterUserScramCredentialsRequest, response: alterUserScramCredentialsResponse },
  60: { request: describeClusterRequest, response: describeClusterResponse },
  66: { request: listTransactionsRequest, response: listTransactionsResponse },
  68: { request: consumerGroupHeartbeatRequest, response: consumerGroupHeartbeatResponse },
  74: { request: listConfigResourcesRequest, response: listConfigResourcesResponse },
  75: { request: describeTopicPartitionsRequest, response: describeTopicPartitionsResponse },
  30000: { request: releaseLogsRequest, response: releaseLogsResponse },
  30001: { request: closeLogsRequest, response: closeLogsResponse },
  30002: { request: brokerStatusRequest, response: brokerStatusResponse },
  30003: { request: takeLoadRequest, response: takeLoadResponse },
  30004: { request: scrubRequest, response: scrubResponse },
} as const;

export type ApiKey = keyof typeof messages;
export type RequestOf<K extends ApiKey> = Infer<(typeof messages)[K]['request']>;
export type ResponseOf<K extends ApiKey> = Infer<(typeof messages)[K]['response']>;

export interface Api {
  readonly key: ApiKey;
  /** The name in Apache Kafka, for example 'Produce'. */
  readonly name: string;
  readonly request: Message;
  readonly response: Message;
  /** Versions that can be decoded; versions.ts says which are offered to clients. */
  readonly min: number;
  readonly max: number;
  /** First version with tagged fields; Infinity when none. */
  readonly flexibleSince: number;
}

export const apiByKey: ReadonlyMap<number, Api> = new Map(
  Object.values(messages).map(({ request, response }) => [
    request.key,
    {
      key: request.key as ApiKey,
      name: request.name.slice(0, -'Request'.length),
      request,
      response,
      min: request.min,
      max: request.max,
      flexibleSince: request.flexible,
    },
  ]),
);

export function isApiKey(key: number): key is ApiKey {
  return apiByKey.has(key);
}
