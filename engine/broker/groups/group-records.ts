/**
 * The coordinator's durable records, in Apache Kafka's own formats (group-coordinator/…/message/OffsetCommitKey.json,
 * OffsetCommitValue, GroupMetadataKey, GroupMetadataValue), so that Kafka's tools can read a dump of the partition.
 *
 * Keys: offset (version 0, 1) and group (version 2). Values: offset version 3, or 1 when the commit names its own
 * retention; group version 3. Version 4 of both values is flexible, and Kafka reads but never writes it by default.
 */
import { Failure } from '../../kernel/failure.ts';
import type { LogRecord } from './coordinator-log.ts';
import { RecordReader, RecordWriter } from './record-bytes.ts';

export interface CommittedOffset {
  /** Any int64, as in Kafka: a bigint beyond 2^53. */
  readonly offset: number | bigint;
  /** -1 when the client gave none. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitMs: number;
  /** Wall time at which the client's own retention ends; -1 for the coordinator's retention. */
  readonly expireMs: number;
}

export interface StoredMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** The member's metadata for the chosen protocol. */
  readonly subscription: Uint8Array;
  readonly assignment: Uint8Array;
}

export interface StoredGroup {
  /** Empty for a group that never had a member. */
  readonly protocolType: string;
  readonly generation: number;
  readonly protocol: string | null;
  readonly leader: string | null;
  /** Wall time of the last change of state, -1 when unknown. */
  readonly stateChangedMs: number;
  readonly members: readonly StoredMember[];
}

export type GroupRecord =
  /** The value is for decodeGroup. Only the last of a group's many records is worth decoding. */
  | { readonly kind: 'group'; readonly groupId: string; readonly value: Uint8Array | null }
  | {
      readonly kind: 'offset';
      readonly groupId: string;
      readonly topic: string;
      readonly partition: number;
      readonly value: CommittedOffset | null;
    };

/** The coordinator's log holds something that this version cannot read. */
export class GroupRecordCorrupt extends Failure {
  readonly code = 'data-corrupt';
}

export function groupKey(groupId: string): Uint8Array {
  return new RecordWriter().i16(2).text(groupId).end();
}

export function offsetKey(groupId: string, topic: string, partition: number): Uint8Array {
  return new RecordWriter().i16(1).text(groupId).text(topic).i32(partition).end();
}

export function encodeGroup(group: StoredGroup): Uint8Array {
  const out = new RecordWriter().i16(3);
  out.text(group.protocolType).i32(group.generation).text(group.protocol).text(group.leader).i64(group.stateChangedMs);
  out.i32(group.members.length);
  for (const member of group.members) {
    out.text(member.memberId).text(member.instanceId).text(member.clientId).text(member.clientHost);
    out.i32(member.rebalanceTimeoutMs).i32(member.sessionTimeoutMs).data(member.subscription).data(member.assignment);
  }
  return out.end();
}

export function encodeOffset(offset: CommittedOffset): Uint8Array {
  const out = new RecordWriter();
  if (offset.expireMs >= 0) {
    // Only version 1 has an expiry, and it has no leader epoch: Kafka loses the epoch here too.
    return out.i16(1).exactI64(offset.offset).text(offset.metadata).i64(offset.commitMs).i64(offset.expireMs).end();
  }
  return out.i16(3).exactI64(offset.offset).i32(offset.leaderEpoch).text(offset.metadata).i64(offset.commitMs).end();
}

/** Undefined for a key of another kind, which Kafka's replay also skips. Throws GroupRecordCorrupt. */
export function decodeRecord(record: LogRecord): GroupRecord | undefined {
  return named(() => {
    const key = new RecordReader(record.key);
    const version = key.i16();
    if (version === 2) return { kind: 'group', groupId: key.text(), value: record.value };
    if (version !== 0 && version !== 1) return undefined;
    const [groupId, topic, partition] = [key.text(), key.text(), key.i32()];
    const value = record.value === null ? null : decodeOffset(record.value);
    return { kind: 'offset', groupId, topic, partition, value };
  });
}

function named<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GroupRecordCorrupt(`coordinator record is cut short: ${error.message}`);
  }
}

/** Throws GroupRecordCorrupt. */
export function decodeGroup(bytes: Uint8Array): StoredGroup {
  return named(() => readGroup(bytes));
}

function readGroup(bytes: Uint8Array): StoredGroup {
  const from = new RecordReader(bytes);
  const version = versionOf(from, 'group');
  const [protocolType, generation, protocol, leader] = [
    from.text(),
    from.i32(),
    from.nullableText(),
    from.nullableText(),
  ];
  const stateChangedMs = version >= 2 ? from.i64() : -1;
  const members: StoredMember[] = [];
  for (let count = from.i32(); count > 0; count--) members.push(decodeMember(from, version));
  return { protocolType, generation, protocol, leader, stateChangedMs, members };
}

function decodeMember(from: RecordReader, version: number): StoredMember {
  const memberId = from.text();
  const instanceId = version >= 3 ? from.nullableText() : null;
  const [clientId, clientHost] = [from.text(), from.text()];
  const rebalance = version >= 1 ? from.i32() : -1;
  const sessionTimeoutMs = from.i32();
  return {
    memberId,
    instanceId,
    clientId,
    clientHost,
    rebalanceTimeoutMs: rebalance === -1 ? sessionTimeoutMs : rebalance,
    sessionTimeoutMs,
    subscription: from.data(),
    assignment: from.data(),
  };
}

export function decodeOffset(bytes: Uint8Array): CommittedOffset {
  const from = new RecordReader(bytes);
  const version = versionOf(from, 'offset');
  return {
    offset: from.exactI64(),
    leaderEpoch: version >= 3 ? from.i32() : -1,
    metadata: from.text(),
    commitMs: from.i64(),
    expireMs: version === 1 ? from.i64() : -1,
  };
}

function versionOf(from: RecordReader, kind: string): number {
  const version = from.i16();
  if (version < 0 || version > 3) throw new GroupRecordCorrupt(`${kind} record of version ${version}, expected 0 to 3`);
  return version;
}
