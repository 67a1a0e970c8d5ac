/**
 * One classic consumer group as data with its rules: who is a member, who may do what, and which state follows which.
 * No clock, no log, no timers; rebalance.ts moves it.
 *
 * ```
 *            join               all joined, or time is up          leader synced, durable
 *   Empty ─────────► PreparingRebalance ─────────► CompletingRebalance ─────────► Stable
 *     ▲                 │     ▲   ▲                       │                          │
 *     └── nobody left ──┘     │   └── join, leave, expiry ┘                          │
 *                             └──────────────── join, leave, expiry ─────────────────┘
 *   any ──► Dead: the coordinator moved away, or the group's tombstone is on its way to the log
 * ```
 * The same machine as Kafka's ClassicGroup. Generations and members are kept in memory; the log has the group as of the
 * last completed sync, of the last time it became empty, and of the last replaced static member.
 */
import { assert } from '../../kernel/assert.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import type { JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import type { Timer } from '../../kernel/clock.ts';
import type { Deadline } from './deadline.ts';
import type { CommittedOffset } from './group-records.ts';
import {
  type Answer,
  heldMemberBytes,
  heldPendingBytes,
  type Member,
  type MemberProtocol,
  metadataFor,
} from './member.ts';
import { failedJoin, failedSync } from './responses.ts';
import { selectProtocol } from './select-protocol.ts';
import { subscribedTopicsOf } from './subscription.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

const before: Readonly<Record<GroupState, readonly GroupState[]>> = {
  // From Dead, when a tombstone could not be written and the group stays.
  Empty: ['PreparingRebalance', 'Dead'],
  PreparingRebalance: ['Empty', 'CompletingRebalance', 'Stable'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: ['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable', 'Dead'],
};

/** Protocol type of Kafka's own consumers, whose metadata the coordinator can read. */
export const consumerProtocolType = 'consumer';

export class Group {
  readonly groupId: string;
  state: GroupState = 'Empty';
  previousState: GroupState = 'Empty';
  /** Wall time, -1 when a replayed record has none. */
  stateChangedMs: number;
  generation = 0;
  /** null: a simple group, which only stores offsets, or a group whose first member has not joined yet. */
  protocolType: string | null = null;
  protocol: string | null = null;
  leader: string | null = null;
  readonly members = new Map<string, Member>();
  /** instance id -> member id. */
  readonly staticMembers = new Map<string, string>();
  /** Ids handed out with MEMBER_ID_REQUIRED that have not joined yet. */
  readonly pendingJoins = new Map<string, Deadline>();
  /** Members of this generation that have not sent SyncGroup. */
  readonly pendingSyncs = new Set<string>();
  /** For each of the members' protocols, how many members support it. */
  readonly #supporters = new Map<string, number>();
  #memberBytes = 0;
  #parkedJoins = 0;
  /** A member joined during the initial delay, which is then extended. */
  newMemberAdded = false;
  /** Undefined when the members' metadata cannot be read. */
  #subscribedTopics: ReadonlySet<string> | undefined;
  joinTimer: Timer | undefined;
  syncTimer: Timer | undefined;
  /** The generation whose assignment is on its way to the log, -1 for none. */
  syncingGeneration = -1;

  readonly offsets = new Map<string, Map<number, CommittedOffset>>();
  /** Memory held by the offsets; putOffset and removeOffset keep it up to date. */
  offsetBytes = 0;
  /** Commits on their way to the log. The offsets they replace must not expire meanwhile. */
  commitsInFlight = 0;
  /** Whether the log contains the group. Until then it is invisible, because its creation may still fail. */
  durable = false;
  /** The write of the group's first record, while in flight. */
  creation: Promise<void> | undefined;
  /** The group record's value in the log; undefined for a simple group, which has none. */
  stored: Uint8Array | undefined;

  constructor(groupId: string, stateChangedMs: number) {
    this.groupId = groupId;
    this.stateChangedMs = stateChangedMs;
  }

  transitionTo(state: GroupState, wallMs: number): void {
    assert(before[state].includes(this.state), `group may go from ${this.state} to ${state}`);
    this.previousState = this.state;
    this.state = state;
    this.stateChangedMs = wallMs;
  }

  canRebalance(): boolean {
    return before.PreparingRebalance.includes(this.state);
  }

  /** Whether the group supports a new member: refuses one that none of the others can work with. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0;
    if (this.protocolType !== protocolType) return false;
    // A rebalance whose members have all left accepts any strategy.
    return protocols.some((each) => (this.#supporters.get(each.name) ?? 0) === this.members.size);
  }

  add(member: Member, protocolType: string, parkedJoin: Answer<JoinGroupResponse> | undefined): void {
    assert(!this.members.has(member.memberId), 'a member is added once');
    if (member.instanceId !== null) {
      assert(!this.staticMembers.has(member.instanceId), 'an instance id has one member');
      this.staticMembers.set(member.instanceId, member.memberId);
    }
    if (this.members.size === 0) this.protocolType = protocolType;
    this.leader ??= member.memberId;
    this.members.set(member.memberId, member);
    this.#countSupport(member, 1);
    this.#park(member, parkedJoin);
    this.dropPendingJoin(member.memberId);
  }

  /**
   * Forgets a member or a pending join, if there is one. The member's parked requests are answered: if it is alive, it
   * rejoins.
   */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) {
      this.members.delete(memberId);
      this.#countSupport(member, -1);
      this.answerJoin(member, failedJoin(errorCode.unknownMemberId));
      this.answerSync(member, failedSync(errorCode.unknownMemberId));
      member.session.cancel();
      if (member.instanceId !== null) this.staticMembers.delete(member.instanceId);
    }
    if (this.leader === memberId) this.leader = this.members.keys().next().value ?? null;
    this.dropPendingJoin(memberId);
    this.pendingSyncs.delete(memberId);
  }

  addPendingJoin(memberId: string, expiry: Deadline): void {
    this.pendingJoins.set(memberId, expiry);
    this.#memberBytes += heldPendingBytes(memberId);
  }

  dropPendingJoin(memberId: string): void {
    this.pendingJoins.get(memberId)?.cancel();
    if (this.pendingJoins.delete(memberId)) this.#memberBytes -= heldPendingBytes(memberId);
  }

  /** Puts `member`, which has taken over the instance id, in the place of the old member, which is fenced at once. */
  replaceStatic(old: Member, member: Member): void {
    assert(old.instanceId !== null && old.instanceId === member.instanceId, 'a static member keeps its instance id');
    this.answerJoin(old, failedJoin(errorCode.fencedInstanceId, old.memberId));
    this.answerSync(old, failedSync(errorCode.fencedInstanceId));
    old.session.cancel();
    this.members.delete(old.memberId);
    this.members.set(member.memberId, member);
    // Not always the same: a member that is put back may have had other strategies.
    this.#countSupport(old, -1);
    this.#countSupport(member, 1);
    if (this.leader === old.memberId) this.leader = member.memberId;
    this.staticMembers.set(old.instanceId, member.memberId);
    if (this.pendingSyncs.delete(old.memberId)) this.pendingSyncs.add(member.memberId);
  }

  updateMember(member: Member, protocols: readonly MemberProtocol[], parkedJoin: Answer<JoinGroupResponse>): void {
    this.#countSupport(member, -1);
    member.protocols = protocols;
    this.#countSupport(member, 1);
    this.#park(member, parkedJoin);
  }

  answerJoin(member: Member, response: JoinGroupResponse): void {
    const answer = member.parkedJoin;
    this.#park(member, undefined);
    answer?.(response);
  }

  /** Returns whether a sync was parked. */
  answerSync(member: Member, response: SyncGroupResponse): boolean {
    const answer = member.parkedSync;
    member.parkedSync = undefined;
    answer?.(response);
    return answer !== undefined;
  }

  /** Memory held by the group for what its members sent. */
  get heldBytes(): number {
    return this.#memberBytes + (this.stored?.length ?? 0);
  }

  parkedJoins(): number {
    return this.#parkedJoins;
  }

  allJoined(): boolean {
    return this.members.size === this.#parkedJoins && this.pendingJoins.size === 0;
  }

  /** The longest time requested by a member, in milliseconds. */
  rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  /** Makes a joined member the leader. False when none has joined. */
  electJoinedLeader(): boolean {
    const leader = this.leader === null ? undefined : this.members.get(this.leader);
    if (leader === undefined) return false;
    if (leader.parkedJoin !== undefined) return true;
    for (const member of this.members.values()) {
      if (member.parkedJoin === undefined) continue;
      this.leader = member.memberId;
      return true;
    }
    return false;
  }

  nextProtocol(): string {
    return selectProtocol([...this.members.values()]);
  }

  /** Begins the next generation with the current members. */
  beginGeneration(wallMs: number): void {
    this.generation += 1;
    this.protocol = this.members.size > 0 ? this.nextProtocol() : null;
    this.readSubscriptions();
    this.transitionTo(this.members.size > 0 ? 'CompletingRebalance' : 'Empty', wallMs);
  }

  readSubscriptions(): void {
    this.#subscribedTopics = undefined;
    if (this.protocolType !== consumerProtocolType) return;
    const all = new Set<string>();
    if (this.members.size > 0 && this.protocol === null) return;
    for (const member of this.members.values()) {
      const topics = subscribedTopicsOf(metadataFor(member, this.protocol) ?? new Uint8Array(0));
      if (topics === undefined) return;
      for (const topic of topics) all.add(topic);
    }
    this.#subscribedTopics = all;
  }

  knowsSubscriptions(): boolean {
    return this.#subscribedTopics !== undefined;
  }

  /** Unreadable subscriptions of consumers count as all topics. */
  isSubscribedTo(topic: string): boolean {
    return this.#subscribedTopics?.has(topic) ?? this.protocolType === consumerProtocolType;
  }

  /** 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
  checkMember(memberId: string, instanceId: string | null): number {
    if (instanceId !== null) {
      const current = this.staticMembers.get(instanceId);
      if (current === undefined) return errorCode.unknownMemberId;
      if (current !== memberId) return errorCode.fencedInstanceId;
    }
    return this.members.has(memberId) ? errorCode.none : errorCode.unknownMemberId;
  }

  /** Keeps the count right, whatever the member's parked join changes from and to. */
  #park(member: Member, join: Answer<JoinGroupResponse> | undefined): void {
    if (member.parkedJoin !== undefined) this.#parkedJoins -= 1;
    if (join !== undefined) this.#parkedJoins += 1;
    member.parkedJoin = join;
  }

  #countSupport(member: Member, by: 1 | -1): void {
    this.#memberBytes += by * heldMemberBytes(member);
    for (const name of new Set(member.protocols.map((each) => each.name))) {
      const count = (this.#supporters.get(name) ?? 0) + by;
      if (count === 0) this.#supporters.delete(name);
      else this.#supporters.set(name, count);
    }
  }
}
