/** SyncGroup: the leader submits everybody's assignment, and each member waits for its own. */
import { errorCode } from '../../protocol/error-codes.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Group } from './group.ts';
import { type Answer, copyBytes, noAssignment } from './member.ts';
import { extendSession, failSyncs, ignoreFailure, rebalanceOrCompleteJoin, receivedSync } from './rebalance.ts';
import { failedSync, synced } from './responses.ts';
import { codeOf, type Shell, storeGroup } from './shell.ts';

export function syncGroup(shell: Shell, request: SyncGroupRequest, answer: Answer<SyncGroupResponse>): void {
  if (request.groupId === '') return answer(failedSync(errorCode.invalidGroupId));
  const group = shell.groups.get(request.groupId);
  if (group === undefined || group.state === 'Empty') return answer(failedSync(errorCode.unknownMemberId));
  const refused = refuse(group, request);
  if (refused !== errorCode.none) return answer(failedSync(refused));
  const member = group.members.get(request.memberId)!;
  switch (group.state) {
    case 'PreparingRebalance':
      return answer(failedSync(errorCode.rebalanceInProgress));
    case 'CompletingRebalance':
      // A repeat from a new connection: only the later one can be waited for.
      group.answerSync(member, failedSync(errorCode.rebalanceInProgress));
      member.parkedSync = answer;
      receivedSync(group, member.memberId);
      // A leader that repeats its request while its assignment is in flight waits for that one. Writing the second as
      // well would leave the log with an assignment that the members were never told.
      if (group.leader === member.memberId && group.syncingGeneration !== group.generation)
        assign(shell, group, request);
      return undefined;
    default:
      receivedSync(group, member.memberId);
      return answer(synced(group, member));
  }
}

function refuse(group: Group, request: SyncGroupRequest): number {
  if (group.state === 'Dead') return errorCode.coordinatorNotAvailable;
  const refused = group.checkMember(request.memberId, request.groupInstanceId);
  if (refused !== errorCode.none) return refused;
  if (request.generationId !== group.generation) return errorCode.illegalGeneration;
  const differs = (asked: string | null, is: string | null): boolean => asked !== null && is !== null && asked !== is;
  if (differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocol)) {
    return errorCode.inconsistentGroupProtocol;
  }
  return errorCode.none;
}

/**
 * Makes the generation durable, then gives every member its part.
 *
 * A member may join or leave while the record is in flight, so the group may be preparing the next generation when the
 * record lands. Waiting members have then been told to rejoin, the assignment is void, and nothing is applied. A
 * successor that finds this record believes the generation stable. The members know the generation, so their heartbeats
 * pass there. A member that has rejoined by then is told ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID, and starts over.
 */
function assign(shell: Shell, group: Group, request: SyncGroupRequest): void {
  const { generation } = group;
  const assignments = new Map(request.assignments.map((each) => [each.memberId, copyBytes(each.assignment)]));
  const isCurrent = (): boolean => group.state === 'CompletingRebalance' && group.generation === generation;
  group.syncingGeneration = generation;
  const landed = (): void => {
    if (group.syncingGeneration === generation) group.syncingGeneration = -1;
  };
  const apply = (): void => {
    landed();
    if (!isCurrent()) return;
    for (const member of group.members.values()) {
      member.assignment = assignments.get(member.memberId) ?? noAssignment;
    }
    group.transitionTo('Stable', shell.clock.wallMs());
    for (const member of group.members.values()) {
      if (group.answerSync(member, synced(group, member))) extendSession(member);
    }
  };
  storeGroup(shell, group, apply, assignments).catch((error: unknown) => {
    landed();
    if (!isCurrent()) return;
    failSyncs(group, codeOf(error));
    ignoreFailure(rebalanceOrCompleteJoin(shell, group));
  });
}
