/**
 * JoinGroup: who may enter, under which id, and whether that starts a rebalance. Follows Kafka's
 * GroupMetadataManager.classicGroupJoin case by case. The answer goes to `answer`, at once or when the generation
 * begins.
 */
import { errorCode } from '../../protocol/error-codes.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import { Deadline } from './deadline.ts';
import type { Group } from './group.ts';
import {
  type Answer,
  copyProtocols,
  type Member,
  heldMemberBytes,
  metadataBytes,
  noAssignment,
  sameProtocols,
} from './member.ts';
import { expireSession, ignoreFailure, rebalanceOrCompleteJoin } from './rebalance.ts';
import { textBytesMax } from './record-bytes.ts';
import { replaceStaticMember } from './replace-static-member.ts';
import { failedJoin, joined } from './responses.ts';
import { codeOf, createGroup, type GroupClient, isThereMemory, type Shell, storeGroup } from './shell.ts';

/** One join, with what the steps below need from it. */
export interface Join {
  readonly version: number;
  readonly request: JoinGroupRequest;
  readonly client: GroupClient;
  /** -1 in version 0 stands for the session timeout. */
  readonly rebalanceTimeoutMs: number;
  readonly answer: Answer<JoinGroupResponse>;
}

export function joinGroup(
  shell: Shell,
  version: number,
  request: JoinGroupRequest,
  client: GroupClient,
  answer: Answer<JoinGroupResponse>,
): void {
  const refused = refuse(shell, request, client);
  if (refused !== errorCode.none) {
    answer(failedJoin(refused, request.memberId));
    return;
  }
  const rebalanceTimeoutMs = version === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs;
  const join = { version, request, client, rebalanceTimeoutMs, answer };
  const group = shell.groups.get(request.groupId);
  if (group !== undefined) joinExistingGroup(shell, group, answeredOnceCreated(group, join));
  else joinNewGroup(shell, join);
}

/** The request's error, independent of its group's state; 0 for none. */
function refuse(shell: Shell, request: JoinGroupRequest, client: GroupClient): number {
  if (request.groupId === '') return errorCode.invalidGroupId;
  const { sessionTimeoutMsMin, sessionTimeoutMsMax } = shell.settings;
  if (request.sessionTimeoutMs < sessionTimeoutMsMin || request.sessionTimeoutMs > sessionTimeoutMsMax) {
    return errorCode.invalidSessionTimeout;
  }
  if (Buffer.byteLength(request.groupId) > textBytesMax) return errorCode.invalidGroupId;
  if (request.protocols.length > shell.settings.protocolsPerMemberMax) return errorCode.inconsistentGroupProtocol;
  // The other texts are also written to the group's record. Kafka fails with the same code, when it writes the record.
  const texts = [
    request.memberId,
    request.groupInstanceId ?? '',
    request.protocolType,
    client.clientId,
    client.clientHost,
  ];
  for (const { name } of request.protocols) texts.push(name);
  const idBytesMax = textBytesMax - memberIdSuffixBytes;
  if (texts.some((text) => Buffer.byteLength(text) > idBytesMax)) return errorCode.unknownServerError;
  return refuseHeld(shell, request, client);
}

/** Limits what a join holds in memory, long before a record that is too large is refused. */
function refuseHeld(shell: Shell, request: JoinGroupRequest, { clientId, clientHost }: GroupClient): number {
  const { groupId, memberId, groupInstanceId: instanceId, protocols } = request;
  if (metadataBytes(protocols) > shell.settings.recordBytesMax) return errorCode.unknownServerError;
  const known = shell.groups.get(groupId)?.members.get(memberId);
  const bytes = heldMemberBytes({ memberId, instanceId, clientId, clientHost, protocols });
  const addedBytes = bytes - (known ? heldMemberBytes(known) : 0);
  return isThereMemory(shell, addedBytes) ? errorCode.none : errorCode.groupMaxSizeReached;
}

/**
 * Only an existing group knows member ids. The group is recorded before its first member gets an answer, so from then
 * on it counts against quotas and is listed. Kafka also creates a group for a join that it then refuses; we do not,
 * since a tenant would pay for it.
 */
function joinNewGroup(shell: Shell, join: Join): void {
  const { groupId, memberId, protocolType, protocols } = join.request;
  if (memberId !== '') return join.answer(failedJoin(errorCode.unknownMemberId, memberId));
  if (protocolType === '' || protocols.length === 0) {
    return join.answer(failedJoin(errorCode.inconsistentGroupProtocol));
  }
  // Java clients and librdkafka treat this code as final. It is JoinGroup's closest code to "too many groups".
  const group = createGroup(shell, groupId);
  if (group === undefined) return join.answer(failedJoin(errorCode.groupMaxSizeReached));
  const created = storeGroup(shell, group, () => (group.creation = undefined));
  group.creation = created;
  created.catch(() => abandonGroup(shell, group));
  return joinExistingGroup(shell, group, answeredOnceCreated(group, join));
}

/**
 * Joins proceed while the group's first record is in flight, and are answered when it is durable. If the record fails,
 * the group is created again, and nobody may have heard of a generation of the failed one.
 */
function answeredOnceCreated(group: Group, join: Join): Join {
  const { creation } = group;
  if (creation === undefined) return join;
  const answer = (response: JoinGroupResponse): void => {
    creation.then(
      () => join.answer(response),
      (error: unknown) => join.answer(failedJoin(codeOf(error))),
    );
  };
  return { ...join, answer };
}

/** The group's first record was refused. Members waiting in the group rejoin. */
function abandonGroup(shell: Shell, group: Group): void {
  group.creation = undefined;
  if (group.durable || group.state === 'Dead') return;
  if (shell.groups.get(group.groupId) === group) shell.groups.delete(group.groupId);
  for (const memberId of [...group.members.keys(), ...group.pendingJoins.keys()]) group.remove(memberId);
  group.joinTimer?.cancel();
  group.syncTimer?.cancel();
  group.transitionTo('Dead', shell.clock.wallMs());
}

function joinExistingGroup(shell: Shell, group: Group, join: Join): void {
  const { memberId } = join.request;
  if (!isThereRoom(shell, group, memberId)) {
    group.remove(memberId);
    return join.answer(failedJoin(errorCode.groupMaxSizeReached));
  }
  // The tombstone is in flight: the group is about to be gone, and a retry creates it again.
  if (group.state === 'Dead') return join.answer(failedJoin(errorCode.coordinatorNotAvailable, memberId));
  if (!group.supports(join.request.protocolType, join.request.protocols)) {
    return join.answer(failedJoin(errorCode.inconsistentGroupProtocol, memberId));
  }
  return memberId === '' ? joinAsNewMember(shell, group, join) : joinAsKnownMember(shell, group, join);
}

/**
 * During a rebalance only joined members count, so the last to rejoin an oversized group are shut out. Otherwise all
 * members count.
 */
function isThereRoom(shell: Shell, group: Group, memberId: string): boolean {
  const { membersMax } = shell.settings;
  const member = group.members.get(memberId);
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return true;
    case 'PreparingRebalance':
      return member?.parkedJoin !== undefined || group.parkedJoins() < membersMax;
    default:
      return member !== undefined || group.members.size < membersMax;
  }
}

function joinAsNewMember(shell: Shell, group: Group, join: Join): void {
  const { request, version } = join;
  const instanceId = request.groupInstanceId;
  const memberId = newMemberId(shell, instanceId ?? join.client.clientId);
  if (instanceId !== null) {
    const current = group.staticMembers.get(instanceId);
    if (current === undefined) return addMember(shell, group, join, memberId);
    return replaceStaticMember(shell, group, join, current, memberId);
  }
  if (version < 4) return addMember(shell, group, join, memberId);
  // KIP-394: otherwise, each retry of a client would leave a dead member behind.
  if (group.pendingJoins.size >= shell.settings.pendingMembersMax) {
    return join.answer(failedJoin(errorCode.coordinatorLoadInProgress));
  }
  const expiry = new Deadline(shell.clock, () => expireSession(shell, group, memberId));
  group.addPendingJoin(memberId, expiry);
  expiry.set(request.sessionTimeoutMs);
  return join.answer(failedJoin(errorCode.memberIdRequired, memberId));
}

function joinAsKnownMember(shell: Shell, group: Group, join: Join): void {
  const { memberId, groupInstanceId, protocols } = join.request;
  if (group.pendingJoins.has(memberId)) {
    // Ids are handed out only to dynamic members. Kafka fails here with the same code.
    if (groupInstanceId !== null) return join.answer(failedJoin(errorCode.unknownServerError));
    return addMember(shell, group, join, memberId);
  }
  const refused = group.checkMember(memberId, groupInstanceId);
  if (refused !== errorCode.none) return join.answer(failedJoin(refused, memberId));
  const member = group.members.get(memberId)!;
  const isLeader = group.leader === memberId;
  const isUnchanged = sameProtocols(member.protocols, protocols);
  switch (group.state) {
    case 'PreparingRebalance':
      return rejoin(shell, group, member, join);
    case 'CompletingRebalance':
      // An unchanged member has probably lost the response to its join: it gets the same one again.
      if (isUnchanged) return join.answer(joined(group, member, { withMembers: isLeader }));
      return rejoin(shell, group, member, join);
    case 'Stable':
      // A leader may rejoin unchanged to have partitions reassigned, for example when a topic has grown.
      if (isLeader || !isUnchanged) return rejoin(shell, group, member, join);
      return join.answer(joined(group, member, { withMembers: false }));
    default:
      return join.answer(failedJoin(errorCode.unknownMemberId, memberId));
  }
}

function rejoin(shell: Shell, group: Group, member: Member, join: Join): void {
  const { protocols, sessionTimeoutMs } = join.request;
  // A repeat, from a new connection, of a join that is still parked: only the later one can be waited for.
  group.answerJoin(member, failedJoin(errorCode.rebalanceInProgress, member.memberId));
  member.rebalanceTimeoutMs = join.rebalanceTimeoutMs;
  member.sessionTimeoutMs = sessionTimeoutMs;
  group.updateMember(member, copyProtocols(protocols), join.answer);
  ignoreFailure(rebalanceOrCompleteJoin(shell, group));
}

function addMember(shell: Shell, group: Group, join: Join, memberId: string): void {
  const member = memberOf(shell, group, join, memberId);
  if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') group.newMemberAdded = true;
  group.add(member, join.request.protocolType, join.answer);
  // The member cannot heartbeat until it has its answer, and we cannot see whether its client still waits. So it may
  // wait this long; a live client then tries again.
  member.session.set(shell.settings.newMemberJoinMsMax);
  ignoreFailure(rebalanceOrCompleteJoin(shell, group));
}

function memberOf(shell: Shell, group: Group, join: Join, memberId: string): Member {
  return {
    memberId,
    instanceId: join.request.groupInstanceId,
    clientId: join.client.clientId,
    clientHost: join.client.clientHost,
    rebalanceTimeoutMs: join.rebalanceTimeoutMs,
    sessionTimeoutMs: join.request.sessionTimeoutMs,
    protocols: copyProtocols(join.request.protocols),
    assignment: noAssignment,
    isNew: true,
    parkedJoin: undefined,
    parkedSync: undefined,
    session: new Deadline(shell.clock, () => expireSession(shell, group, memberId)),
  };
}

const memberIdSuffixBytes = 37;

/** '<client or instance id>-<uuid>', as in Kafka. */
function newMemberId(shell: Shell, prefix: string): string {
  const bytes = shell.random.bytes(16);
  // RFC 9562 version 4.
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return `${prefix}-${parts.join('-')}`;
}
