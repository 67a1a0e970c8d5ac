/** For each group request: where its error codes are, how long it may take, and its answer when no coordinator can give one. */
import type { CoordinatorApi } from '../engine.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import { make } from '../protocol/make.ts';
import { offsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import { offsetFetchResponse } from '../protocol/messages/09-offset-fetch.ts';
import { joinGroupResponse } from '../protocol/messages/11-join-group.ts';
import { heartbeatResponse } from '../protocol/messages/12-heartbeat.ts';
import { leaveGroupResponse } from '../protocol/messages/13-leave-group.ts';
import { syncGroupResponse } from '../protocol/messages/14-sync-group.ts';
import { describeGroupsResponse } from '../protocol/messages/15-describe-groups.ts';
import { deleteGroupsResponse } from '../protocol/messages/42-delete-groups.ts';
import { offsetDeleteResponse } from '../protocol/messages/47-offset-delete.ts';

export interface CoordinatorShape<K extends CoordinatorApi> {
  codes(response: ResponseOf<K>): number[];
  failure(request: RequestOf<K>, code: number): ResponseOf<K>;
  /** How long the request itself allows the coordinator to hold it. */
  waitMs(request: RequestOf<K>): number;
  /** The topics whose committed offsets it reads or writes, by name. */
  topics?(request: RequestOf<K>): readonly string[];
}

const ownCode = (response: { readonly errorCode: number }): number[] => [response.errorCode];
const noWait = (): number => 0;

const offsetCommit: CoordinatorShape<8> = {
  topics: ({ topics }) => topics.map(({ name }) => name),
  codes: ({ topics }) => topics.flatMap(({ partitions }) => partitions.map((each) => each.errorCode)),
  failure: ({ topics }, errorCode) =>
    make(offsetCommitResponse, {
      topics: topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
      })),
    }),
  waitMs: noWait,
};

const offsetFetch: CoordinatorShape<9> = {
  topics: ({ topics, groups }) =>
    [...(topics ?? []), ...groups.flatMap((group) => group.topics ?? [])].map(({ name }) => name),
  codes: ({ errorCode, groups, topics }) => [
    errorCode,
    ...groups.map((group) => group.errorCode),
    ...topics.flatMap(({ partitions }) => partitions.map((each) => each.errorCode)),
  ],
  // Up to v7 the request is about one group; v1 has error codes on the partitions only.
  failure: ({ groups, topics }, errorCode) =>
    make(offsetFetchResponse, {
      errorCode,
      topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, committedOffset: -1, errorCode })),
      })),
      groups: groups.map(({ groupId }) => ({ groupId, errorCode })),
    }),
  waitMs: noWait,
};

const joinGroup: CoordinatorShape<11> = {
  codes: ownCode,
  failure: ({ memberId }, errorCode) => make(joinGroupResponse, { errorCode, memberId }),
  // Answered when the generation is complete. Older clients send no separate rebalance timeout.
  waitMs: ({ rebalanceTimeoutMs, sessionTimeoutMs }) => Math.max(rebalanceTimeoutMs, sessionTimeoutMs),
};

const heartbeat: CoordinatorShape<12> = {
  codes: ownCode,
  failure: (_, errorCode) => make(heartbeatResponse, { errorCode }),
  waitMs: noWait,
};

const leaveGroup: CoordinatorShape<13> = {
  codes: ownCode,
  failure: (_, errorCode) => make(leaveGroupResponse, { errorCode }),
  waitMs: noWait,
};

/** A follower's SyncGroup waits for its leader, at most a rebalance timeout. The request does not state that timeout. */
const syncWaitMsMax = 300_000;

const syncGroup: CoordinatorShape<14> = {
  codes: ownCode,
  failure: (_, errorCode) => make(syncGroupResponse, { errorCode }),
  waitMs: () => syncWaitMsMax,
};

const describeGroups: CoordinatorShape<15> = {
  codes: ({ groups }) => groups.map((group) => group.errorCode),
  failure: ({ groups }, errorCode) =>
    make(describeGroupsResponse, { groups: groups.map((groupId) => ({ groupId, errorCode })) }),
  waitMs: noWait,
};

const deleteGroups: CoordinatorShape<42> = {
  codes: ({ results }) => results.map((result) => result.errorCode),
  failure: ({ groupsNames }, errorCode) =>
    make(deleteGroupsResponse, { results: groupsNames.map((groupId) => ({ groupId, errorCode })) }),
  waitMs: noWait,
};

const offsetDelete: CoordinatorShape<47> = {
  codes: ownCode,
  failure: (_, errorCode) => make(offsetDeleteResponse, { errorCode }),
  waitMs: noWait,
};

/** A mapped type, so that generic code with a given key gets that key's shape. */
export const coordinatorShapes: { readonly [K in CoordinatorApi]: CoordinatorShape<K> } = {
  8: offsetCommit,
  9: offsetFetch,
  11: joinGroup,
  12: heartbeat,
  13: leaveGroup,
  14: syncGroup,
  15: describeGroups,
  42: deleteGroups,
  47: offsetDelete,
};
