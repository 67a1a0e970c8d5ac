/**
 * Responses of the classic group protocol, independent of versions. `…ForVersion` adapts them to what a version can
 * express.
 */
import { errorCode } from '../../protocol/error-codes.ts';
import type { JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Group } from './group.ts';
import { type Member, metadataFor, noAssignment } from './member.ts';

export function failedJoin(code: number, memberId = ''): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: code,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/** The group's generation as `member` sees it. The member that computes the assignment gets everybody's metadata. */
export function joined(
  group: Group,
  member: Member,
  options: { readonly withMembers: boolean; readonly skipAssignment?: boolean; readonly leader?: string | null },
): JoinGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: errorCode.none,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocol,
    leader: (options.leader === undefined ? group.leader : options.leader) ?? '',
    skipAssignment: options.skipAssignment ?? false,
    memberId: member.memberId,
    members: options.withMembers ? membersOf(group) : [],
  };
}

function membersOf(group: Group): JoinGroupResponse['members'] {
  return Array.from(group.members.values(), (each) => ({
    memberId: each.memberId,
    groupInstanceId: each.instanceId,
    metadata: metadataFor(each, group.protocol) ?? noAssignment,
  }));
}

export function failedSync(code: number): SyncGroupResponse {
  return { throttleTimeMs: 0, errorCode: code, protocolType: null, protocolName: null, assignment: noAssignment };
}

export function synced(group: Group, member: Member): SyncGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode: errorCode.none,
    protocolType: group.protocolType,
    protocolName: group.protocol,
    assignment: member.assignment,
  };
}

/** Before version 7 the protocol name cannot be null; from version 7 on it is never empty. */
export function joinForVersion(version: number, response: JoinGroupResponse): JoinGroupResponse {
  const name = response.protocolName ?? '';
  return { ...response, protocolName: name === '' && version >= 7 ? null : name };
}

/** Before version 3 there is one member, and its error is the response's. */
export function leaveForVersion(version: number, response: LeaveGroupResponse): LeaveGroupResponse {
  if (version >= 3) return response;
  const code = response.errorCode || (response.members[0]?.errorCode ?? errorCode.none);
  return { ...response, errorCode: code, members: [] };
}
