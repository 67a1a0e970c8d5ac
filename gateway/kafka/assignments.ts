/**
 * Replicas that a client assigns by hand: checked as Kafka checks them, against the brokers that clients see, and stored to
 * be shown as requested. The engine still decides where the records are. The client's wish decides only which node it is
 * told to ask; that node leads in name, and every node serves every partition anyway.
 */
import type { AskedReplicas, TopicEntry } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { nodeCount, replicasOf, replicationFactorOf } from './advertised.ts';

export interface PartitionAssignment {
  readonly partitionIndex: number;
  readonly brokerIds: readonly number[];
}

/** Assignments as a request names them. */
const field = 'assignments';

/** For a new topic: one for each of its partitions, in any order. Throws InvalidRequest. */
export function replicasOfNew(assignments: readonly PartitionAssignment[]): AskedReplicas {
  const byIndex = new Map<number, readonly number[]>();
  const factor = assignments[0]?.brokerIds.length ?? 0;
  for (const { partitionIndex, brokerIds } of assignments) {
    if (byIndex.has(partitionIndex)) {
      throw new InvalidRequest(field, `Found multiple manual partition assignments for partition ${partitionIndex}`);
    }
    checkReplicas(brokerIds, factor);
    byIndex.set(partitionIndex, brokerIds);
  }
  const nodeIds: (readonly number[])[] = [];
  for (let index = 0; index < byIndex.size; index++) {
    const brokerIds = byIndex.get(index);
    if (!brokerIds) throw new InvalidRequest(field, 'partitions should be a consecutive 0-based integer sequence');
    nodeIds.push(brokerIds);
  }
  return { factor, nodeIds };
}

/** For the partitions that `topic` gains, up to `total`, in their order. Throws InvalidRequest. */
export function replicasOfGrown(
  topic: TopicEntry,
  total: number,
  assignments: readonly Omit<PartitionAssignment, 'partitionIndex'>[],
): AskedReplicas {
  const added = total - topic.partitions.length;
  if (assignments.length !== added) {
    throw new InvalidRequest(
      field,
      `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) were specified.`,
    );
  }
  const factor = replicationFactorOf(topic);
  for (const { brokerIds } of assignments) checkReplicas(brokerIds, factor);
  const present = topic.partitions.map(({ index }) => replicasOf(topic, index));
  return { factor, nodeIds: [...present, ...assignments.map(({ brokerIds }) => brokerIds)] };
}

/** For one existing partition. A request names thousands, so this function returns errors instead of throwing them. */
export function reassignmentFault(
  topic: TopicEntry,
  partition: number,
  brokerIds: readonly number[],
  mayChangeFactor: boolean,
): { errorCode: number; message: string } | undefined {
  const message = replicasFault(brokerIds, brokerIds.length);
  if (message !== undefined) return { errorCode: errorCode.invalidReplicaAssignment, message };
  const present = replicasOf(topic, partition).length;
  if (mayChangeFactor || brokerIds.length === present) return undefined;
  return {
    errorCode: errorCode.invalidReplicationFactor,
    message: `The replication factor cannot be changed from ${present} to ${brokerIds.length}.`,
  };
}

/** The topic's replicas with some partitions changed. */
export function reassigned(topic: TopicEntry, changes: ReadonlyMap<number, readonly number[]>): AskedReplicas {
  const nodeIds = topic.partitions.map(({ index }) => changes.get(index) ?? replicasOf(topic, index));
  return { factor: nodeIds[0]!.length, nodeIds };
}

/** Throws InvalidRequest. */
function checkReplicas(brokerIds: readonly number[], factor: number): void {
  const fault = replicasFault(brokerIds, factor);
  if (fault !== undefined) throw new InvalidRequest(field, fault);
}

function replicasFault(brokerIds: readonly number[], factor: number): string | undefined {
  if (brokerIds.length === 0) return 'The manual partition assignment includes an empty replica list.';
  for (const [i, brokerId] of brokerIds.entries()) {
    if (brokerId < 1 || brokerId > nodeCount) {
      return `The manual partition assignment includes broker ${brokerId}, but no such broker is registered.`;
    }
    if (brokerIds.includes(brokerId, i + 1)) {
      return `The manual partition assignment includes the broker ${brokerId} more than once.`;
    }
  }
  if (brokerIds.length === factor) return undefined;
  return `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, which have ${factor} replica(s).`;
}
