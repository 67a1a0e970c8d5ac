/**
 * The engine in one process and in memory, for tests of the doors: real record batches, real long polls, real group
 * coordinators, no durability. It validates with the broker's own code (engine/records, engine/broker/groups).
 */
import { GroupCoordinator } from '../../../engine/broker/groups/group-coordinator.ts';
import { MemoryCoordinatorLog } from '../../../engine/broker/groups/coordinator-log.ts';
import type {
  Append,
  AskedReplicas,
  Catalogue,
  CoordinatorApi,
  CoordinatorClient,
  CoordinatorTarget,
  Engine,
  ConfigChanges,
  FetchedPartition,
  FetchOptions,
  FetchPartition,
  PartitionApi,
  TopicEntry,
  TopicChange,
  TopicGuard,
  TopicSpec,
} from '../../../engine/engine.ts';
import type { Cancellation } from '../../../engine/kernel/cancellation.ts';
import type { Clock } from '../../../engine/kernel/clock.ts';
import { unreachable } from '../../../engine/kernel/assert.ts';
import { type Random, systemRandom } from '../../../engine/kernel/random.ts';
import { type Uuid, uuidOf } from '../../../engine/kernel/uuid.ts';
import type { RequestOf, ResponseOf } from '../../../engine/protocol/apis.ts';
import { make } from '../../../engine/protocol/make.ts';
import { describeLogDirsResponse } from '../../../engine/protocol/messages/35-describe-log-dirs.ts';
import type { MetadataStore } from '../../../engine/ports.ts';
import { AlreadyExists, NotFound } from '../../../tenancy/failures.ts';
import { type MemoryLog, MemoryLogs } from './memory-log.ts';

export class MemoryEngine implements Engine {
  readonly catalogue: Catalogue;
  /** The calls that reached append, in order. */
  readonly appended: Append[] = [];
  /** Set it to delay appends: each gets a function that lets it continue. */
  holdAppends: ((proceed: () => void) => void) | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #store: MetadataStore;
  readonly #topics = new Map<string, TopicEntry>();
  readonly #logs = new MemoryLogs();
  readonly #coordinators = new Map<string, Promise<GroupCoordinator>>();
  #producerId = 1000;
  #waits = 0;

  /** Guards run against `store`, so that a tenant's counters are as exact as with the real engine. */
  constructor(clock: Clock, store: MetadataStore, random: Random = systemRandom) {
    this.#clock = clock;
    this.#store = store;
    this.#random = random;
    const topics = this.#topics;
    this.catalogue = {
      byName: (name) => topics.get(name),
      byId: (topicId) => [...topics.values()].find((topic) => topic.topicId === topicId),
      ofCluster: (clusterId) =>
        [...topics.values()]
          .filter((topic) => topic.clusterId === clusterId)
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }

  append(append: Append): void {
    this.appended.push(append);
    const proceed = (): void =>
      append.done(this.#logs.of(append.topicId, append.partition).append(append.records, this.#clock.wallMs()));
    if (this.holdAppends) this.holdAppends(proceed);
    else proceed();
  }

  async fetch(partitions: readonly FetchPartition[], options: FetchOptions): Promise<FetchedPartition[]> {
    const deadlineMs = this.#clock.monotonicMs() + options.maxWaitMs;
    for (;;) {
      const fetched = this.#read(partitions, options.maxBytes);
      const bytes = fetched.reduce((sum, { records }) => sum + (records[0]?.length ?? 0), 0);
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      const isDone = bytes >= options.minBytes || fetched.some(({ errorCode }) => errorCode !== 0);
      const isGone = partitions.some(({ topicId }) => this.catalogue.byId(topicId) === undefined);
      if (isDone || isGone || leftMs <= 0 || options.cancellation?.isCancelled) return fetched;
      await this.#change(leftMs, options.cancellation);
    }
  }

  lateFetches(): number {
    return 0;
  }

  #read(partitions: readonly FetchPartition[], bytesMax: number): FetchedPartition[] {
    let leftBytes = bytesMax;
    return partitions.map((asked) => {
      const fetched = this.#logs.of(asked.topicId, asked.partition).read(asked, leftBytes);
      leftBytes -= fetched.records[0]?.length ?? 0;
      return fetched;
    });
  }

  /** Resolves when a long poll waits. */
  whenWaiting(): Promise<void> {
    return this.#when(() => this.#waits > 0);
  }

  /** Resolves when none waits. */
  whenIdle(): Promise<void> {
    return this.#when(() => this.#waits === 0);
  }

  async #when(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
  }

  #change(waitMs: number, cancellation: Cancellation | undefined): Promise<void> {
    this.#waits++;
    return new Promise((resolve) => {
      const stop = this.#logs.onChange(() => done());
      const timer = this.#clock.after(waitMs, () => done());
      const done = (): void => {
        this.#waits--;
        stop();
        timer.cancel();
        cancellation?.forget(done);
        resolve();
      };
      cancellation?.onCancel(done);
    });
  }

  partitionRequest<K extends PartitionApi>(key: K, request: RequestOf<K>): Promise<ResponseOf<K>> {
    // The key ties request and response together, which the type system cannot follow through the switch.
    return Promise.resolve(this.#partitionRequest(key, request as never) as ResponseOf<K>);
  }

  #partitionRequest(key: PartitionApi, request: RequestOf<2> & RequestOf<21> & RequestOf<23> & RequestOf<35>): unknown {
    switch (key) {
      case 2: {
        const { topics } = request as RequestOf<2>;
        return answers(
          topics,
          ({ name }) => ({ name }),
          (topic, each) => this.#log(topic.name, each.partitionIndex).listOffset(each.partitionIndex, each.timestamp),
        );
      }
      case 21: {
        const { topics } = request as RequestOf<21>;
        return answers(
          topics,
          ({ name }) => ({ name }),
          (topic, each) => this.#log(topic.name, each.partitionIndex).deleteTo(each.partitionIndex, each.offset),
        );
      }
      case 23: {
        const { topics } = request as RequestOf<23>;
        return answers(
          topics,
          ({ topic }) => ({ topic }),
          ({ topic }, each) => ({
            errorCode: 0,
            partition: each.partition,
            leaderEpoch: 0,
            endOffset: this.#log(topic, each.partition).endOffset,
          }),
        );
      }
      case 35: {
        const { topics } = request as RequestOf<35>;
        const sizes = topics!.map(({ topic, partitions }) => ({
          name: topic,
          partitions: partitions.map((index) => ({
            partitionIndex: index,
            partitionSize: this.#log(topic, index).sizeBytes,
          })),
        }));
        return make(describeLogDirsResponse, { results: [{ topics: sizes }] });
      }
      default:
        return unreachable(key);
    }
  }

  #log(topicName: string, partition: number): MemoryLog {
    return this.#logs.of(this.#topics.get(topicName)!.topicId, partition);
  }

  async coordinatorRequest<K extends CoordinatorApi>(
    key: K,
    target: CoordinatorTarget,
    request: RequestOf<K>,
    client: CoordinatorClient,
  ): Promise<ResponseOf<K>> {
    const coordinator = await this.#coordinator(target.clusterId);
    return (await ask(coordinator, key, request as never, client)) as ResponseOf<K>;
  }

  async listGroups(clusterId: string, request: RequestOf<16>): Promise<ResponseOf<16>> {
    return (await this.#coordinator(clusterId)).listGroups(5, request, { clientId: '', clientHost: '' });
  }

  /** One coordinator for all groups of a cluster. */
  #coordinator(clusterId: string): Promise<GroupCoordinator> {
    let known = this.#coordinators.get(clusterId);
    if (!known) {
      const coordinator = new GroupCoordinator({
        log: new MemoryCoordinatorLog(),
        clock: this.#clock,
        random: this.#random,
        settings: { initialRebalanceDelayMs: 10 },
      });
      known = coordinator.load().then(() => coordinator);
      this.#coordinators.set(clusterId, known);
    }
    return known;
  }

  async createTopic(spec: TopicSpec, guard?: TopicGuard): Promise<TopicEntry> {
    if (this.#topics.has(spec.name)) throw new AlreadyExists('topic', spec.name);
    await this.#transact({ topics: 1, partitions: spec.partitions }, guard);
    return this.#put({ ...spec, topicId: uuidOf(this.#random), createdAtMs: this.#clock.wallMs() });
  }

  async #transact(change: TopicChange, guard?: TopicGuard): Promise<void> {
    if (guard) await this.#store.transact(await guard(change));
  }

  #put(topic: Omit<TopicEntry, 'partitions'> & { readonly partitions: number }): TopicEntry {
    const partitions = Array.from({ length: topic.partitions }, (_, index) => ({
      index,
      brokerId: 1,
      leaderEpoch: 0,
      reason: 'created',
      movedAtMs: this.#clock.wallMs(),
    }));
    const entry = { ...topic, partitions };
    this.#topics.set(topic.name, entry);
    return entry;
  }

  async deleteTopic(name: string, guard?: TopicGuard, topicId?: string): Promise<void> {
    const topic = this.#topics.get(name);
    if (!topic || (topicId !== undefined && topic.topicId !== topicId)) throw new NotFound('topic', name);
    await this.#transact({ topics: -1, partitions: -topic.partitions.length }, guard);
    this.#topics.delete(name);
    this.#logs.tell();
  }

  async createPartitions(
    name: string,
    total: number,
    guard?: TopicGuard,
    replicas?: AskedReplicas,
  ): Promise<TopicEntry> {
    const topic = this.#topics.get(name)!;
    await this.#transact({ topics: 0, partitions: total - topic.partitions.length }, guard);
    return this.#put({ ...topic, partitions: total, ...(replicas ? { replicas } : {}) });
  }

  alterReplicas(name: string, alter: (topic: TopicEntry) => AskedReplicas): Promise<TopicEntry> {
    const topic = this.#topics.get(name)!;
    const entry = { ...topic, replicas: alter(topic) };
    this.#topics.set(name, entry);
    return Promise.resolve(entry);
  }

  async alterConfigs(name: string, alter: (present: TopicEntry['configs']) => ConfigChanges): Promise<TopicEntry> {
    const topic = this.#topics.get(name)!;
    const configs: Record<string, string> = { ...topic.configs };
    for (const [config, value] of Object.entries(alter(topic.configs))) {
      if (value === null) delete configs[config];
      else configs[config] = value;
    }
    const entry = { ...topic, configs };
    this.#topics.set(name, entry);
    return entry;
  }

  allocateProducerId(): Promise<number> {
    return Promise.resolve(this.#producerId++);
  }

  /** Changes the placement of a partition, as when its broker dies and another takes over. */
  place(topicId: Uuid, partition: number, brokerId: number, leaderEpoch: number): void {
    const topic = this.catalogue.byId(topicId)!;
    const partitions = topic.partitions.map((p) => (p.index === partition ? { ...p, brokerId, leaderEpoch } : p));
    this.#topics.set(topic.name, { ...topic, partitions });
  }

  brokers(): readonly [] {
    return [];
  }

  controllers(): readonly [] {
    return [];
  }

  shards(): readonly [] {
    return [];
  }

  events(): readonly [] {
    return [];
  }

  onEvent(): () => void {
    return () => undefined;
  }
}

function answers<T extends { readonly partitions: readonly P[] }, P, N extends object, A>(
  topics: readonly T[],
  nameOf: (topic: T) => N,
  answer: (topic: T, partition: T['partitions'][number]) => A,
): { throttleTimeMs: number; topics: (N & { partitions: A[] })[] } {
  return {
    throttleTimeMs: 0,
    topics: topics.map((topic) => ({
      ...nameOf(topic),
      partitions: topic.partitions.map((partition) => answer(topic, partition)),
    })),
  };
}

type AnyGroupRequest = RequestOf<8> &
  RequestOf<9> &
  RequestOf<11> &
  RequestOf<12> &
  RequestOf<13> &
  RequestOf<14> &
  RequestOf<15> &
  RequestOf<42> &
  RequestOf<47>;

function ask(
  coordinator: GroupCoordinator,
  key: CoordinatorApi,
  request: AnyGroupRequest,
  client: CoordinatorClient,
): Promise<unknown> {
  const { version } = client;
  switch (key) {
    case 8:
      return coordinator.offsetCommit(version, request, client);
    case 9:
      return coordinator.offsetFetch(version, request, client);
    case 11:
      return coordinator.joinGroup(version, request, client);
    case 12:
      return coordinator.heartbeat(version, request, client);
    case 13:
      return coordinator.leaveGroup(version, request, client);
    case 14:
      return coordinator.syncGroup(version, request, client);
    case 15:
      return coordinator.describeGroups(version, request, client);
    case 42:
      return coordinator.deleteGroups(version, request, client);
    case 47:
      return coordinator.offsetDelete(version, request, client);
    default:
      return unreachable(key);
  }
}
