/**
 * A static member (KIP-345) came back without its member id. It takes the place of the old member, which is fenced. In
 * a stable group whose strategy stays the same, nobody else notices, which is the point of static members.
 */
import { Deadline } from './deadline.ts';
import type { Group } from './group.ts';
import type { Join } from './join-group.ts';
import { copyProtocols, type Member } from './member.ts';
import {
  completeJoinIfAllJoined,
  expireSession,
  extendSession,
  ignoreFailure,
  prepareRebalance,
  rebalanceOrCompleteJoin,
} from './rebalance.ts';
import { failedJoin, joined } from './responses.ts';
import { codeOf, type Shell, storeGroup } from './shell.ts';

export function replaceStaticMember(shell: Shell, group: Group, join: Join, oldId: string, newId: string): void {
  const formerLeader = group.leader;
  const old = group.members.get(oldId)!;
  const member = successor(shell, group, old, newId);
  group.replaceStatic(old, member);
  extendSession(member);
  member.rebalanceTimeoutMs = join.rebalanceTimeoutMs;
  member.sessionTimeoutMs = join.request.sessionTimeoutMs;
  group.updateMember(member, copyProtocols(join.request.protocols), join.answer);
  switch (group.state) {
    case 'Stable':
      // With another strategy the assignments would be unreadable.
      if (group.nextProtocol() !== group.protocol) ignoreFailure(rebalanceOrCompleteJoin(shell, group));
      else answerWhenStored(shell, group, join, { old, member, formerLeader });
      break;
    case 'CompletingRebalance':
      // The leader may be assigning to the old id right now, and the new one would get nothing.
      ignoreFailure(prepareRebalance(shell, group));
      break;
    default:
      ignoreFailure(completeJoinIfAllJoined(shell, group));
  }
}

function successor(shell: Shell, group: Group, old: Member, memberId: string): Member {
  return {
    ...old,
    memberId,
    isNew: false,
    parkedJoin: undefined,
    parkedSync: undefined,
    session: new Deadline(shell.clock, () => expireSession(shell, group, memberId)),
  };
}

/**
 * The new id must be durable before its owner learns it: a successor that still knew the old one would fence the
 * member.
 *
 * The group may begin a rebalance while the record is in flight. The parked join is then one of those that the
 * rebalance waits for, and is answered with the next generation; nothing is left to do here. The same holds when yet
 * another process takes the instance id: it has fenced this one.
 */
function answerWhenStored(
  shell: Shell,
  group: Group,
  join: Join,
  change: { readonly old: Member; readonly member: Member; readonly formerLeader: string | null },
): void {
  const { old, member, formerLeader } = change;
  const { generation } = group;
  const isStillParked = (): boolean =>
    group.state === 'Stable' && group.generation === generation && member.parkedJoin === join.answer;
  const apply = (): void => {
    if (!isStillParked()) return;
    const isLeader = group.leader === member.memberId;
    // Before version 9 a leader cannot be told to skip the assignment, and a stable group would not accept its
    // assignment. So the response names its former id as the leader, and the member believes itself a follower.
    const response =
      join.version >= 9
        ? joined(group, member, { withMembers: isLeader, skipAssignment: isLeader })
        : joined(group, member, { withMembers: false, leader: formerLeader });
    group.answerJoin(member, response);
  };
  storeGroup(shell, group, apply).catch((error: unknown) => {
    if (!isStillParked()) return;
    group.answerJoin(member, failedJoin(codeOf(error)));
    // The log has the old id, so the group goes back to it.
    const restored = successor(shell, group, old, old.memberId);
    group.replaceStatic(member, restored);
    extendSession(restored);
  });
}
