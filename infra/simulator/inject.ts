/** Makes planned faults happen. */
import { brokerSessionsPk } from '../../engine/controller/rows/broker-session.ts';
import { leasesPk } from '../../engine/controller/rows/lease.ts';
import { logPkPrefix } from '../../engine/log/rows/log-state.ts';
import { segmentFilePk } from '../../engine/log/rows/segment-file.ts';
import { crc32c } from '../../engine/kernel/crc32c.ts';
import type { MemoryDisk } from '../../engine/log/disk/memory-disk.ts';
import type { BrokerSlot } from '../../engine/ports.ts';
import type { BrokerProcess } from './broker-process.ts';
import { flipBit } from './bit-rot.ts';
import { rotRow } from './row-rot.ts';
import { goodBucket } from './bucket.ts';
import { FaultActs, placementsPk, trapTimes } from './fault-acts.ts';
import type { Fault, FaultKind } from './fault-plan.ts';
import { isScript, runScript } from './fault-scripts.ts';
import { goodMood } from './process-store.ts';
import type { Cut } from './process-network.ts';
import type { SimProcess } from './process.ts';
import type { Supervisor } from './supervisor.ts';
import type { TopicRoom } from './topic-room.ts';
import { segmentsDirectory, type World } from './world.ts';

/** Of the store, to all. */
const deafStoreMs = 5000;
/** What retention and roll-ups empty takes about so long to become something. */
const keptBeforeDeathMs = 1000;
const cuts: readonly Cut[] = ['to', 'from', 'both'];

export class Injector {
  readonly #acts: FaultActs;

  constructor(world: World, supervisor: Supervisor, topics: TopicRoom) {
    this.#acts = new FaultActs(world, supervisor, topics);
  }

  /** Ends every act that still lasts. */
  heal(): void {
    this.#acts.heal();
  }

  inject(fault: Fault): void {
    const { target, value, durationMs, kind } = fault;
    const broker = this.#acts.broker(target);
    if (isScript(kind)) return runScript(this.#acts, kind, broker, fault);
    switch (kind) {
      case 'kill':
        return this.#sprung(value % 4 < 2 ? broker?.process : undefined, fault, () =>
          this.#acts.kill(broker, 'SIGKILL'),
        );
      case 'kill-two':
        this.#acts.kill(broker, 'SIGKILL');
        return this.#acts.kill(this.#acts.broker(target + 1 + (value % 2)), 'SIGKILL');
      case 'hang':
        if (!broker) return;
        return this.#sprung(value % 4 > 0 ? broker.process : undefined, fault, () =>
          this.#acts.hang(broker.process, durationMs * 2),
        );
      case 'zone-loss':
      case 'zone-power':
        return this.#inSync(kind === 'zone-power' && value % 2 === 0 ? broker?.process : undefined, fault, () =>
          this.#acts.zone(target, kind === 'zone-power'),
        );
      case 'power':
        return this.#inSync(value % 4 > 0 ? broker?.process : undefined, fault, () => this.#acts.power());
      case 'parent-kill':
        return this.#killParent(this.#acts.parent(target).process, fault);
      case 'parent-hang':
        return this.#acts.hang(this.#acts.parent(target).process, durationMs * 2);
      case 'controller-kill':
        return this.#killParent(this.#acts.decider(target).process, fault);
      case 'controller-hang': {
        const { process } = this.#acts.decider(target);
        return this.#inStore(value % 2 === 0 ? process : undefined, fault, () =>
          this.#acts.hang(process, durationMs * 2),
        );
      }
      case 'controller-stop':
        return this.#acts.stopController(target);
      case 'all-stop':
        for (const index of this.#acts.supervisor.deciders.keys()) this.#acts.stopController(index);
        return;
      case 'controllers-kill':
        for (const { process } of this.#acts.supervisor.controllers) this.#acts.killProcess(process);
        return;
      case 'drain':
      case 'restart':
        return this.#acts.planned(kind, target, durationMs);
      case 'scale':
      case 'evacuate':
      case 'replace':
        return this.#acts.fleet(kind, target, durationMs);
      case 'topic-create':
      case 'topic-delete':
      case 'topic-again':
      case 'grow':
      case 'delete-records':
        return this.#ofTopics(kind, fault);
      case 'wall-jump':
        // Less than what an id that tells its age bears (engine/records/dated-producer-id.ts).
        return this.#acts.jumpWall((value - 500) * 500);
      case 'rot':
        return this.#rot(this.#slotOf(target), value);
      case 'row-rot':
        return rotRow(this.#acts.world, this.#acts.random);
      default:
        return this.#environment(fault, broker);
    }
  }

  /**
   * Bits that only a recovery reads may flip earlier: when a chunk's head rots, its broker dies with it. When all heals
   * an operator has repaired the chunk, so that the broker returns and looks after its files.
   */
  #rot({ volume, brokerId }: BrokerSlot, value: number): void {
    const at = value % 4 > 0 ? 'segments' : value % 8 === 0 ? 'log' : 'log-head';
    const mend = flipBit(this.#acts.world, this.#acts.random, volume, at);
    if (!mend || at !== 'log-head') return;
    this.#acts.world.mends.push(mend);
    const owner = this.#acts.supervisor.brokers().find(({ slot }) => slot.brokerId === brokerId);
    this.#acts.kill(owner, 'SIGKILL');
  }

  #ofTopics(kind: FaultKind, { target, value }: Fault): void {
    const { topics } = this.#acts;
    if (kind === 'topic-create') topics.create(value % 2 === 0);
    else if (kind === 'topic-delete') topics.delete(target);
    else if (kind === 'topic-again') topics.again(target);
    else if (kind === 'grow') topics.grow(target);
    else topics.deleteRecords(target);
  }

  #slotOf(target: number): BrokerSlot {
    const { slots } = this.#acts.world.settings;
    return slots[target % slots.length]!;
  }

  #environment(fault: Fault, broker: BrokerProcess | undefined): void {
    const { kind, target, value, durationMs } = fault;
    const { network, store } = this.#acts.world;
    const slot = this.#slotOf(target);
    switch (kind) {
      case 'store-slow':
        return this.#acts.mood({ ...goodMood, slowMs: 20 + (value % 400) }, durationMs);
      case 'store-throttled':
        return this.#acts.mood({ ...goodMood, throttledPercent: 20 + (value % 60) }, durationMs);
      case 'store-away':
        return this.#acts.mood({ ...goodMood, unavailablePercent: 100 }, durationMs);
      case 'store-read-only':
        return this.#acts.mood({ ...goodMood, readOnlyPercent: 100 }, durationMs * 2);
      case 'store-reply-lost':
        return this.#loseReplies(value, durationMs);
      case 'store-change-lost':
        return this.#acts.mood({ ...goodMood, changeLostPercent: 10 + (value % 60) }, durationMs * 2);
      case 'store-cut': {
        const process = value % 3 === 0 ? this.#acts.parent(value).process : broker?.process;
        if (!process) return;
        store.cutOff.add(process);
        return this.#acts.lasting(`store: out of reach of ${process.name}`, durationMs, () =>
          store.cutOff.delete(process),
        );
      }
      case 'store-late': {
        const process = value % 3 === 0 ? broker?.process : this.#acts.decider(value).process;
        if (!process) return;
        store.lateMs.set(process, 100 + ((value * 7) % 2500));
        const what = `store: late for ${process.name}`;
        return this.#acts.lasting(what, 500 + durationMs, () => store.lateMs.delete(process));
      }
      case 'net-cut': {
        const cut = cuts[value % cuts.length]!;
        network.cut(slot.address, cut);
        return this.#acts.lasting(`network: cut ${cut} ${slot.address}`, durationMs, () => network.heal(slot.address));
      }
      case 'net-reset':
        this.#acts.world.fault(`network: reset ${slot.address}`);
        return network.reset(slot.address);
      case 'net-slow':
        network.slow(slot.address, 5 + (value % 100));
        return this.#acts.lasting(`network: slow ${slot.address}`, durationMs, () => network.slow(slot.address, 0));
      case 'bucket-away':
        return this.#acts.bucketMood({ ...goodBucket, awayPercent: 100 }, durationMs * 2);
      case 'bucket-mute':
        return this.#acts.bucketMood({ ...goodBucket, awayPercent: 100, giveUpMs: 300 + value * 4 }, durationMs * 2);
      case 'bucket-full':
        return this.#acts.bucketMood({ ...goodBucket, isReadOnly: true }, durationMs * 2);
      case 'bucket-deaf':
        return this.#acts.bucketMood({ ...goodBucket, answerLostPercent: 10 + (value % 91) }, durationMs * 2);
      case 'bucket-slow':
        return this.#acts.bucketMood({ ...goodBucket, slowMs: 20 + (value % 400) }, durationMs * 2);
      default:
        return this.#ofDisk(fault);
    }
  }

  #ofDisk({ kind, target, value, durationMs }: Fault): void {
    const { disks } = this.#acts.world;
    const slot = this.#slotOf(target);
    const isOfSegments = kind === 'disk-unreadable' ? value % 4 > 0 : value % 4 === 0;
    const disk = disks.of(isOfSegments ? segmentsDirectory : slot.volume);
    switch (kind) {
      case 'disk-taken': {
        const root = value % 4 === 0 ? segmentsDirectory : slot.volume;
        disks.of(root).isTaken = true;
        return this.#acts.lasting(`disk: no room on ${root}`, durationMs, () => (disks.of(root).isTaken = false));
      }
      case 'disk-keeps':
        return this.#keepNames(isOfSegments ? slot.volume : segmentsDirectory, value, durationMs);
      case 'disk-slow': {
        const root = value % 4 === 0 ? segmentsDirectory : slot.volume;
        disks.slowMs.set(root, 10 + (value % 300));
        return this.#acts.lasting(`disk: slow ${root}`, durationMs, () => disks.slowMs.delete(root));
      }
      case 'disk-fault':
        return this.#failDisk(disk, slot, value);
      case 'disk-unreadable': {
        const reads = 1 + (value % 6);
        this.#acts.world.fault(`disk: the next ${reads} reads of ${slot.volume} or the segments fail`);
        for (let i = 0; i < reads; i++) disk.plan({ on: 'read', error: 'io' });
        return;
      }
      case 'disk-full':
        this.#acts.world.fault(`disk: full at the next write to ${slot.volume} or the segments`);
        return disk.plan({ on: 'write', error: 'full', afterBytes: value % 300 });
      default:
        return;
    }
  }

  /** For a while all names, or to the end of the faults every second one, those of files to come included. */
  #keepNames(root: string, value: number, durationMs: number): void {
    const disk = this.#acts.world.disks.of(root);
    if (value % 3 === 0) {
      disk.refusesRemoval = () => true;
      const over = (): void => void (disk.refusesRemoval = () => false);
      return this.#acts.lasting(`disk: removes nothing from ${root}`, durationMs * 2, over);
    }
    this.#acts.world.fault(`disk: does not remove every second file of ${root}`);
    disk.refusesRemoval = (path) => (crc32c(Buffer.from(path)) + value) % 2 === 0;
    if (root !== segmentsDirectory) return;
    // Its recovery meets what it could not remove.
    const dies = (): void => this.#acts.kill(this.#acts.broker(value), 'SIGKILL');
    this.#acts.world.loop.schedule(keptBeforeDeathMs + ((value * 7) % keptBeforeDeathMs), dies);
  }

  #failDisk(disk: MemoryDisk, { volume }: BrokerSlot, value: number): void {
    const isWrite = value % 3 === 1;
    // Of names: what was created, renamed or removed stays as it was, after a loss of power at least.
    const isOfNames = value % 6 === 2;
    const how = isWrite ? 'write fails in the middle' : isOfNames ? 'sync of a directory fails' : 'sync fails';
    this.#acts.world.fault(`disk: of ${volume} or the segments the next ${how}`);
    // Of a write of several batches some arrive whole.
    const on = isOfNames ? 'syncDirectory' : 'datasync';
    disk.plan(isWrite ? { on: 'write', error: 'io', afterBytes: value } : { on, error: 'io' });
  }

  /** In some worlds every reply is lost, for longer than callers retry. */
  #loseReplies(value: number, durationMs: number): void {
    const isDeaf = value % 5 === 0;
    const replyLostPercent = isDeaf ? 100 : 10 + (value % 60);
    this.#acts.mood({ ...goodMood, replyLostPercent }, isDeaf ? deafStoreMs : durationMs * 2);
  }

  /** When the broker is in the middle of its next sync or of its next transaction; at once without one. */
  #sprung(process: SimProcess | undefined, fault: Fault, act: () => void): void {
    if (fault.value % 7 < 3) this.#inStore(process, fault, act);
    else this.#inSync(process, fault, act);
  }

  /** During a sync of its log or of a roll-up. */
  #inSync(process: SimProcess | undefined, { value }: Fault, act: () => void): void {
    if (!process) return act();
    const broker = this.#acts.world.brokers.get(process.pid)!;
    const root = value % 8 < 4 ? broker.slot.volume : segmentsDirectory;
    this.#acts.world.disks.traps.set(process, { root, act });
  }

  /** A transaction of one kind or another: it has happened then, or will, or never. */
  #inStore(process: SimProcess | undefined, { value }: Fault, act: () => void): void {
    if (!process) return act();
    const isBroker = this.#acts.world.brokers.has(process.pid);
    const pks = isBroker
      ? [leasesPk, segmentFilePk, logPkPrefix, undefined]
      : [placementsPk, placementsPk, brokerSessionsPk, undefined];
    const pk = pks[value % pks.length];
    this.#acts.world.store.traps.set(process, { pk, when: trapTimes[value % 5]!, act });
  }

  /** At once, in the middle of a decision, or when it has just started a broker. */
  #killParent(process: SimProcess, fault: Fault): void {
    const { value } = fault;
    if (value % 5 === 0) this.#acts.world.killsAtStart.set(process, value);
    else this.#inStore(value % 5 < 3 ? process : undefined, fault, () => this.#acts.killProcess(process));
  }
}
