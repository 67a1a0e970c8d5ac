/** What brokers answer in tests of the control plane: offsets and groups from plain values. */
import type { CoordinatorApi, PartitionApi } from '../../engine/engine.ts';
import type { RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { listOffsetsResponse } from '../../engine/protocol/messages/02-list-offsets.ts';
import { offsetFetchResponse } from '../../engine/protocol/messages/09-offset-fetch.ts';
import { describeGroupsResponse } from '../../engine/protocol/messages/15-describe-groups.ts';
import { describeLogDirsResponse } from '../../engine/protocol/messages/35-describe-log-dirs.ts';
import { deleteGroupsResponse } from '../../engine/protocol/messages/42-delete-groups.ts';

export interface GroupInTest {
  readonly state: string;
  readonly committed: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[];
}

export function offsetsAnswer<K extends PartitionApi>(
  key: K,
  request: RequestOf<K>,
  endOffset: number | undefined,
): ResponseOf<K> {
  if (key === 35) return sizesAnswer(request as RequestOf<35>, endOffset) as ResponseOf<35> as ResponseOf<K>;
  if (key !== 2) throw new Error(`no answer to ${key}`);
  const { topics } = request as RequestOf<2>;
  const answer = make(listOffsetsResponse, {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => ({
        partitionIndex,
        errorCode: endOffset === undefined ? errorCode.notLeaderOrFollower : errorCode.none,
        offset: timestamp === -2 ? 0 : (endOffset ?? -1),
      })),
    })),
  });
  return answer as ResponseOf<2> as ResponseOf<K>;
}

/** A hundred bytes for each record. */
function sizesAnswer({ topics }: RequestOf<35>, endOffset: number | undefined): ResponseOf<35> {
  const told = endOffset === undefined ? [] : topics!;
  const sized = told.map(({ topic, partitions }) => ({
    name: topic,
    partitions: partitions.map((partitionIndex) => ({ partitionIndex, partitionSize: endOffset! * 100 })),
  }));
  return make(describeLogDirsResponse, { results: [{ topics: sized }] });
}

export function coordinatorAnswer<K extends CoordinatorApi>(
  key: K,
  request: RequestOf<K>,
  groups: Map<string, GroupInTest>,
): ResponseOf<K> {
  if (key === 15) return describe(request as RequestOf<15>, groups) as ResponseOf<K>;
  if (key === 9) return committed(request as RequestOf<9>, groups) as ResponseOf<K>;
  if (key === 42) return remove(request as RequestOf<42>, groups) as ResponseOf<K>;
  throw new Error(`no answer to ${key}`);
}

function describe(request: RequestOf<15>, groups: Map<string, GroupInTest>): ResponseOf<15> {
  const groupId = request.groups[0]!;
  const group = groups.get(groupId);
  const members = group?.state === 'Stable' ? [{ memberId: 'm-1', clientId: 'app', clientHost: '10.0.0.1' }] : [];
  return make(describeGroupsResponse, {
    groups: [{ groupId, groupState: group?.state ?? 'Dead', protocolType: 'consumer', members }],
  });
}

function committed(request: RequestOf<9>, groups: Map<string, GroupInTest>): ResponseOf<9> {
  const { groupId } = request.groups[0]!;
  const topics = (groups.get(groupId)?.committed ?? []).map(({ topic, partition, offset }) => ({
    name: topic,
    partitions: [{ partitionIndex: partition, committedOffset: offset }],
  }));
  return make(offsetFetchResponse, { groups: [{ groupId, topics }] });
}

function remove(request: RequestOf<42>, groups: Map<string, GroupInTest>): ResponseOf<42> {
  const groupId = request.groupsNames[0]!;
  const group = groups.get(groupId);
  const code = !group ? errorCode.groupIdNotFound : group.state === 'Stable' ? errorCode.nonEmptyGroup : errorCode.none;
  if (code === errorCode.none) groups.delete(groupId);
  return make(deleteGroupsResponse, { results: [{ groupId, errorCode: code }] });
}
