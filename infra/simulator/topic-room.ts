/** Makes and deletes topics through the door, repeating until the answer is known, and gives each its clients. */
import { below, type Random } from '../../engine/kernel/random.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import { Committer } from './committer.ts';
import { Consumer } from './consumer.ts';
import { type Door, noAnswer } from './door.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import { MemberGroup } from './member-group.ts';
import { partitionName } from './partition-name.ts';
import { PipedProducer } from './piped-producer.ts';
import { PlainProducer } from './plain-producer.ts';
import { Surveyor } from './surveyor.ts';
import type { SimTopic } from './topic-plan.ts';
import { clusterIds, type World } from './world.ts';

const retryMs = 200;
const topicsMax = 5;
/** Of each log of a bounded topic. */
const keptBytes = 3000;

export class TopicRoom {
  readonly topics: SimTopic[] = [];
  readonly idempotent: IdempotentProducer[] = [];
  readonly plain: PlainProducer[] = [];
  readonly piped: PipedProducer[] = [];
  readonly consumers: Consumer[] = [];
  readonly surveyors: Surveyor[] = [];
  readonly committers: Committer[] = [];
  readonly groups: MemberGroup[] = [];
  readonly #world: World;
  readonly #door: Door;
  readonly #random: Random;
  #count = 0;
  isOver = false;

  constructor(world: World, door: Door) {
    this.#world = world;
    this.#door = door;
    this.#random = world.random();
  }

  /** Calls back once clients use it. */
  create(isBounded: boolean, done: () => void = () => undefined): void {
    if (this.topics.filter(({ isDeleted }) => !isDeleted).length >= topicsMax) return;
    const number = this.#count++;
    const clusterId = clusterIds[number % clusterIds.length]!;
    const name = `${clusterId}.t${number}`;
    const partitions = 2 + below(this.#random, 3);
    const configs: Record<string, string> = isBounded ? { 'retention.bytes': String(keptBytes) } : {};
    const attempt = (): void => {
      if (this.isOver) return;
      this.#door.request(
        async ({ engine, catalogue }) => {
          const known = catalogue.byName(name);
          return known ?? engine.createTopic({ name, clusterId, partitions, configs });
        },
        (made) => {
          if (made === noAnswer || made instanceof Error) this.#world.loop.schedule(retryMs, attempt);
          else this.#settle(made, isBounded, done);
        },
      );
    };
    attempt();
  }

  #settle(entry: TopicEntry, isBounded: boolean, done: () => void): void {
    const { name, topicId, clusterId } = entry;
    const partitions = entry.partitions.length;
    const topic: SimTopic = { name, clusterId, topicId, partitions, isBounded, isDeleted: false };
    this.topics.push(topic);
    this.#world.fault(`topic ${name} is there: ${partitionName(topicId, 0)} and ${partitions - 1} more`);
    const { history } = this.#world;
    for (let i = 0; i < partitions; i++) {
      history.add({
        kind: 'topic',
        partition: partitionName(topicId, i),
        isBounded,
        ...(isBounded ? { keptBytes } : {}),
      });
    }
    const label = name.slice(name.indexOf('.') + 1);
    const all = Array.from({ length: partitions }, (_, i) => i);
    const [world, door] = [this.#world, this.#door];
    for (const i of all) this.idempotent.push(new IdempotentProducer(world, door, topic, i, `${label}p${i}`));
    this.plain.push(new PlainProducer(world, door, topic, 'plain', `${label}n`));
    this.plain.push(new PlainProducer(world, door, topic, 'gateway', `${label}g`));
    for (const i of all) this.piped.push(new PipedProducer(world, door, topic, i, `${label}s${i}`));
    this.consumers.push(new Consumer(world, door, topic, all, `${label}all`));
    const rare = { maxWaitMs: 400, pauseMs: 250 };
    for (const i of all.slice(0, 1))
      this.consumers.push(new Consumer(world, door, topic, [i], `${label}one${i}`, rare));
    this.surveyors.push(new Surveyor(world, door, topic));
    this.committers.push(new Committer(world, door, topic, `g${label}`));
    if (world.settings.hasGroups) this.groups.push(new MemberGroup(world, door, topic, `m${label}`));
    done();
  }

  delete(target: number): void {
    const live = this.topics.filter(({ isDeleted }) => !isDeleted);
    if (live.length < 2) return;
    const topic = live[target % live.length]!;
    topic.isDeleted = true;
    for (let i = 0; i < topic.partitions; i++) {
      this.#world.history.add({ kind: 'deleted', partition: partitionName(topic.topicId, i) });
    }
    const attempt = (): void => {
      this.#door.request(
        async ({ engine, catalogue }) => {
          if (catalogue.byId(topic.topicId)) await engine.deleteTopic(topic.name);
          return true;
        },
        (gone) => {
          if (gone !== true && !this.isOver) this.#world.loop.schedule(retryMs, attempt);
        },
      );
    };
    attempt();
  }

  /** Partitions that nobody uses: what counts is that those in use do not mind. */
  grow(target: number): void {
    const topic = this.topics[target % this.topics.length];
    if (!topic || topic.isDeleted) return;
    this.#door.request(
      ({ engine, catalogue }) =>
        engine.createPartitions(topic.name, (catalogue.byId(topic.topicId)?.partitions.length ?? 9) + 1),
      () => undefined,
    );
  }

  /** Up to where the first consumer has read, of a bounded topic. */
  deleteRecords(target: number): void {
    const bounded = this.topics.filter(({ isBounded, isDeleted }) => isBounded && !isDeleted);
    const topic = bounded[target % Math.max(1, bounded.length)];
    if (!topic) return;
    const partitionIndex = target % topic.partitions;
    const partition = partitionName(topic.topicId, partitionIndex);
    this.#world.history.add({ kind: 'cutting', partition });
    this.#door.request(
      ({ engine }) =>
        engine.partitionRequest(21, {
          topics: [{ name: topic.name, partitions: [{ partitionIndex, offset: -1 }] }],
          timeoutMs: 3000,
        }),
      (response) => {
        if (response === noAnswer || response instanceof Error) return;
        const { errorCode, lowWatermark } = response.topics[0]!.partitions[0]!;
        if (errorCode === 0) this.#world.history.add({ kind: 'cut', partition, start: lowWatermark });
      },
    );
  }

  /** Clients die as brokers do, and come back while nobody serves: what a producer sends first is then held. */
  restartProducers(): void {
    for (const producer of this.idempotent) producer.restart();
  }

  /** No more sends; what was sent is repeated until it is known. */
  stopSending(): void {
    for (const producer of [...this.idempotent, ...this.plain, ...this.piped]) producer.isStopped = true;
    for (const committer of this.committers) committer.isStopped = true;
  }

  get isQuiet(): boolean {
    return [...this.idempotent, ...this.plain, ...this.piped].every(({ isIdle }) => isIdle);
  }
}
