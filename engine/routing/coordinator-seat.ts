/**
 * Where a group's coordinator sits: with the owner of one partition of the cluster's internal topic. The group's name
 * chooses the partition, as Kafka chooses a partition of __consumer_offsets. Gateway and broker compute it the same
 * way, and the seat moves with the partition.
 */

/** Name of a cluster's internal topic. Topic names that tenants choose cannot contain ':'. */
export function coordinatorTopic(clusterId: string): string {
  return `${clusterId}:offsets`;
}

/** Kafka's `Utils.abs(groupId.hashCode()) % partitions`, on the inner name of the group. */
export function coordinatorPartition(groupId: string, partitions: number): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(hash, 31) + groupId.charCodeAt(i)) | 0;
  return (hash & 0x7fff_ffff) % partitions;
}

/** The cluster of an inner group name `<clusterId>.<group>`; undefined when it has none. */
export function clusterOfGroup(groupId: string): string | undefined {
  const dot = groupId.indexOf('.');
  return dot > 0 ? groupId.slice(0, dot) : undefined;
}
