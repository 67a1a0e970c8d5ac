/**
 * OffsetFetch (key 9): v1-v10. Back: engine/broker/groups/offset-fetch.ts. Every group of a request (v8) goes to its own
 * coordinator; this file translates ids (v10) to names and back, and leaves out offsets of deleted topics.
 */
import { zeroUuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { OffsetFetchRequest, OffsetFetchResponse } from '../../../engine/protocol/messages/09-offset-fetch.ts';
import { tenantName } from '../../../tenancy/naming.ts';
import { findTopic, findTopicById } from '../../operations/topics.ts';
import { api, type Call } from '../api.ts';
import { askedOffsets } from '../asked-once.ts';
import { askCoordinator, forEachGroup, groupFault } from '../coordinate.ts';
import { coordinatorCode, refusalOf } from '../failures.ts';

type Group = OffsetFetchRequest['groups'][number];
type GroupAnswer = OffsetFetchResponse['groups'][number];
type TopicAnswer = GroupAnswer['topics'][number];

const firstGroupsVersion = 8;
const firstIdVersion = 10;
const firstErrorVersion = 2;

export const offsetFetch = api(
  9,
  { from: 1, to: 10, charge: 'counted' },
  async (call, request) => {
    const groups = askedOffsets(groupsOf(call.version, request));
    const answers = await forEachGroup(call, groups, (group) => fetchGroup(call, group, request.requireStable));
    return respond(call.version, answers);
  },
  (request, { errorCode: code }, { version }) => {
    const groups = askedOffsets(groupsOf(version, request));
    return respond(
      version,
      groups.map((group) => failed(group, coordinatorCode(code))),
    );
  },
);

/** Turns versions with one group into the form with many. */
function groupsOf(version: number, request: OffsetFetchRequest): Group[] {
  if (version >= firstGroupsVersion) return request.groups;
  const topics = request.topics?.map(({ name, partitionIndexes }) => ({ name, topicId: zeroUuid, partitionIndexes }));
  return [{ groupId: request.groupId, memberId: null, memberEpoch: -1, topics: topics ?? null }];
}

async function fetchGroup(call: Call, group: Group, requireStable: boolean): Promise<GroupAnswer> {
  const fault = groupFault(group.groupId, true);
  if (fault !== errorCode.none) return failed(group, fault);
  const usesIds = call.version >= firstIdVersion;
  const unknown: TopicAnswer[] = [];
  const topics = usesIds && group.topics ? named(call, group.topics, unknown) : group.topics;
  try {
    const response = await askCoordinator(call, 9, group.groupId, {
      groupId: '',
      topics: [],
      groups: [{ ...group, topics: topics?.map((topic) => ({ ...topic })) ?? null }],
      requireStable,
    });
    const answer = response.groups[0]!;
    const isAll = group.topics === null;
    return { ...answer, topics: [...present(call, answer.topics, usesIds, isAll), ...unknown] };
  } catch (error) {
    return failed(group, coordinatorCode(refusalOf(error, call.principal).errorCode));
  }
}

function named(call: Call, topics: NonNullable<Group['topics']>, unknown: TopicAnswer[]): NonNullable<Group['topics']> {
  const { context, principal } = call;
  return topics.flatMap(({ topicId, partitionIndexes }) => {
    const topic = findTopicById(context, principal, topicId);
    const name = topic && tenantName(principal.clusterId, topic.name);
    if (name !== undefined) return [{ name, topicId, partitionIndexes }];
    unknown.push(nothing('', topicId, partitionIndexes, errorCode.unknownTopicId));
    return [];
  });
}

/**
 * Nobody can continue in a deleted topic. A client that asked for all offsets does not get those; one that named the topic
 * gets no offset.
 */
function present(call: Call, topics: readonly TopicAnswer[], usesIds: boolean, isAll: boolean): TopicAnswer[] {
  return topics.flatMap((answer) => {
    const { name, topicId, partitions } = answer;
    const topic = findTopic(call.context, call.principal, name);
    if (topic) return [usesIds ? { ...answer, topicId: topic.topicId } : answer];
    const indexes = partitions.map(({ partitionIndex }) => partitionIndex);
    return isAll || usesIds ? [] : [nothing(name, topicId, indexes, errorCode.none)];
  });
}

function failed({ groupId, topics }: Group, code: number): GroupAnswer {
  const answers = topics?.map((topic) => nothing(topic.name, topic.topicId, topic.partitionIndexes, code));
  return { groupId, errorCode: code, topics: answers ?? [] };
}

function nothing(name: string, topicId: string, partitionIndexes: readonly number[], code: number): TopicAnswer {
  const partitions = partitionIndexes.map((partitionIndex) => ({
    partitionIndex,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode: code,
  }));
  return { name, topicId, partitions };
}

function respond(version: number, answers: GroupAnswer[]): OffsetFetchResponse {
  const none = { throttleTimeMs: 0, topics: [], errorCode: errorCode.none, groups: [] };
  if (version >= firstGroupsVersion) {
    // An error of the group stands for all of it.
    const said = answers.map((answer) => (answer.errorCode === errorCode.none ? answer : { ...answer, topics: [] }));
    return { ...none, groups: said };
  }
  const answer = answers[0]!;
  // v1 can report an error only in the partitions.
  const isTold = version < firstErrorVersion || answer.errorCode === errorCode.none;
  const topics = isTold ? answer.topics : [];
  return {
    ...none,
    errorCode: version < firstErrorVersion ? errorCode.none : answer.errorCode,
    topics: topics.map(({ name, partitions }) => ({ name, partitions })),
  };
}
