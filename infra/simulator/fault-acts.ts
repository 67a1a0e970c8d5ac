/** What happens to a world at one moment, or lasts for a while: the acts that faults and their scripts consist of. */
import { shardsPk } from '../../engine/controller/rows/shard.ts';
import { below, type Random } from '../../engine/kernel/random.ts';
import { coordinatorTopic } from '../../engine/routing/coordinator-seat.ts';
import type { BrokerProcess } from './broker-process.ts';
import { type BucketMood, goodBucket } from './bucket.ts';
import { checkDrained, placesAt } from './drained.ts';
import type { PartitionName } from './history.ts';
import type { ParentProcess } from './parent-process.ts';
import { partitionName } from './partition-name.ts';
import { goodMood, type StoreMood, type StoreTrap } from './process-store.ts';
import type { SimProcess } from './process.ts';
import type { Supervisor } from './supervisor.ts';
import type { TopicRoom } from './topic-room.ts';
import { segmentsDirectory, type World } from './world.ts';

/** While no controller serves. */
const askAgainMs = 500;
/** For the write that comes with a new name. */
const soonMs = 0.1;
const undrainAgainMs = [0, 700, 2500];
export const placementsPk = `${shardsPk}#`;
export const trapTimes: readonly StoreTrap['when'][] = ['before', 'after', 'lost', 'after', 'lost'];

export class FaultActs {
  readonly world: World;
  readonly supervisor: Supervisor;
  readonly topics: TopicRoom;
  readonly random: Random;
  readonly #stopped = new Set<SimProcess>();
  readonly #drained = new Set<number>();

  constructor(world: World, supervisor: Supervisor, topics: TopicRoom) {
    this.world = world;
    this.supervisor = supervisor;
    this.topics = topics;
    this.random = world.random();
    world.disks.onNamedEarly = (process) => this.#losePowerSoon(process);
  }

  /** What may come back under an old name does so where the power fails at once. Nobody does such a thing, as long as all is well. */
  #losePowerSoon(process: SimProcess): void {
    const broker = this.world.brokers.get(process.pid);
    if (broker && !this.world.isHealed) this.world.loop.schedule(soonMs, () => this.slotPower(broker));
  }

  broker(target: number): BrokerProcess | undefined {
    const brokers = this.supervisor.brokers();
    return brokers[target % Math.max(1, brokers.length)];
  }

  /** What it owns, as the gateway knows it, but for the coordinators' own topics. */
  partitionsOf(brokerId: number): PartitionName[] {
    return this.topics.topics.flatMap(({ topicId }) => {
      const placed = this.supervisor.parent.catalogue.byId(topicId)?.partitions ?? [];
      return placed.flatMap((place) => (place.brokerId === brokerId ? partitionName(topicId, place.index) : []));
    });
  }

  /** The brokers of a cluster's coordinators, as the gateway knows them. */
  seatsOf(clusterId: string): BrokerProcess[] {
    const placed = this.supervisor.parent.catalogue.byName(coordinatorTopic(clusterId))?.partitions ?? [];
    const owners = new Set(placed.map(({ brokerId }) => brokerId));
    return this.supervisor.brokers().filter(({ slot, process }) => owners.has(slot.brokerId) && process.isAlive);
  }

  parent(target: number): ParentProcess {
    const { parents } = this.supervisor;
    return parents[target % parents.length]!;
  }

  decider(target: number): ParentProcess {
    const { deciders } = this.supervisor;
    return deciders[target % deciders.length]!;
  }

  /** Who decides in shards and does not keep the fleet. */
  onlookers(): ParentProcess[] {
    const { deciders } = this.supervisor;
    const keeper = deciders[0]!.controller.controllers().find(({ keepsFleet }) => keepsFleet)?.controllerId ?? '';
    return deciders.filter(({ process }) => !keeper.startsWith(process.name.replace(' ', '-')));
  }

  killProcess(process: SimProcess): void {
    if (!process.isAlive) return;
    this.world.fault(`${process.name}: SIGKILL`);
    process.end('SIGKILL');
  }

  /** Politely; where one process is everything its brokers end with it. */
  stopController(target: number): void {
    const decider = this.decider(target);
    if (!decider.process.isRunning) return;
    this.world.fault(`${decider.process.name}: SIGTERM`);
    decider.stop();
  }

  kill(broker: BrokerProcess | undefined, reason: string): void {
    if (!broker?.process.isAlive) return;
    this.world.fault(`${broker.process.name}: ${reason}`);
    broker.process.end(reason);
    if (below(this.random, 2) === 0)
      this.world.loop.schedule(below(this.random, 20), () => this.topics.restartProducers());
  }

  jumpWall(ms: number): void {
    this.world.fault(`wall clock jumps by ${ms / 1000} s`);
    this.world.history.add({ kind: 'clock-set' });
    this.world.loop.jumpWall(ms);
  }

  hang(process: SimProcess, durationMs: number): void {
    if (process.isStopped || !process.isAlive) return;
    process.stop();
    this.#stopped.add(process);
    const { calm } = this.world;
    calm.begin(process);
    process.onEnd(() => calm.end(process));
    this.lasting(`${process.name}: SIGSTOP`, durationMs, () => {
      this.#stopped.delete(process);
      process.resume();
      calm.end(process);
    });
  }

  zone(target: number, withPower: boolean): void {
    const { slots } = this.world.settings;
    const zones = [...new Set(slots.map(({ zone }) => zone))];
    const zone = zones[target % zones.length]!;
    this.world.fault(`zone ${zone}: ${withPower ? 'power loss' : 'all brokers killed'}`);
    for (const broker of this.supervisor.brokers()) if (broker.slot.zone === zone) this.kill(broker, 'zone');
    if (!withPower) return;
    for (const slot of slots) if (slot.zone === zone) this.#loseCache(slot.volume);
  }

  /** One machine of many: the broker ends, and its volume loses what was not synced. */
  slotPower({ process, slot }: BrokerProcess): void {
    if (!process.isAlive) return;
    this.world.fault(`${process.name}: power loss`);
    process.end('power loss');
    this.#loseCache(slot.volume);
  }

  /** The whole machine: every process ends at this moment, and every disk loses what was not synced. */
  power(): void {
    this.world.fault('power loss');
    for (const process of this.world.processes.values()) process.end('power loss');
    for (const root of this.world.disks.roots()) this.#loseCache(root);
  }

  /** Where writes are acknowledged in the page cache, the system goes on, and only processes end. */
  #loseCache(root: string): void {
    if (this.world.settings.log.durability === 'fsync') this.world.disks.of(root).crash(this.random);
  }

  planned(kind: 'drain' | 'restart', target: number, durationMs: number): void {
    const { slots } = this.world.settings;
    const { brokerId } = slots[target % slots.length]!;
    this.world.fault(`${kind} broker ${brokerId}`);
    if (kind === 'restart') return this.#ask(0, (controller) => controller.restartBroker(brokerId));
    this.#drained.add(brokerId);
    const before = placesAt(this.world, brokerId);
    this.#ask(0, async (controller) => {
      if ((await controller.drainBroker(brokerId)) === 0) await checkDrained(this.world, brokerId, await before);
    });
    this.#ask(durationMs + 500, (controller) => controller.undrainBroker(brokerId));
  }

  /**
   * The request goes to the first controller that serves by then: it writes the request down, and the controller that
   * keeps the fleet does the work.
   */
  #ask(delayMs: number, act: (controller: ParentProcess['controller']) => Promise<unknown>): void {
    this.world.loop.schedule(delayMs, () => {
      const decider = this.supervisor.deciders.find(({ isServing, process }) => isServing && process.isAlive);
      if (!decider) return this.#ask(askAgainMs, act);
      decider.process.post(0, () => void act(decider.controller).catch(() => undefined));
    });
  }

  fleet(kind: 'scale' | 'evacuate' | 'replace', target: number, durationMs: number): void {
    const { slots } = this.world.settings;
    const { brokerId, zone } = slots[target % slots.length]!;
    const laterMs = durationMs + 500;
    if (kind === 'scale') {
      this.world.fault(`scale to ${brokerId} brokers`);
      this.#ask(0, (controller) => controller.scaleFleet(brokerId));
      this.#ask(laterMs, (controller) => controller.scaleFleet(undefined));
    } else if (kind === 'evacuate') {
      this.world.fault(`evacuate zone ${zone}`);
      this.#ask(0, (controller) => controller.evacuateZone(zone));
      this.#ask(laterMs, (controller) => controller.restoreZone(zone));
    } else {
      this.world.fault(`replace broker ${brokerId}`);
      this.#ask(0, (controller) => controller.replaceBroker(brokerId));
    }
  }

  mood(mood: StoreMood, durationMs: number): void {
    this.world.store.mood = mood;
    const what = Object.entries(mood)
      .filter(([, share]) => share > 0)
      .map(([name, share]) => `${name} ${share}`)
      .join(', ');
    this.lasting(`store: ${what}`, durationMs, () => {
      if (this.world.store.mood === mood) this.world.store.mood = goodMood;
    });
  }

  /** Of the bucket that holds the segments; nothing where a disk does. */
  bucketMood(mood: BucketMood, durationMs: number): void {
    const { bucket } = this.world;
    if (!bucket) return;
    bucket.mood = mood;
    const { awayPercent, answerLostPercent, slowMs, giveUpMs } = mood;
    const lost = `away ${awayPercent}%, answers lost ${answerLostPercent}%`;
    const what = mood.isReadOnly
      ? 'bucket: refuses writes'
      : `bucket: ${lost}, slow ${slowMs} ms, given up in ${giveUpMs} ms`;
    this.lasting(what, durationMs, () => {
      if (bucket.mood === mood) bucket.mood = goodBucket;
    });
  }

  lasting(what: string, durationMs: number, end: () => void): void {
    this.world.fault(`${what} (for ${durationMs} ms)`);
    this.world.loop.schedule(durationMs, () => {
      this.world.fault(`over: ${what}`);
      end();
    });
  }

  /** Ends every act that still lasts. */
  heal(): void {
    const { store, network, disks, bucket, settings } = this.world;
    store.mood = goodMood;
    store.cutOff.clear();
    store.lateMs.clear();
    store.deafTo.clear();
    store.heldReads.clear();
    store.traps.clear();
    store.trapForAny = undefined;
    disks.traps.clear();
    disks.newFileTraps.clear();
    disks.dropTraps.clear();
    this.world.killsAtStart.clear();
    disks.slowMs.clear();
    if (bucket) bucket.mood = goodBucket;
    disks.mountPresent();
    for (const mend of this.world.mends) mend();
    for (const root of disks.roots()) {
      disks.of(root).isTaken = false;
      // A segment file that cannot be removed keeps nothing from working: they go when that is seen.
      if (root !== segmentsDirectory) disks.of(root).refusesRemoval = () => false;
      // One that was planned may wait for its moment still.
      disks.of(root).forgetPlans();
    }
    for (const { address } of settings.slots) {
      network.heal(address);
      network.unmute(address, this.random);
      network.slow(address, 0);
    }
    for (const process of this.#stopped) {
      process.resume();
      this.world.calm.end(process);
    }
    this.#stopped.clear();
    // The process that was asked to undrain them may have died before it wrote that, and a drain outlasts every
    // process. It is sent more than once: a stopped process carries out an earlier drain request when it resumes,
    // beside the later one.
    for (const brokerId of this.#drained) {
      for (const delayMs of undrainAgainMs) this.#ask(delayMs, (controller) => controller.undrainBroker(brokerId));
    }
    this.#drained.clear();
  }
}
