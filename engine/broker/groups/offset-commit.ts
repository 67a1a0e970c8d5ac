/** OffsetCommit: who may store offsets, and storing them. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import type { LogRecord } from './coordinator-log.ts';
import { Group } from './group.ts';
import { type CommittedOffset, encodeOffset, offsetKey } from './group-records.ts';
import { heldOffsetBytes } from './offset-room.ts';
import { extendSession } from './rebalance.ts';
import { textBytesMax } from './record-bytes.ts';
import { codeOf, createGroup, type Shell } from './shell.ts';

type Topic = OffsetCommitRequest['topics'][number];

interface Commit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: CommittedOffset;
}

/**
 * Resolves when the offsets are durable and visible to OffsetFetch. Whether the member may commit is decided when the
 * request arrives. As in Kafka, a rebalance that begins while the record is in flight does not undo it.
 */
export async function offsetCommit(
  shell: Shell,
  version: number,
  request: OffsetCommitRequest,
): Promise<OffsetCommitResponse> {
  const { groupId, memberId } = request;
  if (Buffer.byteLength(groupId) > textBytesMax) return failedCommit(request, errorCode.invalidGroupId);
  const known = shell.groups.get(groupId);
  const refused = known === undefined ? refuseUnknown(version, request) : refuse(known, request);
  if (refused !== errorCode.none) return failedCommit(request, refused);
  // A commit extends the session, except while the generation waits for its assignment and accepts no commits.
  const member = known?.members.get(memberId);
  if (member !== undefined) extendSession(member);
  const { commits, response } = decide(shell, known, request);
  if (commits.length === 0) return response;
  const group = known ?? createGroup(shell, groupId);
  // JoinGroup refuses with the same code. Here it ends the commit, not the client.
  if (group === undefined) return failedCommit(request, errorCode.groupMaxSizeReached);
  try {
    await store(shell, group, commits);
    return response;
  } catch (error) {
    return failedCommit(request, codeOf(error));
  }
}

export function failedCommit(request: OffsetCommitRequest, code: number): OffsetCommitResponse {
  return {
    throttleTimeMs: 0,
    topics: request.topics.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })),
    })),
  };
}

/**
 * Without a generation, the client is a consumer that assigns its own partitions, or an administrator: a simple group
 * is created.
 */
function refuseUnknown(version: number, request: OffsetCommitRequest): number {
  if (request.generationIdOrMemberEpoch < 0) return errorCode.none;
  return version >= 9 ? errorCode.groupIdNotFound : errorCode.illegalGeneration;
}

function refuse(group: Group, request: OffsetCommitRequest): number {
  const generation = request.generationIdOrMemberEpoch;
  if (group.state === 'Dead') return errorCode.coordinatorNotAvailable;
  if (generation < 0 && group.state === 'Empty') return errorCode.none;
  // Only members may change the offsets of a group that has members.
  const refused = group.checkMember(request.memberId, request.groupInstanceId);
  if (refused !== errorCode.none) return refused;
  if (generation !== group.generation) return errorCode.illegalGeneration;
  return group.state === 'CompletingRebalance' ? errorCode.rebalanceInProgress : errorCode.none;
}

function decide(
  shell: Shell,
  group: Group | undefined,
  request: OffsetCommitRequest,
): { commits: Commit[]; response: OffsetCommitResponse } {
  const commits: Commit[] = [];
  const hasRoom = shell.offsetRoom.forCommit(group);
  const nowMs = shell.clock.wallMs();
  const expireMs = request.retentionTimeMs < 0 ? -1 : nowMs + request.retentionTimeMs;
  const check = (topic: Topic, metadata: string | null): number => {
    if (Buffer.byteLength(topic.name) > textBytesMax) return errorCode.invalidTopicException;
    const isTooLong = (metadata?.length ?? 0) > shell.settings.offsetMetadataCharsMax;
    return isTooLong ? errorCode.offsetMetadataTooLarge : errorCode.none;
  };
  const topics = request.topics.map((topic) => ({
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map((each) => {
      const { partitionIndex } = each;
      const code = check(topic, each.committedMetadata);
      if (code !== errorCode.none) return { partitionIndex, errorCode: code };
      const offset = {
        offset: each.committedOffset,
        leaderEpoch: each.committedLeaderEpoch,
        metadata: each.committedMetadata ?? '',
        // The clock that dated the topic may be ahead of ours.
        commitMs: Math.max(nowMs, shell.topicMadeMs(topic.name)),
        expireMs,
      };
      if (!hasRoom(topic.name, partitionIndex, offset)) {
        return { partitionIndex, errorCode: errorCode.invalidCommitOffsetSize };
      }
      commits.push({ topic: topic.name, partition: partitionIndex, offset });
      return { partitionIndex, errorCode: errorCode.none };
    }),
  }));
  return { commits, response: { throttleTimeMs: 0, topics } };
}

async function store(shell: Shell, group: Group, commits: readonly Commit[]): Promise<void> {
  const { groupId } = group;
  const records: LogRecord[] = commits.map(({ topic, partition, offset }) => ({
    key: offsetKey(groupId, topic, partition),
    value: encodeOffset(offset),
  }));
  group.commitsInFlight += 1;
  try {
    await shell.writer.write(records, (from, to) => {
      const target = groupOf(shell, groupId);
      target.durable = true;
      for (const { topic, partition, offset } of commits.slice(from, to)) putOffset(target, topic, partition, offset);
    });
  } catch (error) {
    // The group was created for this commit, and nobody else has used it.
    const isUnused = !group.durable && group.commitsInFlight === 1 && group.state === 'Empty';
    if (isUnused && group.pendingJoins.size === 0 && shell.groups.get(groupId) === group) shell.groups.delete(groupId);
    throw error;
  } finally {
    group.commitsInFlight -= 1;
  }
}

/** The group that an offset record belongs to. It is a simple group when the log says no more about it. */
export function groupOf(shell: Pick<Shell, 'groups' | 'clock'>, groupId: string): Group {
  let group = shell.groups.get(groupId);
  if (group === undefined) {
    group = new Group(groupId, shell.clock.wallMs());
    shell.groups.set(groupId, group);
  }
  return group;
}

export function putOffset(group: Group, topic: string, partition: number, offset: CommittedOffset): void {
  let partitions = group.offsets.get(topic);
  if (partitions === undefined) group.offsets.set(topic, (partitions = new Map()));
  const former = partitions.get(partition);
  partitions.set(partition, offset);
  group.offsetBytes += heldOffsetBytes(topic, offset) - (former ? heldOffsetBytes(topic, former) : 0);
}

export function removeOffset(group: Group, topic: string, partition: number): void {
  const partitions = group.offsets.get(topic);
  const former = partitions?.get(partition);
  if (!partitions || !former) return;
  partitions.delete(partition);
  group.offsetBytes -= heldOffsetBytes(topic, former);
  if (partitions.size === 0) group.offsets.delete(topic);
}
