/**
 * LeaveGroup (key 13): v0-v5. Back: engine/broker/groups/leave-group.ts, which takes many members at once (v3). The single
 * member of an older request becomes a list of one, and its error becomes the answer's.
 */
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../../engine/protocol/messages/13-leave-group.ts';
import { api } from '../api.ts';
import { askCoordinator, groupFault } from '../coordinate.ts';
import { coordinatorCode } from '../failures.ts';

const firstMembersVersion = 3;

export const leaveGroup = api(
  13,
  { from: 0, to: 5, charge: 'counted' },
  async (call, request) => {
    const fault = groupFault(request.groupId);
    if (fault !== errorCode.none) return refusal(fault);
    if (call.version >= firstMembersVersion) return askCoordinator(call, 13, request.groupId, request);
    const response = await askCoordinator(call, 13, request.groupId, withMembers(request));
    return refusal(response.errorCode === errorCode.none ? (response.members[0]?.errorCode ?? 0) : response.errorCode);
  },
  (_request, { errorCode: code }) => refusal(coordinatorCode(code)),
);

function withMembers({ groupId, memberId }: LeaveGroupRequest): LeaveGroupRequest {
  return { groupId, memberId: '', members: [{ memberId, groupInstanceId: null, reason: null }] };
}

function refusal(code: number): LeaveGroupResponse {
  return { throttleTimeMs: 0, errorCode: code, members: [] };
}
