/**
 * What routing tests run against: a catalogue that a test changes by hand, and brokers that speak the real codec over
 * the memory network. Like embedded brokers, they keep their logs in one shared place. A script decides what goes
 * wrong.
 */
import type { PartitionEntry, TopicEntry } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { seededRandom } from '../kernel/random.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { type MemoryNetwork, memoryNetwork } from '../link/memory-network.ts';
import { type Call, type CallOf, serveLinks } from '../link/serve.ts';
import { VirtualClock } from '../link/virtual-clock.suite.ts';
import { make } from '../protocol/make.ts';
import { produceResponse } from '../protocol/messages/00-produce.ts';
import { fetchResponse } from '../protocol/messages/01-fetch.ts';
import { batchField, batchHeaderBytes, leaderEpoch, restamp } from '../records/batch.ts';
import { readI32, writeI32, writeI64 } from '../records/bytes.ts';
import { coordinatorTopic } from './coordinator-seat.ts';
import type { RoutingCatalogue } from './owners.ts';
import { createRouting, type Routing } from './routes.ts';
import { type RoutingSettings, routingDefaults } from './settings.ts';

export const topicId: Uuid = 'topic-id-16bytes';
export const otherTopicId: Uuid = 'topic-id-17bytes';

/** A batch with room for one record, whose identity `id` is both its producer sequence and its payload. */
export function batchOf(id: number, payloadBytes = 8): Buffer {
  const batch = Buffer.alloc(batchHeaderBytes + payloadBytes);
  writeI32(batch, batchField.batchLength, batch.length - 12);
  batch[batchField.magic] = 2;
  writeI64(batch, batchField.producerId, 1);
  writeI32(batch, batchField.baseSequence, id);
  writeI32(batch, batchField.count, 1);
  return batch;
}

export function idOf(batch: Uint8Array, position = 0): number {
  return readI32(batch, position + batchField.baseSequence);
}

export class HandCatalogue implements RoutingCatalogue {
  readonly topics = new Map<string, TopicEntry>();
  readonly sessions = new Map<number, { address: string; state: string }>();
  readonly #placementListeners: ((topicId: Uuid) => void)[] = [];
  readonly #brokerListeners: ((brokerId: number) => void)[] = [];

  byName(name: string): TopicEntry | undefined {
    return this.topics.get(name);
  }
  byId(id: Uuid): TopicEntry | undefined {
    for (const topic of this.topics.values()) if (topic.topicId === id) return topic;
    return undefined;
  }
  ofCluster(clusterId: string): Iterable<TopicEntry> {
    return [...this.topics.values()].filter((topic) => topic.clusterId === clusterId);
  }
  broker(brokerId: number): { address: string; state: string } | undefined {
    return this.sessions.get(brokerId);
  }
  onPlacement(listener: (id: Uuid) => void): void {
    this.#placementListeners.push(listener);
  }
  onBroker(listener: (brokerId: number) => void): void {
    this.#brokerListeners.push(listener);
  }
  addTopic(name: string, id: Uuid, owners: readonly number[]): TopicEntry {
    const partitions = owners.map((brokerId, index) => entry(index, brokerId, brokerId < 0 ? -1 : 0));
    const topic = { name, topicId: id, clusterId: 'c1', partitions, configs: {}, createdAtMs: 0 };
    this.topics.set(name, topic);
    for (const listener of this.#placementListeners) listener(id);
    return topic;
  }
  place(name: string, index: number, brokerId: number, epoch: number): void {
    const topic = this.topics.get(name)!;
    const partitions = topic.partitions.map((each) => (each.index === index ? entry(index, brokerId, epoch) : each));
    this.topics.set(name, { ...topic, partitions });
    for (const listener of this.#placementListeners) listener(topic.topicId);
  }
  removeTopic(name: string): void {
    const topic = this.topics.get(name)!;
    this.topics.delete(name);
    for (const listener of this.#placementListeners) listener(topic.topicId);
  }
  setBroker(brokerId: number, state = 'serving'): void {
    this.sessions.set(brokerId, { address: `broker-${brokerId}`, state });
    for (const listener of this.#brokerListeners) listener(brokerId);
  }
}

function entry(index: number, brokerId: number, epoch: number): PartitionEntry {
  return { index, brokerId, leaderEpoch: epoch, reason: 'created', movedAtMs: 0 };
}

/** All logs of a world, and who may write them. */
export class SharedLogs {
  /** Start offset of all logs. */
  startOffset = 0;
  readonly batches = new Map<string, Buffer[]>();
  /** Owner and epoch as the brokers see it. */
  readonly owners = new Map<string, { brokerId: number; epoch: number }>();

  log(key: string): Buffer[] {
    let log = this.batches.get(key);
    if (!log) this.batches.set(key, (log = []));
    return log;
  }
  ids(key: string): number[] {
    return this.log(key).map((batch) => idOf(batch));
  }
  /** Returns the base offset; for a known batch, the original one. */
  append(key: string, batch: Buffer, epoch: number, isDeduplicated: boolean): number {
    const log = this.log(key);
    const known = isDeduplicated ? log.findIndex((each) => idOf(each) === idOf(batch)) : -1;
    if (known >= 0) return known;
    const stored = Buffer.from(batch);
    restamp(stored, 0, log.length, epoch);
    log.push(stored);
    return log.length - 1;
  }
}

export function keyOf(id: Uuid, index: number): string {
  return `${id}/${index}`;
}

interface ParkedFetch {
  readonly call: CallOf<1>;
  answered: boolean;
}

export class ScriptedBroker {
  readonly brokerId: number;
  readonly logs: SharedLogs;
  readonly calls: Call[] = [];
  /** Called before each partition of a Produce. Returns an error code, or undefined to proceed. */
  produceFault: (key: string, batch: Buffer) => number | undefined = () => undefined;
  fetchFault: (key: string) => number | undefined = () => undefined;
  /** Answers no fetch. */
  isSilent = false;
  /** Whether appends wake parked polls. */
  wakes = true;
  /** How long answers to a Fetch take. */
  fetchMs = 0;
  /** How long acknowledgements take. */
  replyMs: () => number = () => 0;
  isDeduplicating = (_batch: Buffer): boolean => true;
  /** Answers everything that is neither Produce nor Fetch. */
  other: (call: Call) => void = () => undefined;
  readonly #clock: Clock;
  #parked: ParkedFetch[] = [];

  constructor(brokerId: number, logs: SharedLogs, clock: Clock) {
    this.brokerId = brokerId;
    this.logs = logs;
    this.#clock = clock;
  }

  get parkedFetches(): number {
    return this.#parked.length;
  }

  count(key: number): number {
    return this.calls.filter((call) => call.key === key).length;
  }

  handle(call: Call): void {
    this.calls.push(call);
    if (call.key === 0) this.#produce(call);
    else if (call.key === 1) this.#fetch(call);
    else this.other(call);
  }

  /** Checks parked polls again: records have arrived, or the partition has gone. */
  wake(): void {
    if (!this.wakes) return;
    const parked = this.#parked;
    this.#parked = [];
    for (const each of parked) if (!each.answered) this.#answerFetch(each, false);
  }

  #produce(call: CallOf<0>): void {
    const responses = call.request.topicData.map((topic) => ({
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(({ index, records }) => {
        const key = keyOf(topic.topicId, index);
        const batch = records as Buffer;
        const owner = this.logs.owners.get(key);
        if (owner?.brokerId !== this.brokerId) return { index, errorCode: 6, baseOffset: -1 };
        if (owner.epoch !== leaderEpoch(batch, 0)) return { index, errorCode: 74, baseOffset: -1 };
        const fault = this.produceFault(key, batch);
        if (fault !== undefined) return { index, errorCode: fault, baseOffset: -1 };
        return {
          index,
          errorCode: 0,
          baseOffset: this.logs.append(key, batch, owner.epoch, this.isDeduplicating(batch)),
          logStartOffset: 0,
        };
      }),
    }));
    const reply = (): void => call.respond(make(produceResponse, { responses }));
    const replyMs = this.replyMs();
    if (replyMs > 0) this.#clock.after(replyMs, reply);
    else reply();
    this.wake();
  }

  #fetch(call: CallOf<1>): void {
    if (this.isSilent) return;
    const parked = { call, answered: false };
    this.#answerFetch(parked, call.request.maxWaitMs === 0);
    if (!parked.answered) this.#clock.after(call.request.maxWaitMs, () => this.#answerFetch(parked, true));
  }

  #answerFetch(parked: ParkedFetch, isOver: boolean): void {
    if (parked.answered) return;
    const { call } = parked;
    let room = call.request.maxBytes;
    let isReady = isOver;
    let isFirst = true;
    const responses = call.request.topics.map((topic) => ({
      topicId: topic.topicId,
      partitions: topic.partitions.map((asked) => {
        const key = keyOf(topic.topicId, asked.partition);
        const owner = this.logs.owners.get(key);
        const log = this.logs.log(key);
        const errorCode = owner?.brokerId !== this.brokerId ? 6 : (this.fetchFault(key) ?? 0);
        if (errorCode !== 0) isReady = true;
        const taken: Buffer[] = [];
        let partitionRoom = Math.min(room, asked.partitionMaxBytes);
        for (const batch of errorCode === 0 ? log.slice(asked.fetchOffset) : []) {
          if (batch.length > partitionRoom && !isFirst) break;
          isFirst = false;
          taken.push(batch);
          partitionRoom -= batch.length;
          room -= batch.length;
        }
        if (taken.length > 0) isReady = true;
        return {
          partitionIndex: asked.partition,
          errorCode,
          highWatermark: log.length,
          lastStableOffset: log.length,
          logStartOffset: this.logs.startOffset,
          records: taken,
        };
      }),
    }));
    if (!isReady) {
      this.#parked.push(parked);
      return;
    }
    parked.answered = true;
    this.#parked = this.#parked.filter((each) => each !== parked);
    const reply = (): void => call.respond(make(fetchResponse, { responses }));
    if (this.fetchMs > 0) this.#clock.after(this.fetchMs, reply);
    else reply();
  }
}

export interface World {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly catalogue: HandCatalogue;
  readonly logs: SharedLogs;
  readonly brokers: readonly ScriptedBroker[];
  readonly routing: Routing;
  broker(brokerId: number): ScriptedBroker;
  /** From now on the old owner refuses, the new one serves, and the catalogue says so. */
  move(index: number, brokerId: number): void;
  address(brokerId: number): string;
}

/** A topic 'c1.orders' with `owners[i]` owning partition i, and brokers 1 to 3. */
export async function world(
  owners: readonly number[],
  settings: Partial<RoutingSettings> = {},
  clock = new VirtualClock(),
): Promise<World> {
  const network = memoryNetwork(clock);
  const catalogue = new HandCatalogue();
  const logs = new SharedLogs();
  const brokers: ScriptedBroker[] = [];
  for (const brokerId of [1, 2, 3]) {
    const broker = new ScriptedBroker(brokerId, logs, clock);
    brokers.push(broker);
    catalogue.setBroker(brokerId);
    await serveLinks(network, `broker-${brokerId}`, (call) => broker.handle(call));
  }
  catalogue.addTopic('c1.orders', topicId, owners);
  for (const [index, brokerId] of owners.entries()) logs.owners.set(keyOf(topicId, index), { brokerId, epoch: 0 });
  const routing = createRouting({
    catalogue,
    network,
    clock,
    random: seededRandom(1),
    settings: { ...routingDefaults, ...settings },
    ensureCoordinatorTopic: async (clusterId) =>
      catalogue.byName(coordinatorTopic(clusterId)) ??
      catalogue.addTopic(coordinatorTopic(clusterId), otherTopicId, [1, 2, 3]),
  });
  return {
    clock,
    network,
    catalogue,
    logs,
    brokers,
    routing,
    broker: (brokerId) => brokers[brokerId - 1]!,
    address: (brokerId) => `broker-${brokerId}`,
    move: (index, brokerId) => {
      const owner = logs.owners.get(keyOf(topicId, index))!;
      const epoch = owner.epoch + 1;
      logs.owners.set(keyOf(topicId, index), { brokerId, epoch });
      catalogue.place('c1.orders', index, brokerId, epoch);
    },
  };
}
