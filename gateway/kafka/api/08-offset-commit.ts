/**
 * OffsetCommit (key 8): v2-v10. Back: engine/broker/groups/offset-commit.ts, which keeps offsets by topic name; this file
 * translates ids (v10). It answers for partitions that do not exist and does not forward them to the coordinator. Refused:
 * the first commit of a group over the cluster's groupsMax (81).
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../../engine/protocol/messages/08-offset-commit.ts';
import { tenantName } from '../../../tenancy/naming.ts';
import { api, type Call } from '../api.ts';
import { askCoordinator, groupFault, mayUseGroup } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';
import { findAsked, hasPartition } from '../topic-view.ts';

type Topic = OffsetCommitRequest['topics'][number];

const firstIdVersion = 10;
const firstNotFoundVersion = 9;

export const offsetCommit = api(
  8,
  { from: 2, to: 10, beside: 'alone', charge: 'counted' },
  async (call, request) => {
    const fault = groupFault(request.groupId, true);
    if (fault !== errorCode.none) return refuseAll(request, fault);
    if (!(await mayUseGroup(call, request.groupId))) return refuseAll(request, errorCode.groupMaxSizeReached);
    // As in Kafka, a topic that exists and is named without partitions is not answered.
    const isAnswered = (topic: Topic): boolean => topic.partitions.length > 0 || 'errorCode' in find(call, topic);
    return commit(call, { ...request, topics: request.topics.filter(isAnswered) });
  },
  (request, { errorCode: code }) => refuseAll(request, coordinatorCode(code)),
);

async function commit(call: Call, request: OffsetCommitRequest): Promise<OffsetCommitResponse> {
  const { principal, version } = call;
  const response = refuseAll(request, errorCode.none);
  const forwarded: OffsetCommitRequest['topics'] = [];
  /** Where the answer to forwarded[t].partitions[p] goes. */
  const slots: { errorCode: number }[][] = [];
  for (const [t, asked] of request.topics.entries()) {
    const answers = response.topics[t]!.partitions;
    const found = find(call, asked);
    if ('errorCode' in found) {
      for (const answer of answers) answer.errorCode = found.errorCode;
      continue;
    }
    const kept: { errorCode: number }[] = [];
    const partitions = asked.partitions.filter(({ partitionIndex }, p) => {
      const exists = hasPartition(found.topic, partitionIndex);
      if (exists) kept.push(answers[p]!);
      else answers[p]!.errorCode = errorCode.unknownTopicOrPartition;
      return exists;
    });
    if (partitions.length === 0) continue;
    forwarded.push({ ...asked, name: tenantName(principal.clusterId, found.topic.name)!, partitions });
    slots.push(kept);
  }
  if (forwarded.length === 0 && request.topics.length > 0) return response;
  const committed = await askCoordinator(call, 8, request.groupId, { ...request, topics: forwarded });
  for (const [t, { partitions }] of committed.topics.entries()) {
    for (const [p, { errorCode: code }] of partitions.entries()) slots[t]![p]!.errorCode = fit(version, code);
  }
  return response;
}

function find({ context, principal, version }: Call, topic: Topic): ReturnType<typeof findAsked> {
  return findAsked(context, principal, topic, version >= firstIdVersion);
}

/** A generation of a group that does not exist: coordinators are called in v9, which has a code for it. */
function fit(version: number, code: number): number {
  return version < firstNotFoundVersion && code === errorCode.groupIdNotFound ? errorCode.illegalGeneration : code;
}

function refuseAll(request: OffsetCommitRequest, code: number): OffsetCommitResponse {
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })),
  }));
  return { throttleTimeMs: 0, topics };
}
