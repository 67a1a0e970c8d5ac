/**
 * Moves a group from one generation to the next: gather the members, begin the generation, wait for the leader's
 * assignment. Every function works on the group as it is and returns at once. Whatever must be durable before a request
 * is answered is returned as a promise.
 */
import { errorCode } from '../../protocol/error-codes.ts';
import type { Group } from './group.ts';
import { isExcusedFromHeartbeat, type Member, noAssignment } from './member.ts';
import { failedSync, joined } from './responses.ts';
import { type Shell, storeGroup } from './shell.ts';

/** Nothing to wait for. */
const done = Promise.resolve();

export function extendSession(member: Member): void {
  member.session.set(member.sessionTimeoutMs);
}

/** After a change of members: starts a rebalance, or takes the running one a step further. */
export function rebalanceOrCompleteJoin(shell: Shell, group: Group): Promise<void> {
  return group.canRebalance() ? prepareRebalance(shell, group) : completeJoinIfAllJoined(shell, group);
}

/** In the first rebalance of an empty group, the delay decides rather than who is there. */
export function completeJoinIfAllJoined(shell: Shell, group: Group): Promise<void> {
  if (group.state !== 'PreparingRebalance' || group.previousState === 'Empty' || !group.allJoined()) return done;
  return completeJoin(shell, group);
}

export function prepareRebalance(shell: Shell, group: Group): Promise<void> {
  if (group.state === 'CompletingRebalance') failSyncs(group, errorCode.rebalanceInProgress);
  dropSyncTimer(group);
  const isInitial = group.state === 'Empty';
  group.transitionTo('PreparingRebalance', shell.clock.wallMs());
  if (isInitial) {
    const delayMs = shell.settings.initialRebalanceDelayMs;
    const restMs = Math.max(group.rebalanceTimeoutMs() - delayMs, 0);
    setJoinTimer(shell, group, delayMs, () => completeInitialJoin(shell, group, delayMs, restMs));
    return done;
  }
  if (group.allJoined()) return completeJoin(shell, group);
  setJoinTimer(shell, group, group.rebalanceTimeoutMs(), () => ignoreFailure(completeJoin(shell, group)));
  return done;
}

/** While members keep joining, extends the delay, up to their rebalance timeout in total. */
function completeInitialJoin(shell: Shell, group: Group, delayMs: number, restMs: number): void {
  if (!group.newMemberAdded || restMs === 0) {
    ignoreFailure(completeJoin(shell, group));
    return;
  }
  group.newMemberAdded = false;
  const nextDelayMs = Math.min(shell.settings.initialRebalanceDelayMs, restMs);
  const nextRestMs = Math.max(restMs - delayMs, 0);
  setJoinTimer(shell, group, nextDelayMs, () => completeInitialJoin(shell, group, nextDelayMs, nextRestMs));
}

/**
 * Begins the generation with the members that have joined. Dynamic members that have not are removed; static ones stay.
 */
export function completeJoin(shell: Shell, group: Group): Promise<void> {
  group.joinTimer?.cancel();
  group.joinTimer = undefined;
  if (group.state !== 'PreparingRebalance') return done;
  for (const member of group.members.values()) {
    if (member.parkedJoin === undefined && member.instanceId === null) group.remove(member.memberId);
  }
  if (!group.electJoinedLeader() && group.members.size > 0) {
    // Only static members are left, and none has joined: their sessions decide how long this continues.
    setJoinTimer(shell, group, group.rebalanceTimeoutMs(), () => ignoreFailure(completeJoin(shell, group)));
    return done;
  }
  group.newMemberAdded = false;
  group.beginGeneration(shell.clock.wallMs());
  // If the record is lost, a successor finds the previous generation; its members are gone and expire there.
  if (group.members.size === 0) return storeGroup(shell, group, () => {});
  for (const member of group.members.values()) {
    group.answerJoin(member, joined(group, member, { withMembers: group.leader === member.memberId }));
    extendSession(member);
    member.isNew = false;
    group.pendingSyncs.add(member.memberId);
  }
  const generation = group.generation;
  group.syncTimer = shell.clock.after(
    group.rebalanceTimeoutMs(),
    () => expireSyncs(shell, group, generation),
    'background',
  );
  return done;
}

/** Removes members that accepted their generation but never asked for their assignment: they delay all others. */
function expireSyncs(shell: Shell, group: Group, generation: number): void {
  group.syncTimer = undefined;
  if (generation !== group.generation || group.pendingSyncs.size === 0) return;
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return;
  for (const memberId of group.pendingSyncs) group.remove(memberId);
  ignoreFailure(prepareRebalance(shell, group));
}

export function receivedSync(group: Group, memberId: string): void {
  group.pendingSyncs.delete(memberId);
  if (group.pendingSyncs.size === 0) dropSyncTimer(group);
}

/** Answers every waiting member with the error, and removes the assignments. */
export function failSyncs(group: Group, code: number): void {
  for (const member of group.members.values()) {
    member.assignment = noAssignment;
    // Its session may have expired unnoticed while it waited. From here on it counts again.
    if (group.answerSync(member, failedSync(code))) extendSession(member);
  }
}

/** The session of a member, or of an id that was handed out, has ended. */
export function expireSession(shell: Shell, group: Group, memberId: string): void {
  if (group.state === 'Dead') return;
  const member = group.members.get(memberId);
  if (member === undefined) {
    if (!group.pendingJoins.has(memberId)) return;
    group.remove(memberId);
    if (group.state === 'PreparingRebalance' && group.allJoined()) ignoreFailure(completeJoin(shell, group));
  } else if (!isExcusedFromHeartbeat(member)) {
    ignoreFailure(removeMember(shell, group, memberId));
  }
}

function removeMember(shell: Shell, group: Group, memberId: string): Promise<void> {
  group.remove(memberId);
  if (group.state === 'Stable' || group.state === 'CompletingRebalance') return rebalanceOrCompleteJoin(shell, group);
  if (group.state === 'PreparingRebalance' && group.allJoined()) return completeJoin(shell, group);
  return done;
}

/** For rebalances that no request waits for. completeJoin explains why losing an empty generation is harmless. */
export function ignoreFailure(written: Promise<void>): void {
  written.catch(() => {});
}

function setJoinTimer(shell: Shell, group: Group, delayMs: number, fn: () => void): void {
  group.joinTimer?.cancel();
  group.joinTimer = shell.clock.after(delayMs, fn, 'background');
}

function dropSyncTimer(group: Group): void {
  group.pendingSyncs.clear();
  group.syncTimer?.cancel();
  group.syncTimer = undefined;
}

/** The group goes away. None of its timers fires any longer, and the caller answers its parked requests. */
export function dropTimers(group: Group): void {
  group.joinTimer?.cancel();
  group.joinTimer = undefined;
  dropSyncTimer(group);
  for (const member of group.members.values()) member.session.cancel();
  for (const memberId of group.pendingJoins.keys()) group.dropPendingJoin(memberId);
}
