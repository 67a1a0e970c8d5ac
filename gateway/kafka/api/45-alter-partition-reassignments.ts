/**
 * AlterPartitionReassignments (key 45): v0-v1. Where a partition lies is the engine's affair, and the replicas that clients
 * see are virtual. Answered: what asks for the replicas that there are (0), and the end of a move (85), there is none.
 * Refused: other replicas (39).
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../../engine/protocol/messages/45-alter-partition-reassignments.ts';
import { findTopic } from '../../operations/topics.ts';
import { replicasOf } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { hasPartition } from '../topic-view.ts';

type Partition = AlterPartitionReassignmentsRequest['topics'][number]['partitions'][number];
type PartitionAnswer = AlterPartitionReassignmentsResponse['responses'][number]['partitions'][number];

export const alterPartitionReassignments = api(
  45,
  { from: 0, to: 1 },
  (call, request) => answer(request, errorCode.none, null, (topic, partition) => judge(call, topic, partition)),
  (request, { errorCode: code, message }) =>
    answer(request, code, message, (_topic, { partitionIndex }) => ({
      partitionIndex,
      errorCode: code,
      errorMessage: message,
    })),
);

function judge(
  { context, principal }: Call,
  name: string,
  { partitionIndex, replicas: asked }: Partition,
): PartitionAnswer {
  const told = (code: number, errorMessage: string | null): PartitionAnswer => ({
    partitionIndex,
    errorCode: code,
    errorMessage,
  });
  const topic = findTopic(context, principal, name);
  if (!topic || !hasPartition(topic, partitionIndex)) {
    return told(errorCode.unknownTopicOrPartition, `There is no partition ${name}-${partitionIndex}.`);
  }
  if (asked === null) return told(errorCode.noReassignmentInProgress, 'No partition reassignment is in progress.');
  const held = replicasOf(topic, partitionIndex);
  if (asked.length === held.length && held.every((nodeId) => asked.includes(nodeId))) return told(errorCode.none, null);
  return told(
    errorCode.invalidReplicaAssignment,
    'Replicas cannot be chosen: partitions are placed and moved for you.',
  );
}

function answer(
  { topics, allowReplicationFactorChange }: AlterPartitionReassignmentsRequest,
  code: number,
  errorMessage: string | null,
  of: (topic: string, partition: Partition) => PartitionAnswer,
): AlterPartitionReassignmentsResponse {
  return {
    throttleTimeMs: 0,
    allowReplicationFactorChange,
    errorCode: code,
    errorMessage,
    responses: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((partition) => of(name, partition)),
    })),
  };
}
