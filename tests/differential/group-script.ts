/** A scripted group on one side: members that ask, and what they are told, as facts without made-up names. */
import { type ApiKey, apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { make } from '../../engine/protocol/make.ts';
import { until } from '../clients/processes.ts';
import type { Access } from '../clients/targets.ts';
import { Connection } from './connection.ts';

export interface MemberOptions {
  readonly instanceId?: string | null;
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
  readonly protocolType?: string;
  /** Name and metadata. */
  readonly protocol?: readonly [string, string];
}

const waitMsMax = 30_000;
const joinVersion = 9;
const memberIdRequired = 79;

export class Script {
  readonly facts: string[] = [];
  readonly group: string;
  readonly topic: string;
  readonly #access: Access;
  readonly #connections: Connection[] = [];
  /** Who has which id. */
  readonly #names = new Map<string, string>();

  constructor(access: Access, group: string, topic: string) {
    this.#access = access;
    this.group = group;
    this.topic = topic;
  }

  async member(name: string, options: MemberOptions = {}): Promise<Member> {
    const connection = await Connection.open(this.#access);
    this.#connections.push(connection);
    return new Member(this, connection, name, options);
  }

  named(id: string, name: string): void {
    if (id !== '') this.#names.set(id, name);
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  say(what: string, told: unknown): void {
    this.facts.push(`${what}: ${JSON.stringify(told)}`);
  }

  end(): void {
    for (const connection of this.#connections) connection.end();
  }
}

export class Member {
  id = '';
  generation = -1;
  readonly name: string;
  readonly #script: Script;
  readonly #connection: Connection;
  readonly #options: MemberOptions;

  constructor(script: Script, connection: Connection, name: string, options: MemberOptions) {
    this.#script = script;
    this.#connection = connection;
    this.name = name;
    this.#options = options;
  }

  async ask<K extends ApiKey>(key: K, version: number, part: object): Promise<ResponseOf<K>> {
    const request = make(apiByKey.get(key)!.request, part as never) as RequestOf<K>;
    const answer = await this.#connection.ask(key, version, request);
    if (answer.kind !== 'answer') throw new Error(`${this.name} gets no answer to ${key}: ${answer.kind}`);
    return answer.body;
  }

  /** One JoinGroup with the id that the member has; the answer without made-up ids. */
  async join(more: MemberOptions & { readonly version?: number } = {}): Promise<unknown> {
    const { group } = this.#script;
    const all = { ...this.#options, ...more };
    const { instanceId = null, sessionTimeoutMs = 30_000, rebalanceTimeoutMs = 4_000, protocolType = 'consumer' } = all;
    const [name, metadata] = all.protocol ?? ['range', ''];
    const answer = await this.ask(11, more.version ?? joinVersion, {
      groupId: group,
      memberId: this.id,
      groupInstanceId: instanceId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolType,
      protocols: [{ name, metadata: Buffer.from(metadata) }],
    });
    const { errorCode, generationId, leader, members, skipAssignment, protocolName } = answer;
    if (errorCode === 0 || errorCode === memberIdRequired) {
      this.id = answer.memberId;
      this.#script.named(this.id, this.name);
    }
    if (errorCode !== 0) return errorCode;
    this.generation = generationId;
    const told = members.map((each) => each.groupInstanceId ?? this.#script.nameOf(each.memberId)).sort();
    return [generationId, protocolName, this.#script.nameOf(leader), told, skipAssignment];
  }

  /** Gets an id first, as a new dynamic member must. */
  async enter(): Promise<unknown> {
    if (this.#options.instanceId === undefined) await this.join();
    return this.join();
  }

  /** With assignments by member when it leads. */
  async sync(assigned: readonly Member[] = []): Promise<unknown> {
    const assignments = assigned.map(({ id, name }) => ({ memberId: id, assignment: Buffer.from(`of ${name}`) }));
    const { errorCode, assignment } = await this.ask(14, 4, { ...this.#self(), assignments });
    return errorCode === 0 ? Buffer.from(assignment).toString() : errorCode;
  }

  async heartbeat(): Promise<number> {
    return (await this.ask(12, 4, this.#self())).errorCode;
  }

  async leave(members: readonly object[] = [{ memberId: this.id }]): Promise<unknown> {
    const answer = await this.ask(13, 4, { groupId: this.#script.group, members });
    return [answer.errorCode, ...answer.members.map(({ errorCode }) => errorCode)];
  }

  /** As a member, or as a client that only stores offsets. */
  async commit(offset: number, as: 'member' | 'nobody' = 'member'): Promise<number> {
    const { generationId, ...self } =
      as === 'member' ? this.#self() : { ...this.#self(), memberId: '', generationId: -1 };
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
    const topics = [{ name: this.#script.topic, partitions }];
    const answer = await this.ask(8, 8, { ...self, generationIdOrMemberEpoch: generationId, topics });
    return answer.topics[0]!.partitions[0]!.errorCode;
  }

  async committed(): Promise<number> {
    const topics = [{ name: this.#script.topic, partitionIndexes: [0] }];
    const { groups } = await this.ask(9, 8, { groups: [{ groupId: this.#script.group, topics }] });
    return Number(groups[0]!.topics[0]!.partitions[0]!.committedOffset);
  }

  async deleteOffset(): Promise<unknown> {
    const topics = [{ name: this.#script.topic, partitions: [{ partitionIndex: 0 }] }];
    const answer = await this.ask(47, 0, { groupId: this.#script.group, topics });
    return [answer.errorCode, ...answer.topics.flatMap((each) => each.partitions.map(({ errorCode }) => errorCode))];
  }

  /** State, type, and names of the members. */
  async described(): Promise<[state: string, type: string, members: string[]]> {
    const { groups } = await this.ask(15, 5, { groups: [this.#script.group] });
    const { groupState, protocolType, members } = groups[0]!;
    return [groupState, protocolType, members.map(({ memberId }) => this.#script.nameOf(memberId)).sort()];
  }

  /** Waits for what time does to the group. */
  async until(state: string, members: number): Promise<void> {
    let seen: unknown;
    const isThere = async (): Promise<boolean> => {
      const described = await this.described();
      seen = described;
      return described[0] === state && described[2].length === members;
    };
    await until(`${this.#script.group} is ${state} with ${members}`, waitMsMax, isThere, () => JSON.stringify(seen));
  }

  #self() {
    const { instanceId = null } = this.#options;
    const { group } = this.#script;
    return { groupId: group, memberId: this.id, generationId: this.generation, groupInstanceId: instanceId };
  }
}
