/** Makes planned faults happen, and ends those that last. */
import { goodMood, type StoreMood, type StoreTrap } from './process-store.ts';
import { brokerSessionsPk } from '../../engine/controller/rows/broker-session.ts';
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import { shardsPk } from '../../engine/controller/rows/shard.ts';
import { segmentFilePk } from '../../engine/log/rows/segment-file.ts';
import type { BrokerProcess } from './broker-process.ts';
import type { Fault } from './fault-plan.ts';
import { below } from '../../engine/kernel/random.ts';
import type { ParentProcess } from './parent-process.ts';
import type { Cut } from './process-network.ts';
import type { SimProcess } from './process.ts';
import type { Supervisor } from './supervisor.ts';
import type { TopicRoom } from './topic-room.ts';
import { segmentsDirectory, type World } from './world.ts';

/** While no controller serves. */
const askAgainMs = 500;
const placementsPk = `${shardsPk}#`;
const trapTimes: readonly StoreTrap['when'][] = ['before', 'after', 'lost', 'after', 'lost'];
const cuts: readonly Cut[] = ['to', 'from', 'both'];

export class Injector {
  readonly #world: World;
  readonly #supervisor: Supervisor;
  readonly #topics: TopicRoom;
  readonly #stopped = new Set<SimProcess>();
  readonly #drained = new Set<number>();
  readonly #random;

  constructor(world: World, supervisor: Supervisor, topics: TopicRoom) {
    this.#world = world;
    this.#supervisor = supervisor;
    this.#topics = topics;
    this.#random = world.random();
  }

  /** Everything that still lasts ends. */
  heal(): void {
    const { store, network, disks, settings } = this.#world;
    store.mood = goodMood;
    store.cutOff.clear();
    store.lateMs.clear();
    store.traps.clear();
    disks.traps.clear();
    this.#world.killsAtStart.clear();
    disks.slowMs.clear();
    for (const { address } of settings.slots) {
      network.heal(address);
      network.slow(address, 0);
    }
    for (const process of this.#stopped) process.resume();
    this.#stopped.clear();
    // Who was asked to undrain them may have died before it was written, and a drain outlasts everybody.
    for (const brokerId of this.#drained) this.#ask(0, (controller) => controller.undrainBroker(brokerId));
    this.#drained.clear();
  }

  inject(fault: Fault): void {
    const { target, value, durationMs, kind } = fault;
    const broker = this.#broker(target);
    switch (kind) {
      case 'kill':
        return this.#sprung(value % 4 < 2 ? broker?.process : undefined, fault, () => this.#kill(broker, 'SIGKILL'));
      case 'kill-two':
        this.#kill(broker, 'SIGKILL');
        return this.#kill(this.#broker(target + 1 + (value % 2)), 'SIGKILL');
      case 'hang':
        if (!broker) return;
        return this.#sprung(value % 4 > 0 ? broker.process : undefined, fault, () =>
          this.#hang(broker.process, durationMs * 2),
        );
      case 'orphan-stall':
        return this.#stallOrphan(broker, fault);
      case 'late-remap':
        return this.#remapLate(broker, fault);
      case 'move-cut':
        return this.#cutMove(fault);
      case 'twin-start':
        return this.#startTwin(broker, fault);
      case 'zone-loss':
      case 'zone-power':
        return this.#inSync(kind === 'zone-power' && value % 2 === 0 ? broker?.process : undefined, fault, () =>
          this.#zone(target, kind === 'zone-power'),
        );
      case 'power':
        return this.#inSync(value % 4 > 0 ? broker?.process : undefined, fault, () => this.#power());
      case 'parent-kill':
        return this.#killParent(this.#parent(target).process, fault);
      case 'parent-hang':
        return this.#hang(this.#parent(target).process, durationMs * 2);
      case 'controller-kill':
        return this.#killParent(this.#decider(target).process, fault);
      case 'controller-hang': {
        const { process } = this.#decider(target);
        return this.#inStore(value % 2 === 0 ? process : undefined, fault, () => this.#hang(process, durationMs * 2));
      }
      case 'controller-stop':
        return this.#stopController(target);
      case 'controllers-kill':
        for (const { process } of this.#supervisor.controllers) this.#killProcess(process);
        return;
      case 'drain':
      case 'restart':
        return this.#planned(kind, target, durationMs);
      case 'scale':
      case 'evacuate':
      case 'replace':
        return this.#fleet(kind, target, durationMs);
      case 'topic-create':
        return this.#topics.create(value % 2 === 0);
      case 'topic-delete':
        return this.#topics.delete(target);
      case 'grow':
        return this.#topics.grow(target);
      case 'delete-records':
        return this.#topics.deleteRecords(target);
      case 'wall-jump':
        this.#world.fault(`wall clock jumps by ${value - 500} s`);
        return this.#world.loop.jumpWall((value - 500) * 1000);
      default:
        return this.#environment(fault, broker);
    }
  }

  #environment({ kind, target, value, durationMs }: Fault, broker: BrokerProcess | undefined): void {
    const { disks, network, settings, store } = this.#world;
    const slot = settings.slots[target % settings.slots.length]!;
    const disk = disks.of(value % 4 === 0 ? segmentsDirectory : slot.volume);
    switch (kind) {
      case 'store-slow':
        return this.#mood({ ...goodMood, slowMs: 20 + (value % 400) }, durationMs);
      case 'store-throttled':
        return this.#mood({ ...goodMood, throttledPercent: 20 + (value % 60) }, durationMs);
      case 'store-away':
        return this.#mood({ ...goodMood, unavailablePercent: 100 }, durationMs);
      case 'store-reply-lost':
        return this.#mood({ ...goodMood, replyLostPercent: 10 + (value % 60) }, durationMs * 2);
      case 'store-change-lost':
        return this.#mood({ ...goodMood, changeLostPercent: 10 + (value % 60) }, durationMs * 2);
      case 'store-cut': {
        const process = value % 3 === 0 ? this.#parent(value).process : broker?.process;
        if (!process) return;
        store.cutOff.add(process);
        return this.#lasting(`store: out of reach of ${process.name}`, durationMs, () => store.cutOff.delete(process));
      }
      case 'store-late': {
        const process = value % 3 === 0 ? broker?.process : this.#decider(value).process;
        if (!process) return;
        store.lateMs.set(process, 100 + ((value * 7) % 2500));
        const what = `store: late for ${process.name}`;
        return this.#lasting(what, 500 + durationMs, () => store.lateMs.delete(process));
      }
      case 'net-cut': {
        const cut = cuts[value % cuts.length]!;
        network.cut(slot.address, cut);
        return this.#lasting(`network: cut ${cut} ${slot.address}`, durationMs, () => network.heal(slot.address));
      }
      case 'net-reset':
        this.#world.fault(`network: reset ${slot.address}`);
        return network.reset(slot.address);
      case 'net-slow':
        network.slow(slot.address, 5 + (value % 100));
        return this.#lasting(`network: slow ${slot.address}`, durationMs, () => network.slow(slot.address, 0));
      case 'disk-slow': {
        const root = value % 4 === 0 ? segmentsDirectory : slot.volume;
        disks.slowMs.set(root, 10 + (value % 300));
        return this.#lasting(`disk: slow ${root}`, durationMs, () => disks.slowMs.delete(root));
      }
      case 'disk-fault':
        this.#world.fault(`disk: the next sync of ${slot.volume} or the segments fails`);
        return disk.plan({ on: 'datasync', error: 'io' });
      case 'disk-full':
        this.#world.fault(`disk: full at the next write to ${slot.volume} or the segments`);
        return disk.plan({ on: 'write', error: 'full', afterBytes: value % 300 });
      default:
        return;
    }
  }

  /** When the broker is in the middle of its next sync or of its next transaction; at once without one. */
  #sprung(process: SimProcess | undefined, fault: Fault, act: () => void): void {
    if (fault.value % 7 < 3) this.#inStore(process, fault, act);
    else this.#inSync(process, fault, act);
  }

  /** Of its log or of a roll-up. */
  #inSync(process: SimProcess | undefined, { value }: Fault, act: () => void): void {
    if (!process) return act();
    const broker = this.#world.brokers.get(process.pid)!;
    const root = value % 8 < 4 ? broker.slot.volume : segmentsDirectory;
    this.#world.disks.traps.set(process, { root, act });
  }

  /** A transaction of one kind or another: it has happened then, or will, or never. */
  #inStore(process: SimProcess | undefined, { value }: Fault, act: () => void): void {
    if (!process) return act();
    const isBroker = this.#world.brokers.has(process.pid);
    const pks = isBroker
      ? [leasesPk, segmentFilePk, undefined]
      : [placementsPk, placementsPk, brokerSessionsPk, undefined];
    const pk = pks[value % pks.length];
    this.#world.store.traps.set(process, { pk, when: trapTimes[value % 5]!, act });
  }

  /** At once, in the middle of a decision, or when it has just started a broker. */
  #killParent(process: SimProcess, fault: Fault): void {
    const { value } = fault;
    if (value % 5 === 0) this.#world.killsAtStart.set(process, value);
    else this.#inStore(value % 5 < 3 ? process : undefined, fault, () => this.#killProcess(process));
  }

  /**
   * A broker is stopped while a renewal of its lease is answered and a sync is under way, and stays so until its lease has
   * ended and its parent has died: when it goes on, both answers wait for it, and it does not know the time.
   */
  #stallOrphan(broker: BrokerProcess | undefined, { target, value }: Fault): void {
    if (!broker) return;
    const { disks, store, settings, loop } = this.#world;
    const { process, slot } = broker;
    disks.slowMs.set(slot.volume, 60);
    const act = (): void => {
      disks.slowMs.delete(slot.volume);
      this.#hang(process, settings.lease.durationMs * 1.5 + 500 + value);
      loop.schedule(value % 300, () => this.#killProcess(this.#decider(target).process));
    };
    store.traps.set(process, { pk: leasesPk, when: 'after', isDue: () => disks.isSyncing(process), act });
  }

  /** A broker dies, and what a controller that does not keep the fleet decides about it arrives when it is back. */
  #remapLate(broker: BrokerProcess | undefined, { target, value }: Fault): void {
    const { deciders } = this.#supervisor;
    const keeper = deciders[0]!.controller.controllers().find(({ keepsFleet }) => keepsFleet)?.controllerId ?? '';
    const others = deciders.filter(({ process }) => !keeper.startsWith(process.name.replace(' ', '-')));
    const decider = others[target % Math.max(1, others.length)];
    if (decider) {
      const { name } = decider.process;
      const lateMs = 1200 + value;
      this.#world.fault(`store: the next placement of ${name} is ${lateMs} ms late`);
      const act = (): void => this.#world.fault(`store: the placement of ${name} has come`);
      this.#world.store.traps.set(decider.process, { pk: placementsPk, when: 'after', lateMs, act });
    }
    this.#kill(broker, 'SIGKILL');
  }

  /** Who moves partitions dies between their release and the row that names their next owner. */
  #cutMove({ target, value, durationMs }: Fault): void {
    for (const { process } of this.#supervisor.deciders) {
      const act = (): void => this.#killProcess(process);
      this.#world.store.traps.set(process, { pk: placementsPk, when: trapTimes[value % 5]!, act });
    }
    this.#planned('drain', target, durationMs);
  }

  /**
   * Whoever starts a broker anew dies in that moment. The process is slow to load, and comes up beside the one that the
   * next controller starts in its place. Then that one dies, with much to recover, while the other waits for its slot.
   */
  #startTwin(broker: BrokerProcess | undefined, { value }: Fault): void {
    if (!broker) return;
    const { loop, disks, killsAtStart } = this.#world;
    const { slot } = broker;
    for (const { process } of this.#supervisor.deciders) killsAtStart.set(process, 2000 + value);
    this.#kill(broker, 'SIGKILL');
    loop.schedule(2000, () => killsAtStart.clear());
    loop.schedule(3200 + value, () => {
      disks.slowMs.set(slot.volume, 150);
      const serving = this.#supervisor.brokers().find((one) => one.slot === slot && one.isServing);
      this.#kill(serving, 'SIGKILL');
      loop.schedule(600, () => disks.slowMs.delete(slot.volume));
    });
  }

  #broker(target: number): BrokerProcess | undefined {
    const brokers = this.#supervisor.brokers();
    return brokers[target % Math.max(1, brokers.length)];
  }

  #parent(target: number): ParentProcess {
    const { parents } = this.#supervisor;
    return parents[target % parents.length]!;
  }

  #decider(target: number): ParentProcess {
    const { deciders } = this.#supervisor;
    return deciders[target % deciders.length]!;
  }

  #killProcess(process: SimProcess): void {
    if (!process.isAlive) return;
    this.#world.fault(`${process.name}: SIGKILL`);
    process.end('SIGKILL');
  }

  /** Politely; where one process is everything its brokers end with it. */
  #stopController(target: number): void {
    const decider = this.#decider(target);
    if (!decider.process.isRunning) return;
    this.#world.fault(`${decider.process.name}: SIGTERM`);
    decider.stop();
  }

  #kill(broker: BrokerProcess | undefined, reason: string): void {
    if (!broker?.process.isAlive) return;
    this.#world.fault(`${broker.process.name}: ${reason}`);
    broker.process.end(reason);
    if (below(this.#random, 2) === 0)
      this.#world.loop.schedule(below(this.#random, 20), () => this.#topics.restartProducers());
  }

  #hang(process: SimProcess, durationMs: number): void {
    if (process.isStopped || !process.isAlive) return;
    process.stop();
    this.#stopped.add(process);
    this.#lasting(`${process.name}: SIGSTOP`, durationMs, () => {
      this.#stopped.delete(process);
      process.resume();
    });
  }

  #zone(target: number, withPower: boolean): void {
    const { slots } = this.#world.settings;
    const zones = [...new Set(slots.map(({ zone }) => zone))];
    const zone = zones[target % zones.length]!;
    this.#world.fault(`zone ${zone}: ${withPower ? 'power loss' : 'all brokers killed'}`);
    for (const broker of this.#supervisor.brokers()) if (broker.slot.zone === zone) this.#kill(broker, 'zone');
    if (!withPower) return;
    for (const slot of slots) if (slot.zone === zone) this.#world.disks.of(slot.volume).crash(this.#random);
  }

  /** The whole machine: every process ends in this moment, and every disk forgets. */
  #power(): void {
    this.#world.fault('power loss');
    for (const process of this.#world.processes.values()) process.end('power loss');
    for (const root of this.#world.disks.roots()) this.#world.disks.of(root).crash(this.#random);
  }

  #planned(kind: 'drain' | 'restart', target: number, durationMs: number): void {
    const { slots } = this.#world.settings;
    const { brokerId } = slots[target % slots.length]!;
    this.#world.fault(`${kind} broker ${brokerId}`);
    if (kind === 'restart') return this.#ask(0, (controller) => controller.restartBroker(brokerId));
    this.#drained.add(brokerId);
    this.#ask(0, (controller) => controller.drainBroker(brokerId));
    this.#ask(durationMs + 500, (controller) => controller.undrainBroker(brokerId));
  }

  /** Of the first controller that serves by then: whoever is asked writes it down, and whoever keeps the fleet does it. */
  #ask(delayMs: number, act: (controller: ParentProcess['controller']) => Promise<unknown>): void {
    this.#world.loop.schedule(delayMs, () => {
      const decider = this.#supervisor.deciders.find(({ isServing, process }) => isServing && process.isAlive);
      if (!decider) return this.#ask(askAgainMs, act);
      decider.process.post(0, () => void act(decider.controller).catch(() => undefined));
    });
  }

  #fleet(kind: 'scale' | 'evacuate' | 'replace', target: number, durationMs: number): void {
    const { slots } = this.#world.settings;
    const { brokerId, zone } = slots[target % slots.length]!;
    const laterMs = durationMs + 500;
    if (kind === 'scale') {
      this.#world.fault(`scale to ${brokerId} brokers`);
      this.#ask(0, (controller) => controller.scaleFleet(brokerId));
      this.#ask(laterMs, (controller) => controller.scaleFleet(undefined));
    } else if (kind === 'evacuate') {
      this.#world.fault(`evacuate zone ${zone}`);
      this.#ask(0, (controller) => controller.evacuateZone(zone));
      this.#ask(laterMs, (controller) => controller.restoreZone(zone));
    } else {
      this.#world.fault(`replace broker ${brokerId}`);
      this.#ask(0, (controller) => controller.replaceBroker(brokerId));
    }
  }

  #mood(mood: StoreMood, durationMs: number): void {
    this.#world.store.mood = mood;
    const what = Object.entries(mood)
      .filter(([, share]) => share > 0)
      .map(([name, share]) => `${name} ${share}`)
      .join(', ');
    this.#lasting(`store: ${what}`, durationMs, () => {
      if (this.#world.store.mood === mood) this.#world.store.mood = goodMood;
    });
  }

  #lasting(what: string, durationMs: number, end: () => void): void {
    this.#world.fault(`${what} (for ${durationMs} ms)`);
    this.#world.loop.schedule(durationMs, () => {
      this.#world.fault(`over: ${what}`);
      end();
    });
  }
}
