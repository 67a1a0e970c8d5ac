/** A consumer group whose members come, die and come back, and what all of them together have been told. */
import { below, type Random } from '../../engine/kernel/random.ts';
import type { Door } from './door.ts';
import { GroupMember } from './group-member.ts';
import type { Part } from './group-part.ts';
import { partitionName } from './partition-name.ts';
import type { SimTopic } from './topic-plan.ts';
import type { World } from './world.ts';

const membersMax = 3;
const lifeMsMin = 700;
const lifeMsMax = 4000;
/** Longer than a session: members that ended without leaving, or never got the answer to their join, are dropped by then. */
const goneAfterMs = 6500;

export class MemberGroup {
  readonly world: World;
  readonly door: Door;
  readonly topic: SimTopic;
  readonly groupId: string;
  readonly #random: Random;
  readonly #members: GroupMember[] = [];
  readonly #acked = new Map<number, number>();
  #lives = 0;
  /** How many there are to be. */
  #wanted = membersMax;
  /** The latest generation of which a member has been told its part. */
  latest = -1;
  #latestAtMs = 0;
  /** Nobody dies any more. */
  isCalm = false;
  /** A commit of a member was taken since. */
  isTaken = false;
  /** When a member was given its part of a generation that nobody had heard of. */
  onTold: () => void = () => undefined;

  constructor(world: World, door: Door, topic: SimTopic, group: string) {
    this.world = world;
    this.door = door;
    this.topic = topic;
    this.groupId = `${topic.clusterId}.${group}`;
    this.#random = world.random();
    for (let i = 0; i < membersMax; i++) world.loop.schedule(below(this.#random, 500), () => this.#live(i));
  }

  get isOver(): boolean {
    return this.topic.isDeleted || this.#isStopped;
  }

  #isStopped = false;

  stop(): void {
    this.#isStopped = true;
  }

  get target(): { readonly clusterId: string; readonly groupId: string } {
    return { clusterId: this.topic.clusterId, groupId: this.groupId };
  }

  /** Every member is in one generation, and every partition belongs to a member. */
  get isWhole(): boolean {
    const [first] = this.#members;
    // Of a topic that was made a moment ago some have not begun.
    if (!first) return false;
    const owned = new Set(this.#members.flatMap(({ partitions }) => partitions));
    const isOne = this.#members.every(({ generation }) => generation >= 0 && generation === first.generation);
    return this.#members.length === this.#wanted && isOne && owned.size === this.topic.partitions;
  }

  /** Nobody is missed, or waited for. */
  get isSettled(): boolean {
    return this.isCalm && this.isWhole && this.world.loop.nowMs - this.#latestAtMs > goneAfterMs;
  }

  /** One that has partitions goes for good, with or without a word: the others have to take over what it had. */
  lose(isPolite: boolean): void {
    const at = this.#members.findIndex(({ partitions }) => partitions.length > 0);
    const [member] = this.#members.splice(at, 1);
    member!.end(isPolite);
    this.#wanted--;
  }

  /** One that has partitions leaves before its time. */
  shake(): void {
    const index = this.#members.findIndex((one) => one !== undefined && one.partitions.length > 0);
    if (!this.isCalm && index >= 0) this.#replace(index, this.#members[index]!, true);
  }

  /** Another member takes its place, whatever ended it. */
  #replace(index: number, member: GroupMember, isPolite: boolean): void {
    if (this.#members[index] !== member || this.isOver) return;
    member.end(isPolite);
    this.world.loop.schedule(below(this.#random, 400), () => {
      if (this.#members[index] === member) this.#live(index);
    });
  }

  #live(index: number): void {
    if (this.isOver) return;
    const member = new GroupMember(this, `m${this.#lives++}`, this.#random);
    this.#members[index] = member;
    this.world.loop.schedule(lifeMsMin + below(this.#random, lifeMsMax), () => {
      if (!this.isCalm) this.#replace(index, member, below(this.#random, 2) === 0);
    });
  }

  // --- What members are told ---

  joined(member: string, generation: number, known: number, { plan, partitions }: Part): void {
    const names = partitions.map((partition) => this.#name(partition));
    this.world.history.add({ kind: 'joined', group: this.groupId, member, generation, known, plan, partitions: names });
    if (generation <= this.latest) return;
    this.latest = generation;
    this.#latestAtMs = this.world.loop.nowMs;
    this.onTold();
  }

  /** The highest commit that was acknowledged. */
  acked(partition: number): number {
    return this.#acked.get(partition) ?? -1;
  }

  position(partition: number, offset: number, acked: number): void {
    this.world.history.add({ kind: 'position', group: this.groupId, partition: this.#name(partition), offset, acked });
    // Because of a late commit (otherwise it is a finding, and reported by now): the members continue from there, and
    // commit less than before.
    if (offset < acked && this.acked(partition) === acked) this.#acked.set(partition, offset);
  }

  /** Returns a function to call with the answer's code. */
  commit(member: string, generation: number, partition: number, offset: number): (code: number) => void {
    const { history } = this.world;
    const place = { group: this.groupId, partition: this.#name(partition), offset };
    history.add({ kind: 'commit', ...place });
    const known = this.latest;
    return (code) => {
      history.add({ kind: 'committed', ...place, code, by: { member, generation, known } });
      if (code !== 0) return;
      this.#acked.set(partition, Math.max(this.acked(partition), offset));
      if (this.isCalm) this.isTaken = true;
    };
  }

  #name(partition: number): string {
    return partitionName(this.topic.topicId, partition);
  }
}
