/** Creates and deletes topics through the door, repeating until the answer is known, and gives each its clients. */
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import type { TopicEntry } from '../../engine/engine.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { Committer } from './committer.ts';
import { Consumer } from './consumer.ts';
import { cutOne } from './cut-one.ts';
import { Cutter } from './cutter.ts';
import { type Door, noAnswer } from './door.ts';
import type { Doors } from './doors.ts';
import { IdempotentProducer } from './idempotent-producer.ts';
import { firstConfigs, type KeptConfigs, keptBytes, retentionConfigs } from './kept-topics.ts';
import { MemberGroup } from './member-group.ts';
import { partitionName } from './partition-name.ts';
import { keptPlain } from './recoding.ts';
import { PipedProducer } from './piped-producer.ts';
import { PlainProducer } from './plain-producer.ts';
import { SharedId } from './shared-id.ts';
import { Surveyor } from './surveyor.ts';
import type { SimTopic } from './topic-plan.ts';
import { clusterIds, type World } from './world.ts';

const retryMs = 200;
const idleLookMs = 5;
const shownMs = 2;
const topicsMax = 5;
/** For a reader that waits for several batches, or for longer. */
const minBytesOf = [1, 1, 300, 900] as const;
const rareWaitsMs = [400, 900] as const;
/** With several gateways: a reader that rereads the same again and again, and meets what another client has deleted. */
const rewindersMax = 1;
/** How a topic's clients are named, and the group that commits for it. */
interface Clients {
  readonly label: string;
  readonly group: string;
}
interface NewTopic extends Clients {
  readonly name: string;
  readonly clusterId: string;
  /** The topic that had the name before. */
  readonly former?: Uuid;
}
type TopicKind = Pick<SimTopic, 'isBounded' | 'isCutOnly' | 'isRecoded' | 'keptMs'>;
const again = { pauseMs: 50, rewinds: true, maxWaitMs: 100 };
/** Of answers: in half of all topics a few batches, of which some partitions have more. */
const limitsOf = [
  {},
  {},
  { maxBytes: 700, partitionMaxBytes: 400 },
  { maxBytes: 300, partitionMaxBytes: 250 },
] as const;

export class TopicRoom {
  readonly topics: SimTopic[] = [];
  readonly idempotent: IdempotentProducer[] = [];
  readonly plain: PlainProducer[] = [];
  readonly piped: PipedProducer[] = [];
  readonly consumers: Consumer[] = [];
  readonly surveyors: Surveyor[] = [];
  readonly committers: Committer[] = [];
  readonly cutters: Cutter[] = [];
  readonly groups: MemberGroup[] = [];
  readonly #world: World;
  readonly #doors: Doors;
  readonly #door: Door;
  readonly #random: Random;
  /** By cluster; empty where each producer has its own id. */
  readonly #ids: ReadonlyMap<string, SharedId>;
  /** What topics are to be told about what is kept of them, by name. */
  readonly #untold = new Map<string, KeptConfigs>();
  #count = 0;
  isOver = false;

  constructor(world: World, doors: Doors) {
    this.#world = world;
    this.#doors = doors;
    this.#door = doors.any();
    this.#random = world.random();
    const areShared = below(seededRandom(world.settings.seed ^ 0x51a7), 2) === 0;
    this.#ids = new Map(areShared ? clusterIds.map((id) => [id, new SharedId()]) : []);
  }

  /** Calls back once clients use it. */
  create(isBounded: boolean, done: () => void = () => undefined): void {
    if (this.topics.filter(({ isDeleted }) => !isDeleted).length >= topicsMax) return;
    const number = this.#count++;
    const clusterId = clusterIds[number % clusterIds.length]!;
    const label = `t${number}`;
    this.#make({ name: `${clusterId}.${label}`, clusterId, label, group: `g${label}` }, isBounded, done);
  }

  /**
   * Deletes a topic, and makes another one under its name as soon as that is known. The same group commits for it, unless
   * something that it has sent may still come.
   */
  again(target: number): void {
    // A deletion of records names its topic, and may come late.
    const former = this.delete(
      target,
      () => makeWhenIdle(),
      ({ isBounded }) => !isBounded,
    );
    if (!former) return;
    const committer = this.committers[this.topics.indexOf(former)]!;
    const { name, clusterId, topicId, isBounded } = former;
    const makeWhenIdle = (): void => {
      if (!committer.isIdle) return void this.#world.loop.schedule(idleLookMs, makeWhenIdle);
      const label = `t${this.#count++}`;
      const group = committer.isUnsure ? `g${label}` : committer.group;
      this.#world.fault(`topic ${name} is made again`);
      this.#make({ name, clusterId, label, group, former: topicId }, isBounded, () => undefined);
    };
  }

  #make({ name, clusterId, label, group, former }: NewTopic, isBounded: boolean, done: () => void): void {
    const partitions = 2 + below(this.#random, 3);
    // In a third of the worlds clients shorten what retention does in the others.
    const isCutOnly = isBounded && this.#world.settings.cutsTopics;
    const isKept = isBounded && !isCutOnly;
    const isRecoded = !isBounded && this.#world.settings.recodes;
    const { retention } = this.#world.settings;
    const kept = isKept ? retentionConfigs(retention) : {};
    const keptMs = isKept ? retention.keptMs : undefined;
    const configs = { ...(retention.afterMs === 0 ? kept : {}), ...(isRecoded ? keptPlain : {}) };
    const attempt = (): void => {
      if (this.isOver) return;
      this.#door.request(
        async ({ engine, catalogue, process }) => {
          const known = catalogue.byName(name);
          const isMade = known !== undefined && known.topicId !== former;
          const made = isMade ? known : await engine.createTopic({ name, clusterId, partitions, configs });
          // As the doors do (gateway/operations/topics.ts): who is told of a topic can use its name.
          while (former !== undefined && catalogue.byId(made.topicId) === undefined)
            await sleep(process.clock, shownMs);
          return made;
        },
        (made) => {
          if (made === noAnswer || made instanceof Error) this.#world.loop.schedule(retryMs, attempt);
          else {
            this.#settle(made, { isBounded, isCutOnly, isRecoded, keptMs }, { label, group }, done);
            if (isKept && retention.afterMs > 0) {
              this.#untold.set(name, firstConfigs);
              this.#world.loop.schedule(retention.afterMs, () => this.#keep(name));
            }
          }
        },
      );
    };
    attempt();
  }

  /** Says how much is kept, until that is known. */
  #keep(name: string): void {
    const configs = this.#untold.get(name);
    if (!configs || this.topics.findLast((topic) => topic.name === name)?.isDeleted) return;
    this.#door.request(
      ({ engine }) => engine.alterConfigs(name, () => configs),
      (altered) => {
        if (altered !== noAnswer && !(altered instanceof Error) && this.#untold.get(name) === configs)
          this.#untold.delete(name);
        else this.#world.loop.schedule(retryMs, () => this.#keep(name));
      },
    );
  }

  /** When all is quiet: what is kept of topics that were not told before. */
  tellKept(): void {
    const { retention } = this.#world.settings;
    if (retention.afterMs === 0) return;
    for (const { name, isBounded, isCutOnly, isDeleted } of this.topics) {
      if (!isBounded || isCutOnly || isDeleted) continue;
      const isAsking = this.#untold.has(name);
      this.#untold.set(name, retentionConfigs(retention));
      if (!isAsking) this.#keep(name);
    }
  }

  get isKeptTold(): boolean {
    return this.topics.every(({ name, isDeleted }) => isDeleted || !this.#untold.has(name));
  }

  #settle(entry: TopicEntry, kind: TopicKind, { label, group }: Clients, done: () => void): void {
    // Created when all is over: its clients would continue when the others have been told to stop.
    if (this.isOver) return;
    const { isBounded, isCutOnly, keptMs } = kind;
    const { name, topicId, clusterId } = entry;
    const partitions = entry.partitions.length;
    const topic: SimTopic = { name, clusterId, topicId, partitions, ...kind, isDeleted: false };
    this.topics.push(topic);
    this.#world.fault(`topic ${name} is there: ${partitionName(topicId, 0)} and ${partitions - 1} more`);
    const { history, settings } = this.#world;
    const { retentionIntervalMs: looksMs } = settings.log;
    for (let i = 0; i < partitions; i++) {
      history.add({
        kind: 'topic',
        partition: partitionName(topicId, i),
        isBounded,
        ...(isCutOnly ? { isCutOnly } : isBounded ? (keptMs === undefined ? { keptBytes } : { keptMs, looksMs }) : {}),
      });
    }
    const all = Array.from({ length: partitions }, (_, i) => i);
    const [world, doors] = [this.#world, this.#doors];
    const shared = this.#ids.get(clusterId);
    for (const i of all)
      this.idempotent.push(new IdempotentProducer(world, doors.any(), topic, i, `${label}p${i}`, shared));
    this.plain.push(new PlainProducer(world, doors.one(), topic, 'plain', `${label}n`));
    this.plain.push(new PlainProducer(world, doors.one(), topic, 'gateway', `${label}g`));
    for (const i of all) this.piped.push(new PipedProducer(world, doors.one(), topic, i, `${label}s${i}`));
    // From a separate random stream, so that earlier seeds keep their histories.
    const random = seededRandom(Math.imul(world.settings.seed + 1, 0x68e31da4) ^ this.topics.length);
    const minBytes = minBytesOf[below(random, minBytesOf.length)]!;
    const maxWaitMs = rareWaitsMs[below(random, rareWaitsMs.length)]!;
    const limits = limitsOf[below(random, limitsOf.length)]!;
    this.consumers.push(new Consumer(world, doors.any(), topic, all, `${label}all`, limits));
    const rare = {
      ...limits,
      maxWaitMs,
      pauseMs: 250,
      minBytes,
    };
    for (const i of all.slice(0, 1))
      this.consumers.push(new Consumer(world, doors.any(), topic, [i], `${label}one${i}`, rare));
    if (doors.all.length > 1) {
      for (const i of all.slice(-rewindersMax))
        this.consumers.push(new Consumer(world, doors.any(), topic, [i], `${label}again${i}`, again));
    }
    this.surveyors.push(new Surveyor(world, doors.any(), topic));
    this.committers.push(new Committer(world, doors.any(), topic, group));
    if (isCutOnly) this.cutters.push(new Cutter(world, doors.any(), topic));
    if (world.settings.hasGroups) this.groups.push(new MemberGroup(world, doors.any(), topic, `m${label}`));
    done();
  }

  /** One of those that `may` be; `done` is called once it is known to be gone. Undefined: there are too few. */
  delete(
    target: number,
    done: () => void = () => undefined,
    may: (topic: SimTopic) => boolean = () => true,
  ): SimTopic | undefined {
    const live = this.topics.filter(({ isDeleted }) => !isDeleted);
    const candidates = live.filter(may);
    const topic = candidates[target % Math.max(1, candidates.length)];
    if (live.length < 2 || !topic) return undefined;
    topic.isDeleted = true;
    for (let i = 0; i < topic.partitions; i++) {
      this.#world.history.add({ kind: 'deleted', partition: partitionName(topic.topicId, i) });
    }
    const attempt = (): void => {
      this.#door.request(
        async ({ engine, catalogue }) => {
          // Not whatever has the name when this arrives.
          if (catalogue.byId(topic.topicId)) await engine.deleteTopic(topic.name, undefined, topic.topicId);
          return true;
        },
        (gone) => {
          if (gone === true) done();
          else if (!this.isOver) this.#world.loop.schedule(retryMs, attempt);
        },
      );
    };
    attempt();
    return topic;
  }

  /** Partitions that nobody uses: they must not affect those in use. */
  grow(target: number, by = 1): void {
    const topic = this.topics[target % this.topics.length];
    if (!topic || topic.isDeleted) return;
    this.#door.request(
      ({ engine, catalogue }) =>
        engine.createPartitions(topic.name, (catalogue.byId(topic.topicId)?.partitions.length ?? 9) + by),
      () => undefined,
    );
  }

  /** All that there are of a log of a bounded topic. */
  deleteRecords(target: number, told: (code: number) => void = () => undefined): void {
    const bounded = this.topics.filter(({ isBounded, isDeleted }) => isBounded && !isDeleted);
    const topic = bounded[target % Math.max(1, bounded.length)];
    if (!topic) return;
    cutOne(this.#door, topic, target % topic.partitions, -1, told);
  }

  /** Of the logs of bounded topics that lie there, as the gateway knows it, up to the end that a client was told. */
  deleteAt(brokerId: number): void {
    for (const topic of this.topics) {
      if (!topic.isBounded || topic.isDeleted) continue;
      const placed = this.#door.parent?.catalogue.byId(topic.topicId)?.partitions ?? [];
      for (const { index, brokerId: owner } of placed.slice(0, topic.partitions)) {
        const { end } = this.#world.history.told.of(partitionName(topic.topicId, index));
        if (owner === brokerId && end > 0) cutOne(this.#door, topic, index, end, () => undefined);
      }
    }
  }

  /** Clients die as brokers do, and return while nobody serves: what a producer sends first is then held. */
  restartProducers(): void {
    for (const producer of this.idempotent) producer.restart();
  }

  /** Every second one. */
  restartHalf(parity: 0 | 1): void {
    for (const [i, producer] of this.idempotent.entries()) if (i % 2 === parity) producer.restart();
  }

  /** All of them start over, and send as much as they may at one moment. */
  burstAt(atMs: number): void {
    for (const producer of this.idempotent) producer.restart(atMs);
  }

  /** Sends nothing new; repeats what was sent until its outcome is known. */
  stopSending(): void {
    for (const producer of [...this.idempotent, ...this.plain, ...this.piped]) producer.isStopped = true;
    for (const client of [...this.committers, ...this.cutters]) client.isStopped = true;
  }

  get isQuiet(): boolean {
    return [...this.idempotent, ...this.plain, ...this.piped].every(({ isIdle }) => isIdle);
  }
}
