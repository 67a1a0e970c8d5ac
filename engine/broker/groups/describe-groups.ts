/** DescribeGroups and ListGroups: the current groups, for people and tools. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import type { ListGroupsRequest, ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import type { Group, GroupState } from './group.ts';
import { type Member, metadataFor, noAssignment } from './member.ts';
import type { Shell } from './shell.ts';

type DescribedGroup = DescribeGroupsResponse['groups'][number];

/** Kafka's value for "not requested". The door decides which operations are authorised. */
const noAuthorizedOperations = -2_147_483_648;

/**
 * Up to version 5 an unknown group is described as Dead without an error. From version 6 on it is GROUP_ID_NOT_FOUND
 * (KIP-1043).
 */
export function describeGroups(shell: Shell, version: number, request: DescribeGroupsRequest): DescribeGroupsResponse {
  const groups = request.groups.map((groupId) => {
    const group = visibleGroup(shell, groupId);
    if (group !== undefined) return describe(group);
    if (version < 6) return failedDescription(groupId, errorCode.none, null, 'Dead');
    return failedDescription(groupId, errorCode.groupIdNotFound, `Group ${groupId} not found.`, 'Dead');
  });
  return { throttleTimeMs: 0, groups };
}

export function failedDescription(
  groupId: string,
  code: number,
  errorMessage: string | null = null,
  groupState = '',
): DescribedGroup {
  return {
    errorCode: code,
    errorMessage,
    groupId,
    groupState,
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: noAuthorizedOperations,
  };
}

function describe(group: Group): DescribedGroup {
  // Until the group is stable its strategy may still change, so members are shown without it.
  const protocol = group.state === 'Stable' ? group.protocol : null;
  return {
    ...failedDescription(group.groupId, errorCode.none, null, shownState(group)),
    protocolType: group.protocolType ?? '',
    protocolData: protocol ?? '',
    members: Array.from(group.members.values(), (member) => describeMember(member, protocol)),
  };
}

function describeMember(member: Member, protocol: string | null): DescribedGroup['members'][number] {
  return {
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    memberMetadata: metadataFor(member, protocol) ?? noAssignment,
    memberAssignment: member.assignment,
  };
}

/** Filters ignore case. An unknown state or type matches nothing; ours are all of type classic. */
export function listGroups(shell: Shell, request: ListGroupsRequest): ListGroupsResponse {
  const states = new Set(request.statesFilter.map((each) => each.toLowerCase().trim()));
  const isTypeWanted =
    request.typesFilter.length === 0 || request.typesFilter.some((each) => each.toLowerCase() === 'classic');
  const groups: ListGroupsResponse['groups'] = [];
  for (const group of isTypeWanted ? shell.groups.values() : []) {
    const groupState = shownState(group);
    if (!group.durable || (states.size > 0 && !states.has(groupState.toLowerCase()))) continue;
    groups.push({ groupId: group.groupId, protocolType: group.protocolType ?? '', groupState, groupType: 'classic' });
  }
  return { throttleTimeMs: 0, errorCode: errorCode.none, groups };
}

function visibleGroup(shell: Shell, groupId: string): Group | undefined {
  const group = shell.groups.get(groupId);
  return group?.durable ? group : undefined;
}

/** Until its tombstone is durable, a deleted group still shows its last state, which was Empty. */
function shownState(group: Group): GroupState {
  return group.state === 'Dead' ? 'Empty' : group.state;
}
