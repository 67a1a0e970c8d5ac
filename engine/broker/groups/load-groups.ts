/** Reads the groups from the log, and writes them again as the log's live state. */
import type { Clock } from '../../kernel/clock.ts';
import type { CoordinatorLog, LogRecord } from './coordinator-log.ts';
import { Deadline } from './deadline.ts';
import { Group } from './group.ts';
import {
  decodeGroup,
  decodeRecord,
  encodeGroup,
  encodeOffset,
  groupKey,
  offsetKey,
  type StoredMember,
} from './group-records.ts';
import { copyBytes, type Member } from './member.ts';
import { groupOf, putOffset, removeOffset } from './offset-commit.ts';
import { expireSession, extendSession, ignoreFailure, prepareRebalance } from './rebalance.ts';
import type { Shell } from './shell.ts';

/**
 * Fills `groups` from the log and returns the bytes read. Throws GroupRecordCorrupt. Only the last record of a group
 * counts, so members are decoded once, at the end.
 */
export async function replayGroups(groups: Map<string, Group>, clock: Clock, log: CoordinatorLog): Promise<number> {
  let bytes = 0;
  await log.replay((record) => {
    bytes += record.key.length + (record.value?.length ?? 0);
    applyRecord(groups, clock, record);
  });
  return bytes;
}

function applyRecord(groups: Map<string, Group>, clock: Clock, record: LogRecord): void {
  const decoded = decodeRecord(record);
  if (decoded === undefined) return;
  if (decoded.kind === 'group') {
    if (decoded.value === null) {
      groups.delete(decoded.groupId);
      return;
    }
    const group = groupOf({ groups, clock }, decoded.groupId);
    group.durable = true;
    group.stored = copyBytes(decoded.value);
    return;
  }
  const { groupId, topic, partition, value } = decoded;
  if (value === null) {
    const group = groups.get(groupId);
    if (group !== undefined) removeOffset(group, topic, partition);
    return;
  }
  const group = groupOf({ groups, clock }, groupId);
  group.durable = true;
  putOffset(group, topic, partition, value);
}

/**
 * Members continue as if nothing had happened: their sessions restart, and their next heartbeat is answered. A
 * rebalance that was running is forgotten, and its members find out through UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION.
 */
export function resumeGroups(shell: Shell): void {
  for (const group of shell.groups.values()) {
    if (group.stored !== undefined) restore(shell, group, group.stored);
    for (const member of group.members.values()) extendSession(member);
    // The limit was lowered: the last to rejoin are shut out.
    if (group.members.size > shell.settings.membersMax) ignoreFailure(prepareRebalance(shell, group));
  }
}

function restore(shell: Shell, group: Group, value: Uint8Array): void {
  const stored = decodeGroup(value);
  group.generation = stored.generation;
  group.protocol = stored.protocol;
  group.leader = stored.leader;
  group.stateChangedMs = stored.stateChangedMs;
  const protocolType = stored.protocolType === '' ? null : stored.protocolType;
  group.protocolType = protocolType;
  for (const member of stored.members) {
    group.add(restoredMember(shell, group, stored.protocol, member), stored.protocolType, undefined);
  }
  if (stored.members.length > 0) group.state = 'Stable';
  group.readSubscriptions();
}

/** The record holds only the metadata of the chosen strategy. */
function restoredMember(shell: Shell, group: Group, protocol: string | null, stored: StoredMember): Member {
  const { subscription, ...rest } = stored;
  return {
    ...rest,
    protocols: protocol === null ? [] : [{ name: protocol, metadata: subscription }],
    isNew: false,
    parkedJoin: undefined,
    parkedSync: undefined,
    session: new Deadline(shell.clock, () => expireSession(shell, group, stored.memberId)),
  };
}

/**
 * The durable state as records, each read from memory when the iterator reaches it. Groups and offsets may come and go
 * between two steps. Removed state must not come back, so every step checks that its entry is still in its map.
 */
export function* liveRecords(groups: ReadonlyMap<string, Group>): Iterator<LogRecord> {
  // Later groups write their own records, so the walk ends.
  const groupIds = Array.from(groups.keys());
  for (const groupId of groupIds) {
    const group = groups.get(groupId);
    if (!group?.durable) continue;
    // A simple group without offsets has nothing else to keep it until it expires.
    const isBare = group.stored === undefined && group.offsets.size === 0;
    const value = isBare ? encodeGroup({ ...emptyGroup, stateChangedMs: group.stateChangedMs }) : group.stored;
    if (value !== undefined) yield { key: groupKey(groupId), value };
    for (const [topic, partitions] of group.offsets) {
      for (const [partition, offset] of partitions) {
        if (groups.get(groupId) !== group || group.offsets.get(topic) !== partitions) break;
        yield { key: offsetKey(groupId, topic, partition), value: encodeOffset(offset) };
      }
    }
  }
}

const emptyGroup = { protocolType: '', generation: 0, protocol: null, leader: null, members: [] };
