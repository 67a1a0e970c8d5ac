/** One member of a classic group, with the requests it has parked. */
import type { JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Deadline } from './deadline.ts';

/** An assignment strategy that the member supports. Members list the preferred one first. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** Answers a parked request. Called once. */
export type Answer<T> = (response: T) => void;

export interface Member {
  readonly memberId: string;
  /** group.instance.id of a static member (KIP-345). */
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** Until its first join is answered, the member has no id to heartbeat with, and expires although it waits. */
  isNew: boolean;
  parkedJoin: Answer<JoinGroupResponse> | undefined;
  parkedSync: Answer<SyncGroupResponse> | undefined;
  readonly session: Deadline;
}

export const noAssignment = new Uint8Array(0);

/** A member that waits for the coordinator cannot heartbeat meanwhile, and need not. */
export function isExcusedFromHeartbeat(member: Member): boolean {
  return !member.isNew && (member.parkedJoin !== undefined || member.parkedSync !== undefined);
}

/** Undefined when the member does not support the protocol. */
export function metadataFor(member: Member, protocol: string | null): Uint8Array | undefined {
  return member.protocols.find((each) => each.name === protocol)?.metadata;
}

export function metadataBytes(protocols: readonly MemberProtocol[]): number {
  return protocols.reduce((bytes, { metadata }) => bytes + metadata.length, 0);
}

/** What a client says of itself, kept while it is a member or about to become one. */
export type Introduction = Pick<Member, 'memberId' | 'instanceId' | 'clientId' | 'clientHost' | 'protocols'>;

/** Overhead of the objects. */
const memberBytes = 1_024;
const protocolBytes = 128;

/** Its approximate size in memory. Names count even without metadata: a request may have a million of them. */
export function heldMemberBytes({ memberId, instanceId, clientId, clientHost, protocols }: Introduction): number {
  let bytes = memberBytes + memberId.length + (instanceId?.length ?? 0) + clientId.length + clientHost.length;
  for (const { name, metadata } of protocols) bytes += protocolBytes + name.length + metadata.length;
  return bytes;
}

/** Approximate memory of an id that was handed out. */
export function heldPendingBytes(memberId: string): number {
  return protocolBytes + memberId.length;
}

/** Same strategies with the same metadata in the same order. */
export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every((each, i) => each.name === b[i]!.name && Buffer.compare(each.metadata, b[i]!.metadata) === 0)
  );
}

/** Copies the protocols out of the request's frame, which would otherwise stay in memory as long as the member. */
export function copyProtocols(protocols: readonly MemberProtocol[]): MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: copyBytes(metadata) }));
}

export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
