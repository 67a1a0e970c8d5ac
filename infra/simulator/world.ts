/** One machine and its surroundings: what all simulated processes share. */
import { AssertionFailure } from '../../engine/kernel/assert.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';
import type { LeaseSettings } from '../../engine/controller/lease.ts';
import { DataCorrupt, LogRowsChanged } from '../../engine/log/log.ts';
import type { LogSettings } from '../../engine/log/settings.ts';
import { brokerSessionsPk, decodeBrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { directorySegments } from '../../engine/log/segments/directory-segments.ts';
import type { BrokerSlot, RowChange, SegmentStore } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import type { BrokerProcess } from './broker-process.ts';
import { Bucket } from './bucket.ts';
import { Calm } from './calm.ts';
import { EventLoop } from './event-loop.ts';
import { History, type PartitionName } from './history.ts';
import type { Retention } from './kept-topics.ts';
import type { Plant } from './plant.ts';
import { SimProcess } from './process.ts';
import { Disks } from './process-disk.ts';
import { SimNetwork } from './process-network.ts';
import { type AskedRelease, releasedBy } from './released-by.ts';
import { SentEpochs } from './sent-epochs.ts';
import { SimStore } from './process-store.ts';
import type { TightLimits } from './tight-limits.ts';

/** How much longer clients then pause. */
export const lullPace = 5;
/** Of all producers of the partitions in focus: their batches share a write. */
const focusBeatMs = 25;
export const segmentsDirectory = '/segments';
/**
 * One of an even and one of an odd shard: if controllers share the shards, the one that keeps the fleet has one of
 * them.
 */
export const clusterIds = ['c1', 'c5'] as const;

export interface WorldSettings {
  readonly seed: number;
  readonly slots: readonly BrokerSlot[];
  readonly lease: LeaseSettings;
  readonly log: LogSettings;
  readonly plant: Plant;
  /** How long a gateway holds what it cannot send. */
  readonly holdMsMax: number;
  /** Producers send at multiples of it: then many batches share a write and a sync. 0: whenever they like. */
  readonly beatMs: number;
  /**
   * How long some turns of a process's event loop last, in which several requests, answers and timers arrive before
   * anything is flushed; 0: each event has a turn of its own.
   */
  readonly turnMsMax: number;
  /** From a client to the gateway, and back: a request in flight then meets what has changed meanwhile. */
  readonly farMs: number;
  /**
   * How many logs a broker is asked to release at once, and how many releases run at once; the rest of a drain waits,
   * and serves. Also how much of a move is written at once: if little, it takes several transactions.
   */
  readonly releases: {
    readonly logsPerReleaseMax: number;
    readonly releasesInFlightMax: number;
    readonly moveOpsMax: number;
    /** So little that a transaction does not name all brokers that get something. */
    readonly namesFew: boolean;
  };
  readonly limits: TightLimits;
  /** Of rows that the store gives at a time; as many as production's where absent. */
  readonly pageRows: number | undefined;
  /** For producer ids whose sequences begin just before they wrap around to 0. */
  readonly nearEndOneOf: number;
  /** Of bounded topics. */
  readonly retention: Retention;
  /** Whether some records claim to be older than they are. */
  readonly claimsTimes: boolean;
  /** Whether clients shorten the logs that retention shortens otherwise. */
  readonly cutsTopics: boolean;
  /** Whether one topic is kept in another codec than what some send to it. */
  readonly recodes: boolean;
  /** Whether clients delete groups. */
  readonly dropsGroups: boolean;
  /** Whether consumers join groups. */
  readonly hasGroups: boolean;
  /** Controllers in separate processes beside a gateway's; 0: one process is both. */
  readonly controllers: number;
  /**
   * All controllers but the first start with so many brokers fewer than there are, and learn of the others from their
   * sessions. Absent: nobody looks for more than it was started with.
   */
  readonly fewerSlots: number | undefined;
  /** Several only where controllers are apart. */
  readonly gateways: number;
  /** Whether bits are flipped: then, and only then, damage may be found. */
  readonly mayCorrupt: boolean;
  /** Whether segments are in a bucket behind a network instead of on a disk. */
  readonly hasBucket: boolean;
}

interface Focus {
  readonly partitions: ReadonlySet<PartitionName>;
  readonly untilMs: number;
}

export class World {
  readonly settings: WorldSettings;
  readonly loop = new EventLoop();
  readonly history = new History(() => this.loop.nowMs);
  readonly disks: Disks;
  /** Absent where a disk holds the segments. */
  readonly bucket: Bucket | undefined;
  readonly store: SimStore;
  readonly network: SimNetwork;
  readonly calm = new Calm(() => this.loop.nowMs);
  readonly sentEpochs = new SentEpochs();
  readonly processes = new Map<number, SimProcess>();
  /** By process id, including those that have ended. */
  readonly brokers = new Map<number, BrokerProcess>();
  /** Paths of files in which a bit was flipped. */
  readonly flipped = new Set<string>();
  /** Flips the bits back that an operator repairs in the end. */
  readonly mends: (() => void)[] = [];
  /** No more faults, and none that last. */
  isHealed = false;
  /** Until then clients do little: a fault takes its time, and nothing is to be seen meanwhile. */
  lullUntilMs = 0;
  /** Until then producers write only to these partitions. */
  focus: Focus = { partitions: new Set(), untilMs: 0 };
  /** Committers send commits as fast as they are answered, and then for a while none. */
  rush = { untilMs: 0, silentUntilMs: 0, isRefused: false };
  /** Parents that end at the moment they have started a broker, and how long that broker takes to load. */
  readonly killsAtStart = new Map<SimProcess, number>();
  readonly #releasing = new Map<PartitionName, (() => void)[]>();
  /** Leader epochs, by process id. */
  readonly #released = new Map<number, Map<PartitionName, number>>();
  #streams = 0;
  #nextPid = 100;

  constructor(settings: WorldSettings) {
    this.settings = settings;
    this.disks = new Disks(this.random());
    this.bucket = settings.hasBucket ? new Bucket(this.random()) : undefined;
    this.store = new SimStore(this.loop, this.random(), settings.pageRows);
    this.network = new SimNetwork(this.loop, this.random(), settings.limits.socketBytesMax, this.calm);
    this.store.rows.watch(brokerSessionsPk, (change) => this.#sessionChanged(change));
    this.disks.add(segmentsDirectory);
    for (const { volume } of settings.slots) this.disks.add(volume);
    this.network.onFrame = (to, frame) => {
      if (!to.name.startsWith('broker')) return;
      if (!this.sentEpochs.note(frame)) this.bug(to.name, new Error('what arrives is no batch any more'));
      for (const asked of releasedBy(frame)) this.#askedToRelease(to, asked);
      settings.plant.frame?.(frame);
    };
    this.loop.onThrow = (error, place) => this.bug(place instanceof SimProcess ? place.name : 'world', error);
  }

  /** The segment store as the process has it. */
  segments(process: SimProcess): SegmentStore {
    return this.bucket?.of(process) ?? directorySegments(this.disks.handle(process), segmentsDirectory);
  }

  /** Names, whoever keeps them. */
  segmentFiles(): string[] {
    return (
      this.bucket?.fileIds().map((fileId) => `${fileId}.seg`) ??
      this.disks.of(segmentsDirectory).list(segmentsDirectory)
    );
  }

  /** Called when somebody asks the owner of a partition to release it. */
  onRelease(partition: PartitionName, listener: () => void): void {
    this.#releasing.set(partition, [...(this.#releasing.get(partition) ?? []), listener]);
  }

  #askedToRelease({ pid }: SimProcess, { partition, leaderEpoch }: AskedRelease): void {
    const ofProcess = this.#released.get(pid) ?? new Map<PartitionName, number>();
    this.#released.set(pid, ofProcess.set(partition, Math.max(leaderEpoch, ofProcess.get(partition) ?? -1)));
    for (const tell of this.#releasing.get(partition) ?? []) tell();
  }

  /** The highest epoch at which a process was asked to release a partition; -1 if none was. */
  releaseAsked(pid: number, partition: PartitionName): number {
    return this.#released.get(pid)?.get(partition) ?? -1;
  }

  #sessionChanged(change: RowChange): void {
    if (change === 'gap' || !change.row) return;
    const session = unlessDamaged(change.row, decodeBrokerSession);
    if (session?.state === 'fenced') this.brokers.get(session.pid)?.lookAtLease(session.epoch);
  }

  /**
   * Until a producer sends again. Where there are beats, some batches follow each other at once, so that several frames of
   * a partition are on their way; then comes a pause, to the first beat that is not before twice `usualMs`.
   */
  pauseMs(random: Random, usualMs: number): number {
    const { beatMs } = this.settings;
    if (this.loop.nowMs < this.lullUntilMs) return usualMs * lullPace;
    if (this.loop.nowMs < this.focus.untilMs) return focusBeatMs - (this.loop.nowMs % focusBeatMs);
    if (beatMs === 0) return usualMs;
    if (below(random, 2) === 0) return 0.5 + below(random, 8) / 2;
    const { nowMs } = this.loop;
    return Math.ceil((nowMs + 2 * usualMs) / beatMs) * beatMs - nowMs;
  }

  /** The ones of these that are being written to. */
  inFocus(partitions: readonly PartitionName[]): readonly PartitionName[] {
    if (this.loop.nowMs >= this.focus.untilMs) return partitions;
    return partitions.filter((partition) => this.focus.partitions.has(partition));
  }

  /** A separate random stream, so that what one part draws changes nothing for the others. */
  random(): Random {
    return seededRandom(Math.imul(this.settings.seed + 1, 0x9e3779b1) ^ Math.imul(++this.#streams, 0x85ebca6b));
  }

  spawn(name: string): SimProcess {
    const process = new SimProcess(this.loop, name, this.#nextPid++, this.random().u32(), this.settings.turnMsMax);
    this.processes.set(process.pid, process);
    return process;
  }

  isGone(pid: number): boolean {
    return this.processes.get(pid)?.isReaped ?? true;
  }

  fault(what: string): void {
    this.history.add({ kind: 'fault', what });
  }

  /**
   * If a process is ended by a Failure, the world caused it; otherwise we did. The same holds for a second line that
   * was reached: no process ever meets a log's row that another one has written.
   */
  noteEnd(where: string, error: unknown): void {
    const isDamage = error instanceof DataCorrupt && !this.settings.mayCorrupt;
    if (!(error instanceof Failure) || isDamage || error instanceof LogRowsChanged) this.bug(where, error);
  }

  bug(where: string, error: unknown): void {
    const name = error instanceof AssertionFailure ? 'assertion' : error instanceof Error ? error.name : 'thrown';
    const what = error instanceof Error ? `${name}: ${error.message}` : String(error);
    this.stacks.push(error instanceof Error ? (error.stack ?? what) : what);
    this.history.add({ kind: 'bug', where, what });
  }

  /** Stack traces for people: not part of the history, since paths differ between checkouts. */
  readonly stacks: string[] = [];
}
