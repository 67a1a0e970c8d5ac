/** LeaveGroup: removes members, and rebalances the rest once for all of them. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import type { Group } from './group.ts';
import { completeJoinIfAllJoined, rebalanceOrCompleteJoin } from './rebalance.ts';
import { codeOf, type Shell } from './shell.ts';

type Leaving = LeaveGroupRequest['members'][number];

/** Resolves when the departure is durable, if it empties the group. */
export async function leaveGroup(
  shell: Shell,
  version: number,
  request: LeaveGroupRequest,
): Promise<LeaveGroupResponse> {
  const leaving =
    version >= 3 ? request.members : [{ memberId: request.memberId, groupInstanceId: null, reason: null }];
  if (request.groupId === '') return failedLeave(errorCode.invalidGroupId);
  const group = shell.groups.get(request.groupId);
  if (group?.state === 'Dead') return failedLeave(errorCode.coordinatorNotAvailable);
  const members = leaving.map((each) => ({
    memberId: each.memberId,
    groupInstanceId: each.groupInstanceId,
    errorCode: group === undefined ? errorCode.unknownMemberId : leave(group, each),
  }));
  if (group !== undefined && members.some((each) => each.errorCode === errorCode.none)) {
    try {
      await afterLeaving(shell, group);
    } catch (error) {
      return failedLeave(codeOf(error));
    }
  }
  return { throttleTimeMs: 0, errorCode: errorCode.none, members };
}

export function failedLeave(code: number): LeaveGroupResponse {
  return { throttleTimeMs: 0, errorCode: code, members: [] };
}

/** An administrator removes static members by instance id alone (KIP-345). */
function leave(group: Group, each: Leaving): number {
  if (each.memberId === '') {
    const memberId = each.groupInstanceId === null ? undefined : group.staticMembers.get(each.groupInstanceId);
    if (memberId === undefined) return errorCode.unknownMemberId;
    group.remove(memberId);
    return errorCode.none;
  }
  if (!group.pendingJoins.has(each.memberId)) {
    const refused = group.checkMember(each.memberId, each.groupInstanceId);
    if (refused !== errorCode.none) return refused;
  }
  group.remove(each.memberId);
  return errorCode.none;
}

function afterLeaving(shell: Shell, group: Group): Promise<void> {
  switch (group.state) {
    case 'Stable':
    case 'CompletingRebalance':
      return rebalanceOrCompleteJoin(shell, group);
    default:
      return completeJoinIfAllJoined(shell, group);
  }
}
