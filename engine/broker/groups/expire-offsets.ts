/**
 * Removes what nobody has used for the retention time: offsets, and then empty groups without offsets. The rules are
 * Kafka's (KIP-211). Offsets of an empty group age from when it became empty, those of a simple group from their
 * commit, and those of a consumer group with members from their commit if no member subscribes to the topic. When
 * another topic has taken a topic's name, the former topic's offsets go at once.
 */
import type { LogRecord } from './coordinator-log.ts';
import { removeGroup, removeOffsets } from './delete-groups.ts';
import { consumerProtocolType, type Group } from './group.ts';
import { type CommittedOffset, offsetKey } from './group-records.ts';
import { ignoreFailure } from './rebalance.ts';
import { isOfFormerTopic, type Shell } from './shell.ts';

/** Checks all groups, some per event-loop turn, then calls `done`. A failed write is retried the next time. */
export function expireOffsets(shell: Shell, done: () => void): void {
  const groupIds = [...shell.groups.keys()];
  let next = 0;
  const turn = (): void => {
    const end = Math.min(next + shell.settings.retentionGroupsPerTurn, groupIds.length);
    for (; next < end; next++) {
      const group = shell.groups.get(groupIds[next]!);
      if (group !== undefined) ignoreFailure(expireGroup(shell, group));
    }
    if (next < groupIds.length) shell.clock.endOfTurn(turn);
    else done();
  };
  turn();
}

function expireGroup(shell: Shell, group: Group): Promise<void> {
  // A commit in flight replaces what looks old here, and its record lies before the tombstone we would write.
  if (group.state === 'Dead' || group.commitsInFlight > 0) return Promise.resolve();
  const since = agesSince(group);
  const nowMs = shell.clock.wallMs();
  const records: LogRecord[] = [];
  const removed: { topic: string; partition: number }[] = [];
  let kept = 0;
  for (const [topic, partitions] of group.offsets) {
    const isRead = since === undefined || group.isSubscribedTo(topic);
    for (const [partition, offset] of partitions) {
      const isUsed = isRead || !isExpired(offset, since(offset), nowMs, shell.settings.offsetsRetentionMs);
      if (isUsed && !isOfFormerTopic(shell, topic, offset)) {
        kept += 1;
        continue;
      }
      records.push({ key: offsetKey(group.groupId, topic, partition), value: null });
      removed.push({ topic, partition });
    }
  }
  const isUnused = kept === 0 && group.state === 'Empty' && group.pendingJoins.size === 0 && group.durable;
  return isUnused ? removeGroup(shell, group) : removeOffsets(shell, group, records, removed);
}

/** The time from which an offset of the group ages; undefined when none does. */
function agesSince(group: Group): ((offset: CommittedOffset) => number) | undefined {
  const fromCommit = (offset: CommittedOffset): number => offset.commitMs;
  if (group.protocolType === null) return fromCommit;
  if (group.state === 'Empty') return group.stateChangedMs < 0 ? fromCommit : () => group.stateChangedMs;
  const isKnown = group.protocolType === consumerProtocolType && group.knowsSubscriptions();
  return isKnown && group.state === 'Stable' ? fromCommit : undefined;
}

function isExpired(offset: CommittedOffset, sinceMs: number, nowMs: number, retentionMs: number): boolean {
  return offset.expireMs >= 0 ? nowMs >= offset.expireMs : nowMs - sinceMs >= retentionMs;
}
