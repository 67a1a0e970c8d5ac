/** OffsetFetch: stored offsets, of one group (to version 7) or many. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import { zeroUuid } from '../../kernel/uuid.ts';
import type { CommittedOffset } from './group-records.ts';
import { isOfFormerTopic, type Shell } from './shell.ts';

type AskedGroup = OffsetFetchRequest['groups'][number];
type AnsweredGroup = OffsetFetchResponse['groups'][number];
type AnsweredPartition = AnsweredGroup['topics'][number]['partitions'][number];

/** Answers from durable state: no client sees an offset that a crash could take back. */
export function offsetFetch(shell: Shell, version: number, request: OffsetFetchRequest): OffsetFetchResponse {
  const groups = groupsOf(version, request).map((asked) => ({
    groupId: asked.groupId,
    topics: asked.topics === null ? allTopics(shell, asked.groupId) : askedTopics(shell, asked.groupId, asked.topics),
    errorCode: errorCode.none,
  }));
  return responseOf(version, groups);
}

/** Version 1 can carry the error only in the partitions. */
export function failedFetch(version: number, request: OffsetFetchRequest, code: number): OffsetFetchResponse {
  const groups = groupsOf(version, request).map((asked) => ({
    groupId: asked.groupId,
    topics: (version < 2 ? (asked.topics ?? []) : []).map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitionIndexes.map((index) => ({ ...unknownOffset(index), errorCode: code })),
    })),
    errorCode: code,
  }));
  return responseOf(version, groups);
}

function groupsOf(version: number, request: OffsetFetchRequest): AskedGroup[] {
  if (version >= 8) return request.groups;
  const topics = request.topics?.map((topic) => ({ ...topic, topicId: zeroUuid })) ?? null;
  return [{ groupId: request.groupId, memberId: null, memberEpoch: -1, topics }];
}

function responseOf(version: number, groups: AnsweredGroup[]): OffsetFetchResponse {
  if (version >= 8) return { throttleTimeMs: 0, topics: [], errorCode: errorCode.none, groups };
  const [only] = groups;
  return { throttleTimeMs: 0, topics: only!.topics, errorCode: only!.errorCode, groups: [] };
}

function allTopics(shell: Shell, groupId: string): AnsweredGroup['topics'] {
  const offsets = shell.groups.get(groupId)?.offsets ?? new Map<string, Map<number, CommittedOffset>>();
  return Array.from(offsets, ([name, partitions]) => ({
    name,
    topicId: zeroUuid,
    partitions: Array.from(partitions)
      .filter(([, offset]) => !isOfFormerTopic(shell, name, offset))
      .map(([index, offset]) => knownOffset(index, offset)),
  })).filter(({ partitions }) => partitions.length > 0);
}

/** A group that does not exist has no offsets; that is not an error. */
function askedTopics(
  shell: Shell,
  groupId: string,
  topics: NonNullable<AskedGroup['topics']>,
): AnsweredGroup['topics'] {
  const offsets = shell.groups.get(groupId)?.offsets;
  return topics.map((topic) => {
    const partitions = offsets?.get(topic.name);
    return {
      name: topic.name,
      topicId: topic.topicId,
      partitions: topic.partitionIndexes.map((index) => {
        const offset = partitions?.get(index);
        const isNone = offset === undefined || isOfFormerTopic(shell, topic.name, offset);
        return isNone ? unknownOffset(index) : knownOffset(index, offset);
      }),
    };
  });
}

function unknownOffset(partitionIndex: number): AnsweredPartition {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: errorCode.none };
}

function knownOffset(partitionIndex: number, { offset, leaderEpoch, metadata }: CommittedOffset): AnsweredPartition {
  return {
    partitionIndex,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: errorCode.none,
  };
}
