/** A topic as clients see it in Metadata and its relatives: virtual leaders and replicas, real leader epochs. */
import type { PartitionEntry, TopicEntry } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { findTopic, findTopicById } from '../operations/topics.ts';
import { replicasOf } from './advertised.ts';

/** AclOperation bits that a tenant has: everything on its own topics and groups, little on the cluster. */
export const topicOperations = bits(3, 4, 5, 6, 7, 8, 10, 11);
export const groupOperations = bits(3, 6, 8);
export const clusterOperations = bits(5, 8, 10, 12);
/** Kafka's value for "not asked for". */
export const noOperations = -2147483648;

function bits(...operations: number[]): number {
  return operations.reduce((sum, operation) => sum | (1 << operation), 0);
}

export interface PartitionView {
  errorCode: number;
  partitionIndex: number;
  leaderId: number;
  leaderEpoch: number;
  replicaNodes: number[];
  isrNodes: number[];
  offlineReplicas: number[];
}

/** `only`: the one broker that clients of the old protocol are shown (advertised.ts). */
export function partitionView(
  topic: TopicEntry,
  { index, brokerId, leaderEpoch }: PartitionEntry,
  only?: number,
): PartitionView {
  const replicas = only === undefined ? replicasOf(topic, index) : [only];
  // Only a partition that never had an owner has no leader: while one moves, requests are held and clients need not know.
  const isLed = brokerId >= 0 || leaderEpoch > 0;
  return {
    errorCode: isLed ? errorCode.none : errorCode.leaderNotAvailable,
    partitionIndex: index,
    leaderId: isLed ? replicas[0]! : -1,
    leaderEpoch: Math.max(leaderEpoch, 0),
    replicaNodes: replicas,
    isrNodes: isLed ? replicas.slice() : [],
    offlineReplicas: [],
  };
}

export type Found = { readonly topic: TopicEntry } | { readonly errorCode: number };

/** By id where the request's version has ids. Another tenant's id is treated as one that does not exist. */
export function findAsked(
  context: GatewayContext,
  principal: Principal,
  asked: { readonly name: string; readonly topicId: string },
  usesIds: boolean,
): Found {
  const topic = usesIds ? findTopicById(context, principal, asked.topicId) : findTopic(context, principal, asked.name);
  if (topic) return { topic };
  return { errorCode: usesIds ? errorCode.unknownTopicId : errorCode.unknownTopicOrPartition };
}

export function hasPartition(topic: TopicEntry, partition: number): boolean {
  return partition >= 0 && partition < topic.partitions.length;
}
