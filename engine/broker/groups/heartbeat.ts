/** Heartbeat: keeps a member's session, and tells it when to rejoin. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { HeartbeatRequest } from '../../protocol/messages/12-heartbeat.ts';
import { extendSession } from './rebalance.ts';
import type { Shell } from './shell.ts';

/** The error code to answer with. */
export function heartbeat(shell: Shell, request: HeartbeatRequest): number {
  if (request.groupId === '') return errorCode.invalidGroupId;
  const group = shell.groups.get(request.groupId);
  if (group === undefined) return errorCode.unknownMemberId;
  if (group.state === 'Dead') return errorCode.coordinatorNotAvailable;
  const refused = group.checkMember(request.memberId, request.groupInstanceId);
  if (refused !== errorCode.none) return refused;
  if (request.generationId !== group.generation) return errorCode.illegalGeneration;
  extendSession(group.members.get(request.memberId)!);
  return group.state === 'PreparingRebalance' ? errorCode.rebalanceInProgress : errorCode.none;
}
