/** DeleteGroups, OffsetDelete, and expiry: everything that removes state. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../protocol/messages/42-delete-groups.ts';
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import type { LogRecord } from './coordinator-log.ts';
import { consumerProtocolType, type Group } from './group.ts';
import { groupKey, offsetKey } from './group-records.ts';
import { removeOffset } from './offset-commit.ts';
import { dropTimers } from './rebalance.ts';
import { codeOf, type Shell } from './shell.ts';

export async function deleteGroups(shell: Shell, request: DeleteGroupsRequest): Promise<DeleteGroupsResponse> {
  // A group named twice is deleted once, and answered once, as in Kafka.
  const results = [...new Set(request.groupsNames)].map(async (groupId) => {
    const group = shell.groups.get(groupId);
    return { groupId, errorCode: await deleteOne(shell, group) };
  });
  return { throttleTimeMs: 0, results: await Promise.all(results) };
}

async function deleteOne(shell: Shell, group: Group | undefined): Promise<number> {
  if (group === undefined || group.state === 'Dead') return errorCode.groupIdNotFound;
  if (group.state !== 'Empty') return errorCode.nonEmptyGroup;
  try {
    await removeGroup(shell, group);
    return errorCode.none;
  } catch (error) {
    return codeOf(error);
  }
}

/**
 * Writes the tombstones and forgets the group. The group is Dead from this moment. So a request that arrives while the
 * record is in flight is told to come back, instead of joining or committing to a group that is about to vanish.
 * Commits in flight already lie before the tombstone, which removes all offsets of the group, in memory as in a replay.
 * If the last tombstone is refused, the group stays, but has lost the offsets before it, in both.
 */
export function removeGroup(shell: Shell, group: Group): Promise<void> {
  const { groupId, stateChangedMs } = group;
  const offsets = offsetsOf(group);
  const records: LogRecord[] = offsets.map(({ topic, partition }) => ({
    key: offsetKey(groupId, topic, partition),
    value: null,
  }));
  records.push({ key: groupKey(groupId), value: null });
  dropTimers(group);
  group.transitionTo('Dead', stateChangedMs);
  const removed = shell.writer.write(records, (from, to) => {
    for (const { topic, partition } of offsets.slice(from, to)) removeOffset(group, topic, partition);
    if (to === records.length && shell.groups.get(groupId) === group) shell.groups.delete(groupId);
  });
  return removed.catch((error: unknown) => {
    if (shell.groups.get(groupId) === group && group.members.size === 0) group.transitionTo('Empty', stateChangedMs);
    throw error;
  });
}

function offsetsOf(group: Group): { topic: string; partition: number }[] {
  const offsets: { topic: string; partition: number }[] = [];
  for (const [topic, partitions] of group.offsets) {
    for (const partition of partitions.keys()) offsets.push({ topic, partition });
  }
  return offsets;
}

/**
 * Deletes offsets only of topics that no member reads. A group of another protocol type must be empty, since we cannot
 * tell what it reads.
 */
export async function offsetDelete(shell: Shell, request: OffsetDeleteRequest): Promise<OffsetDeleteResponse> {
  if (request.groupId === '') return failedOffsetDelete(errorCode.invalidGroupId);
  const group = shell.groups.get(request.groupId);
  if (group === undefined || group.state === 'Dead') return failedOffsetDelete(errorCode.groupIdNotFound);
  if (group.state !== 'Empty' && group.protocolType !== consumerProtocolType) {
    return failedOffsetDelete(errorCode.nonEmptyGroup);
  }
  const records: LogRecord[] = [];
  const removed: { topic: string; partition: number }[] = [];
  const topics = request.topics.map(({ name, partitions }) => {
    const code = group.isSubscribedTo(name) ? errorCode.groupSubscribedToTopic : errorCode.none;
    for (const { partitionIndex } of partitions) {
      if (code !== errorCode.none || !group.offsets.get(name)?.has(partitionIndex)) continue;
      records.push({ key: offsetKey(group.groupId, name, partitionIndex), value: null });
      removed.push({ topic: name, partition: partitionIndex });
    }
    return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })) };
  });
  try {
    await removeOffsets(shell, group, records, removed);
  } catch (error) {
    return failedOffsetDelete(codeOf(error));
  }
  return { errorCode: errorCode.none, throttleTimeMs: 0, topics };
}

export function failedOffsetDelete(code: number): OffsetDeleteResponse {
  return { errorCode: code, throttleTimeMs: 0, topics: [] };
}

/** Tombstones lie after the commits that they remove, and are applied in that order. */
export function removeOffsets(
  shell: Shell,
  group: Group,
  records: readonly LogRecord[],
  removed: readonly { readonly topic: string; readonly partition: number }[],
): Promise<void> {
  if (records.length === 0) return Promise.resolve();
  return shell.writer.write(records, (from, to) => {
    for (const { topic, partition } of removed.slice(from, to)) removeOffset(group, topic, partition);
  });
}
