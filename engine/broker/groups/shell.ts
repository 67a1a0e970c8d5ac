/** What the coordinator's operations share: the groups, the way to the log, time, randomness and limits. */
import { Failure, Overloaded } from '../../kernel/failure.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { errorCode, unsureCode, volumeFullCode } from '../../protocol/error-codes.ts';
import { Group } from './group.ts';
import { type CommittedOffset, encodeGroup, groupKey } from './group-records.ts';
import { type LogWriter, RecordTooLarge } from './log-writer.ts';
import { metadataFor, noAssignment } from './member.ts';
import type { OffsetRoom } from './offset-room.ts';
import type { GroupSettings } from './settings.ts';

/** Who sent a request. `clientHost` is shown by DescribeGroups; Kafka's looks like '/10.0.0.7'. */
export interface GroupClient {
  readonly clientId: string;
  readonly clientHost: string;
  /** When topics were made of which the gateway may have heard before this broker. */
  readonly topicsMadeMs?: ReadonlyMap<string, number>;
}

export interface Shell {
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly writer: LogWriter;
  readonly groups: Map<string, Group>;
  readonly offsetRoom: OffsetRoom;
  /** Wall time at which the topic of this name was created; -1 when unknown. */
  topicMadeMs(topic: string): number;
}

/**
 * Whether the offset was committed for a deleted topic whose name another topic now has. No consumer may continue there
 * in the new topic. No commit for the known topic is dated before its creation (offset-commit.ts).
 */
export function isOfFormerTopic(shell: Shell, topic: string, { commitMs }: CommittedOffset): boolean {
  return commitMs < shell.topicMadeMs(topic);
}

/** Undefined when there are already too many groups. */
export function createGroup(shell: Shell, groupId: string): Group | undefined {
  if (shell.groups.size >= shell.settings.groupsMax) return undefined;
  const group = new Group(groupId, shell.clock.wallMs());
  shell.groups.set(groupId, group);
  return group;
}

/** Whether the coordinator may hold this many more bytes of what members sent. */
export function isThereMemory({ groups, settings }: Shell, addedBytes: number): boolean {
  if (addedBytes <= 0) return true;
  let bytes = addedBytes;
  for (const group of groups.values()) bytes += group.heldBytes;
  return bytes <= settings.membersBytesMax;
}

/**
 * Writes the group in its current state, with `assignments` in place of the members' own where given. `apply` runs when
 * the record is durable, and may find the group in any later state.
 */
export function storeGroup(
  shell: Shell,
  group: Group,
  apply: () => void,
  assignments?: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const value = encodeGroup({
    protocolType: group.protocolType ?? '',
    generation: group.generation,
    protocol: group.protocol,
    leader: group.leader,
    stateChangedMs: group.stateChangedMs,
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      sessionTimeoutMs: member.sessionTimeoutMs,
      subscription: metadataFor(member, group.protocol) ?? noAssignment,
      assignment: assignments?.get(member.memberId) ?? (assignments === undefined ? member.assignment : noAssignment),
    })),
  });
  if (!isThereMemory(shell, value.length - (group.stored?.length ?? 0))) {
    return Promise.reject(
      new RecordTooLarge(`a group of ${value.length} bytes does not fit beside the groups that are held`),
    );
  }
  return shell.writer.write([{ key: groupKey(group.groupId), value }], () => {
    group.durable = true;
    group.stored = value;
    apply();
  });
}

/**
 * What clients are told when the log refuses: come back later, look for the coordinator, or an error of ours. The
 * mapping is Kafka's (CoordinatorOperationExceptionHelper), except for a disk without room. There, Kafka's broker is
 * about to stop and answers NOT_COORDINATOR. Our broker and this coordinator stay, so looking for another coordinator,
 * or waiting, is useless. And routing, which repeats what it may, must know what is certainly not stored from what may
 * be (unsureCode).
 */
export function codeOf(error: unknown): number {
  if (!(error instanceof Failure)) return errorCode.unknownServerError;
  if (error instanceof Overloaded) return errorCode.coordinatorLoadInProgress;
  switch (error.code) {
    case 'not-owner':
    case 'fenced':
    case 'shutting-down':
      return errorCode.notCoordinator;
    case 'disk-fault':
      return unsureCode;
    case 'disk-full':
      return volumeFullCode;
    default:
      return error.retryable ? errorCode.coordinatorNotAvailable : errorCode.unknownServerError;
  }
}
