/** One of the two that are compared: its connections, and the values that it has made up so far. */
import { setTimeout } from 'node:timers/promises';
import { crc32c } from '../../engine/kernel/crc32c.ts';
import { type ApiKey, apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { encode } from '../../engine/protocol/compile.ts';
import { consumerSubscription } from '../../engine/protocol/consumer-protocol.ts';
import { make } from '../../engine/protocol/make.ts';
import { batchField } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import type { Access } from '../clients/targets.ts';
import { answerMsMax, Connection, type Raw } from './connection.ts';
import {
  type AskStep,
  type BatchPlan,
  drawnTimesMs,
  isBatchPlan,
  isReference,
  prefixMark,
  startTime,
  type Step,
} from './steps.ts';

type Kind = 'topic' | 'member' | 'producer' | 'session';

/** The pause between two identical questions, so that the server gets the processor. */
const askAgainMs = 2;
const markerTopic = 'marker';
/** With owners among all brokers of a Headgate. */
const markerPartitions = 3;
const messageTooLarge = 10;

export class Side {
  readonly name: string;
  readonly #access: Access;
  readonly #connections = new Map<string, Connection>();
  /** What a reference stands for. */
  readonly known = new Map<string, string | number>();
  /** The other way: what a made-up value is called. */
  readonly names = new Map<string, string>();
  prefix = '';
  appendMsMin = 0;
  #marker = 0;

  constructor(name: string, access: Access) {
    this.name = name;
    this.#access = access;
  }

  /** Forgets all of the run before; its connections end. */
  begin(prefix: string, startMs: number): void {
    this.prefix = prefix;
    this.known.clear();
    this.names.clear();
    this.known.set(startTime, startMs);
    this.appendMsMin = startMs + drawnTimesMs;
    this.end();
  }

  end(): void {
    for (const connection of this.#connections.values()) connection.end();
    this.#connections.clear();
  }

  keep(kind: Kind, name: string, value: string | number): void {
    this.known.set(name, value);
    if (!this.names.has(`${kind} ${value}`)) this.names.set(`${kind} ${value}`, `<${name}>`);
  }

  async connection(name: string): Promise<Connection> {
    let connection = this.#connections.get(name);
    if (!connection || connection.isClosed) {
      connection = await Connection.open(this.#access);
      this.#connections.set(name, connection);
    }
    return connection;
  }

  /** The answer to each request of the step, in the step's order. */
  async run(step: Step): Promise<Raw[]> {
    if (step.kind === 'ask') {
      const answer = await this.#ask(step);
      this.#learn(step, answer);
      return [answer];
    }
    const asks = step.kind === 'rebalance' ? step.joins : step.syncs;
    const [first, ...others] = asks;
    const pending = [this.#ask(first!)];
    if (step.kind === 'rebalance' && step.waits) await this.#untilState(step.group, 'PreparingRebalance');
    for (const ask of others) pending.push(this.#ask(ask));
    const answers = await Promise.all(pending);
    for (const [i, ask] of asks.entries()) this.#learn(ask, answers[i]!);
    return answers;
  }

  async #ask(step: AskStep): Promise<Raw> {
    const connection = await this.connection(step.connection);
    const { max, min } = apiByKey.get(step.key)!;
    const version = Math.min(Math.max(step.version, min), max);
    const body = make(apiByKey.get(step.key)!.request, this.#resolve(step.body) as never);
    connection.send(step.key, version, body as RequestOf<ApiKey>, step.version);
    // KIP-511: too young an ApiVersions is answered in the oldest version.
    if (step.key === 18 && step.version > max) return connection.receive(18, 0);
    if (step.key === 0 && (body as RequestOf<0>).acks === 0) {
      // No answer comes. What is asked next on the connection says whether it still stands.
      const nothing = make(apiByKey.get(10)!.request, { key: 'x' } as never) as RequestOf<10>;
      connection.send(10, 2, nothing);
      const probe = await connection.receive(10, 2);
      return probe.kind === 'answer' ? { kind: 'answer', body: {} as never } : probe;
    }
    return connection.receive(step.key, version);
  }

  #resolve(value: unknown): unknown {
    if (typeof value === 'string') return value.replaceAll(prefixMark, this.prefix);
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
    if (Array.isArray(value)) return value.map((each) => this.#resolve(each));
    if (isReference(value)) {
      const known = this.known.get(value.ref) ?? value.otherwise;
      return typeof known === 'number' ? known + (value.plus ?? 0) : known;
    }
    if (isBatchPlan(value)) return this.#batch(value);
    if ('bytes' in value) return Buffer.from(value.bytes as string);
    if ('subscription' in value) {
      const topics = (value.subscription as string[]).map((name) => this.#resolve(name) as string);
      const subscription = make(consumerSubscription, { topics });
      return Buffer.concat([Buffer.alloc(2), ...encode(consumerSubscription, 0, subscription)]);
    }
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, this.#resolve(each)]));
  }

  #batch({ batch }: BatchPlan): Buffer {
    if (batch.fault === 'empty') return Buffer.alloc(0);
    const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text));
    const records = batch.records.map(({ key, value, atMs }) => ({
      key: bytes(key),
      value: bytes(value),
      timestampMs: (this.known.get(startTime) as number) + atMs,
    }));
    const { producer } = batch;
    const stamp = producer && {
      producerId: this.#resolve(producer.id) as number,
      producerEpoch: producer.epoch,
      baseSequence: producer.sequence,
    };
    const made = Buffer.from(encodeBatch(records, stamp ?? {}));
    for (const { at, bits, value } of batch.wounds ?? []) {
      if (bits === 8) made.writeInt8(value, at);
      else if (bits === 16) made.writeInt16BE(value, at);
      else made.writeInt32BE(value, at);
    }
    if (batch.wounds) made.writeInt32BE(crc32c(made, 0, batchField.attributes, made.length) | 0, batchField.crc);
    if (batch.fault === 'crc') made[made.length - 1]! ^= 1;
    if (batch.fault === 'cut') return made.subarray(0, made.length - 5);
    return batch.fault === 'twice' ? Buffer.concat([made, made]) : made;
  }

  #learn({ key, keep, body }: AskStep, answer: Raw): void {
    if (answer.kind !== 'answer' || (keep === undefined && key !== 19)) return;
    if (key === 19) {
      if (!(body as RequestOf<19>).validateOnly) this.#learnTopics((answer as Raw<19> & { kind: 'answer' }).body);
    } else if (key === 22) {
      const { errorCode, producerId } = (answer as Raw<22> & { kind: 'answer' }).body;
      if (errorCode === 0) this.keep('producer', keep!, producerId);
    } else if (key === 11) {
      const { memberId, generationId, errorCode } = (answer as Raw<11> & { kind: 'answer' }).body;
      if (memberId !== '' && !this.names.has(`member ${memberId}`)) this.keep('member', keep!, memberId);
      if (errorCode === 0) this.known.set(`generation of ${keep!.split(' ')[0]}`, generationId);
    } else if (key === 1) {
      const { sessionId } = (answer as Raw<1> & { kind: 'answer' }).body;
      if (sessionId > 0) this.keep('session', keep!, sessionId);
    }
  }

  #learnTopics({ topics }: ResponseOf<19>): void {
    for (const { name, topicId, errorCode } of topics) if (errorCode === 0) this.#nameTopic(name, topicId);
  }

  #nameTopic(name: string, topicId: string): void {
    if (topicId === zeroUuid || this.names.has(`topic ${topicId}`)) return;
    const of = name.replace(this.prefix, prefixMark);
    let turn = 0;
    while (this.known.has(`topic id ${of} ${turn}`)) turn++;
    this.keep('topic', `topic id ${of} ${turn}`, topicId);
  }

  /** Answers of the side's own questions, which are not compared. */
  async query<K extends ApiKey>(key: K, version: number, part: unknown): Promise<ResponseOf<K>> {
    const connection = await this.connection('query');
    const request = make(apiByKey.get(key)!.request, part as never) as RequestOf<K>;
    const answer = await connection.ask(key, version, request);
    if (answer.kind !== 'answer') throw new Error(`${this.name}: a question of our own, API ${key}, is ${answer.kind}`);
    return answer.body;
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + answerMsMax;
    while (!(await holds())) {
      if (performance.now() > endMs) throw new Error(`${this.name}: not within ${answerMsMax} ms: ${what}`);
      await setTimeout(askAgainMs);
    }
  }

  async #untilState(group: string, state: string): Promise<void> {
    const groups = [this.#resolve(group)];
    await this.until(`${group} is ${state}`, async () => {
      return (await this.query(15, 4, { groups })).groups[0]!.groupState === state;
    });
  }

  /** Once: the topic that settle() changes, and a coordinator that answers. */
  async prepare(): Promise<void> {
    const topics = [
      { name: markerTopic, numPartitions: markerPartitions, replicationFactor: -1, assignments: [], configs: [] },
    ];
    await this.query(19, 5, { topics, timeoutMs: answerMsMax, validateOnly: false });
    await this.until('a coordinator serves', async () => {
      const found = await this.query(10, 4, { keyType: 0, coordinatorKeys: [prefixMark] });
      if (found.coordinators[0]!.errorCode !== 0) return false;
      // Every partition that groups are kept in.
      const groups = Array.from({ length: 40 }, (_, i) => `warm-up-${i}`);
      return (await this.query(15, 4, { groups })).groups.every(({ errorCode }) => errorCode === 0);
    });
    await this.until('producer ids are handed out', async () => {
      return (await this.query(22, 2, { transactionalId: null, transactionTimeoutMs: 1 })).errorCode === 0;
    });
    await this.settle();
  }

  /**
   * Waits until a change is visible everywhere on this side. Kafka's broker applies the log of its controller in order,
   * but a change is visible before all of the broker acts on it: once a second marker is visible, which cannot be in
   * the same image as the first, the image with the change has been applied completely. Headgate's brokers follow the
   * store in order too, each in a separate process: so markers are checked where records are validated, first one that
   * makes all records refused, then one that makes them accepted.
   */
  async settle(): Promise<void> {
    for (const refuses of [true, false]) {
      const value = String(3_600_000 + ++this.#marker);
      const configs = [
        { name: 'retention.ms', configOperation: 0, value },
        { name: 'max.message.bytes', configOperation: 0, value: refuses ? '0' : '1048588' },
      ];
      const resource = { resourceType: 2, resourceName: markerTopic };
      await this.query(44, 1, { resources: [{ ...resource, configs }] });
      await this.until('the marker is seen', async () => {
        const asked = { resources: [{ ...resource, configurationKeys: ['retention.ms'] }] };
        return (await this.query(32, 4, asked)).results[0]?.configs[0]?.value === value;
      });
      await this.until('the marker is seen where records are judged', async () => {
        const codes = await this.#markerCodes();
        return codes.length === markerPartitions && codes.every((code) => code === (refuses ? messageTooLarge : 0));
      });
    }
    await this.#nameTopics();
  }

  /** What a record for each partition of the marker's topic comes to. */
  async #markerCodes(): Promise<number[]> {
    const records = encodeBatch([{ key: null, value: Buffer.from('m'), timestampMs: this.#marker }], {});
    const partitionData = Array.from({ length: markerPartitions }, (_, index) => ({
      index,
      records: Buffer.from(records),
    }));
    const topicData = [{ name: markerTopic, partitionData }];
    const { responses } = await this.query(0, 9, { transactionalId: null, acks: 1, timeoutMs: answerMsMax, topicData });
    return responses.flatMap(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode));
  }

  /** Kafka answers who joins a new group before it has written the group, and lists it only then. */
  async untilListed(groups: readonly string[]): Promise<void> {
    const asked = groups.map((group) => this.#resolve(group) as string);
    await this.until(`${groups.join()} are listed`, async () => {
      const listed = new Set((await this.query(16, 4, { statesFilter: [] })).groups.map(({ groupId }) => groupId));
      return asked.every((group) => listed.has(group));
    });
  }

  /** Kafka's coordinators learn a moment later that a topic is gone, and then forget the offsets committed for it. */
  async settleGroups(groups: readonly string[]): Promise<void> {
    const asked = groups.map((group) => this.#resolve(group) as string);
    await this.until('offsets of topics that are gone are gone', async () => {
      const { topics } = await this.query(3, 12, { topics: null, allowAutoTopicCreation: false });
      const present = new Set(topics.map(({ name }) => name));
      const whole = asked.map((groupId) => ({ groupId, memberId: null, memberEpoch: -1, topics: null }));
      const offsets = await this.query(9, 8, { groups: whole, requireStable: false });
      return offsets.groups.every((group) => group.topics.every(({ name }) => present.has(name)));
    });
  }

  /** Learns the ids of the run's topics, and waits until their partitions answer. */
  async #nameTopics(): Promise<void> {
    const all = await this.query(3, 12, { topics: null, allowAutoTopicCreation: false });
    for (const { name, topicId, partitions } of all.topics) {
      if (!name?.startsWith(this.prefix)) continue;
      this.#nameTopic(name, topicId);
      const asked = partitions.map(({ partitionIndex }) => ({ partitionIndex, timestamp: -1 }));
      await this.until(`${name} is led`, async () => {
        const offsets = await this.query(2, 7, { replicaId: -1, topics: [{ name, partitions: asked }] });
        return offsets.topics[0]!.partitions.every(({ errorCode }) => errorCode === 0);
      });
    }
  }

  /** Removes what the run has created, and waits until it is gone: the next run may ask for all topics first. */
  async clear(): Promise<void> {
    const topics = (await this.#topicsOfRun()).map((name) => ({ name, topicId: zeroUuid }));
    if (topics.length === 0) return;
    await this.query(20, 6, { topics, timeoutMs: 10_000 });
    await this.until('topics of the run are gone', async () => (await this.#topicsOfRun()).length === 0);
  }

  async #topicsOfRun(): Promise<string[]> {
    const all = await this.query(3, 12, { topics: null, allowAutoTopicCreation: false });
    return all.topics.flatMap(({ name }) => (name?.startsWith(this.prefix) ? [name] : []));
  }
}
