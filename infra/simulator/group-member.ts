/**
 * A classic consumer of a group (KIP-62), from its join to its end. It joins, takes the partitions that the leader gives
 * it, reads where their last owner was, and commits growing offsets from there on. It ends by leaving, or silently.
 */
import { below, type Random } from '../../engine/kernel/random.ts';
import { encode } from '../../engine/protocol/compile.ts';
import { consumerSubscription } from '../../engine/protocol/consumer-protocol.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { offsetCommitRequest } from '../../engine/protocol/messages/08-offset-commit.ts';
import { offsetFetchRequest } from '../../engine/protocol/messages/09-offset-fetch.ts';
import { joinGroupRequest, type JoinGroupResponse } from '../../engine/protocol/messages/11-join-group.ts';
import { heartbeatRequest } from '../../engine/protocol/messages/12-heartbeat.ts';
import { leaveGroupRequest } from '../../engine/protocol/messages/13-leave-group.ts';
import { syncGroupRequest } from '../../engine/protocol/messages/14-sync-group.ts';
import type { CoordinatorApi } from '../../engine/engine.ts';
import type { RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import { type Door, noAnswer } from './door.ts';
import { noPart, type Part } from './group-part.ts';
import type { MemberGroup } from './member-group.ts';

const retryMs = 60;
const heartbeatMs = 250;
const busyMs = 1500;
const sessionTimeoutMs = 6000;
/** After this long the next rebalance drops a member that died. */
const rebalanceTimeoutMs = 600;
/** The version of each request: static members are known, and MEMBER_ID_REQUIRED. */
const versions: Readonly<Partial<Record<CoordinatorApi, number>>> = { 8: 7, 9: 8, 11: 5, 12: 3, 13: 3, 14: 3 };

interface Commit {
  readonly generation: number;
  readonly partition: number;
  readonly offset: number;
}

export class GroupMember {
  readonly #group: MemberGroup;
  readonly #random: Random;
  readonly name: string;
  /** Until it is not answered there. */
  #door: Door;
  #memberId = '';
  #generation = -1;
  /** Joins so far: when a member joins one generation twice only one join continues. */
  #joins = 0;
  #partitions: readonly number[] = [];
  /** The next offset to commit, by partition. */
  readonly #offsets = new Map<number, number>();
  /** Possibly from an earlier generation. */
  #last: Commit | undefined;
  #isOver = false;

  constructor(group: MemberGroup, name: string, random: Random) {
    this.#group = group;
    this.#random = random;
    this.name = name;
    this.#door = group.door.next();
    this.#join();
  }

  /** Its generation, once it knows its partitions and where to continue; -1 before. */
  get generation(): number {
    return this.#offsets.size === this.#partitions.length ? this.#generation : -1;
  }

  get partitions(): readonly number[] {
    return this.#partitions;
  }

  /** No longer needed: ends with a leave request to the coordinator, or silently. */
  end(isPolite: boolean): void {
    this.#isOver = true;
    if (!isPolite || this.#memberId === '') return;
    const groupId = this.#group.groupId;
    const members = [{ memberId: this.#memberId, groupInstanceId: null, reason: null }];
    this.#request(13, make(leaveGroupRequest, { groupId, members }), () => undefined);
  }

  #request<K extends CoordinatorApi>(
    key: K,
    request: RequestOf<K>,
    told: (response: ResponseOf<K> | undefined) => void,
  ): void {
    const { door, target } = this.#group;
    const client = { clientId: this.name, clientHost: '/127.0.0.1', version: versions[key]! };
    this.#door.request(
      ({ engine }) => engine.coordinatorRequest(key, target, request, client),
      (result) => {
        if (result === noAnswer) this.#door = door.next();
        told(result === noAnswer || result instanceof Error ? undefined : result);
      },
    );
  }

  #after(delayMs: number, fn: () => void): void {
    this.#group.world.loop.schedule(delayMs, () => {
      if (!this.#isOver && !this.#group.isOver) fn();
    });
  }

  #join(): void {
    this.#joins++;
    this.#generation = -1;
    this.#partitions = [];
    this.#offsets.clear();
    const { topic, groupId } = this.#group;
    const subscription = make(consumerSubscription, { topics: [topic.name] });
    const metadata = Buffer.concat([Buffer.alloc(2), ...encode(consumerSubscription, 0, subscription)]);
    const known = this.#group.latest;
    const request = make(joinGroupRequest, {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId: this.#memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata }],
    });
    this.#request(11, request, (response) => {
      if (response) this.#memberId = response.memberId;
      if (response?.errorCode === 0) return this.#sync(response, known);
      if (response?.errorCode === errorCode.memberIdRequired) return this.#after(0, () => this.#join());
      if (response?.errorCode === errorCode.unknownMemberId) this.#memberId = '';
      this.#after(retryMs, () => this.#join());
    });
  }

  #sync({ generationId, leader, members }: JoinGroupResponse, known: number): void {
    if (this.#isOver) return;
    const { groupId, topic } = this.#group;
    const plan = `${this.name} ${this.#joins}`;
    const shares = members.map(({ memberId }, i) => {
      const mine = Array.from({ length: topic.partitions }, (_, p) => p).filter((p) => p % members.length === i);
      const part: Part = { plan, partitions: mine };
      return { memberId, assignment: Buffer.from(JSON.stringify(part)) };
    });
    const assignments = leader === this.#memberId ? shares : [];
    const request = make(syncGroupRequest, { groupId, generationId, memberId: this.#memberId, assignments });
    this.#request(14, request, (response) => {
      if (response?.errorCode !== 0) return this.#refused(response?.errorCode);
      this.#generation = generationId;
      const { assignment } = response;
      const part = assignment.length > 0 ? (JSON.parse(Buffer.from(assignment).toString()) as Part) : noPart;
      this.#partitions = part.partitions;
      this.#group.joined(this.#memberId, generationId, known, part);
      const joins = this.#joins;
      // Of this very generation it would be no repeat, but behind what comes from here on.
      const isRepeated = this.#last !== undefined && below(this.#random, 3) === 0;
      if (isRepeated && this.#last!.generation !== generationId) this.#send(this.#last!, () => undefined);
      this.#after(0, () => this.#position(joins));
      this.#after(heartbeatMs, () => this.#heartbeat(joins));
    });
  }

  /** Continues where the partitions' last owner was. */
  #position(joins: number): void {
    const { groupId, topic } = this.#group;
    const acked = this.#partitions.map((partition) => this.#group.acked(partition));
    const topics = [{ name: topic.name, partitionIndexes: [...this.#partitions] }];
    this.#request(9, make(offsetFetchRequest, { groups: [{ groupId, topics }] }), (response) => {
      if (this.#joins !== joins || this.#isOver) return;
      const found = response?.groups[0]?.errorCode === 0 ? response.groups[0].topics[0]?.partitions : undefined;
      if (!found || found.some((one) => one.errorCode !== 0)) return this.#after(retryMs, () => this.#position(joins));
      for (const [i, partition] of this.#partitions.entries()) {
        const committed = found.find(({ partitionIndex }) => partitionIndex === partition);
        const offset = Number(committed?.committedOffset ?? -1);
        this.#group.position(partition, offset, acked[i]!);
        this.#offsets.set(partition, offset + 1);
      }
      this.#after(below(this.#random, 100), () => this.#commit(joins));
    });
  }

  #commit(joins: number): void {
    const generation = this.#generation;
    if (this.#joins !== joins || generation < 0 || this.#partitions.length === 0) return;
    const partition = this.#partitions[below(this.#random, this.#partitions.length)]!;
    const committedOffset = this.#offsets.get(partition)!;
    this.#offsets.set(partition, committedOffset + 1);
    this.#last = { generation, partition, offset: committedOffset };
    this.#send(this.#last, () => this.#after(60 + below(this.#random, 400), () => this.#commit(joins)));
  }

  /** Once more perhaps, when a later generation has begun: as a client that has not heard what became of it. */
  #send({ generation, partition, offset: committedOffset }: Commit, then: () => void): void {
    const told = this.#group.commit(this.#memberId, generation, partition, committedOffset);
    const { groupId, topic } = this.#group;
    const request = make(offsetCommitRequest, {
      groupId,
      generationIdOrMemberEpoch: generation,
      memberId: this.#memberId,
      topics: [
        { name: topic.name, partitions: [{ partitionIndex: partition, committedOffset, committedMetadata: '' }] },
      ],
    });
    this.#request(8, request, (response) => {
      told(response ? response.topics[0]!.partitions[0]!.errorCode : -1);
      then();
    });
  }

  #heartbeat(joins: number): void {
    const generation = this.#generation;
    if (this.#joins !== joins || generation < 0) return;
    const request = make(heartbeatRequest, {
      groupId: this.#group.groupId,
      generationId: generation,
      memberId: this.#memberId,
    });
    this.#request(12, request, (response) => {
      if (this.#joins !== joins || this.#generation !== generation) return;
      const code = response?.errorCode;
      const isRefused =
        code === errorCode.rebalanceInProgress ||
        code === errorCode.illegalGeneration ||
        code === errorCode.unknownMemberId;
      if (isRefused) this.#refused(code);
      // Sometimes it is busy for longer than the others wait for it, and continues as if nothing had happened.
      else this.#after(below(this.#random, 8) === 0 ? busyMs : heartbeatMs, () => this.#heartbeat(joins));
    });
  }

  #refused(code: number | undefined): void {
    if (code === errorCode.unknownMemberId) this.#memberId = '';
    this.#generation = -1;
    this.#after(code === errorCode.rebalanceInProgress ? 0 : retryMs, () => this.#join());
  }
}
