/**
 * One broker, composed as bin/broker/serve-broker.ts composes it, in a simulated process: session, log store, catalogue, broker,
 * and the same ends (fenced, fatal, asked to stop, parent gone).
 */
import { type Broker, startBroker } from '../../engine/broker/broker.ts';
import { servedSlots } from '../../engine/broker/served-slots.ts';
import { openSession, type Session } from '../../engine/broker/session.ts';
import {
  type BrokerSession,
  brokerSessionKey,
  decodeBrokerSession,
} from '../../engine/controller/rows/broker-session.ts';
import { StoreCatalogue } from '../../engine/catalogue.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { below } from '../../engine/kernel/random.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import type { AppendOutcome, LogStore, PartitionLog } from '../../engine/log/log.ts';
import { createLogStore } from '../../engine/log/log-store.ts';
import { prepareVolume } from '../../engine/log/wal/wal.ts';
import type { BrokerSlot, MetadataStore, Row } from '../../engine/ports.ts';
import { unlessDamaged } from '../../engine/store-row-json.ts';
import type { PartitionName } from './history.ts';
import { partitionName } from './partition-name.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const loadMsMax = 250;
const scrubPollMs = 50;
/** After the fence. */
const leaseLooksMs = [0, 1, 3, 10, 50, 300];
/** After it has continued. */
const wakeLooksMs = [1, 2, 3, 4, 6, 9, 14, 20, 30, 45, 60];

export class BrokerProcess {
  readonly process: SimProcess;
  readonly slot: BrokerSlot;
  readonly #world: World;
  #session: Session | undefined;
  #logs: LogStore | undefined;
  #broker: Broker | undefined;
  #catalogue: StoreCatalogue | undefined;
  #store: MetadataStore | undefined;
  #isStopping = false;
  readonly #unanswered = new Set<{ readonly partition: PartitionName }>();
  isServing = false;

  get catalogue(): StoreCatalogue | undefined {
    return this.#catalogue;
  }

  /** 0 before there is a session, like the end of its log. */
  get sessionEpoch(): number {
    return this.#session?.epoch ?? 0;
  }

  get syncedLsn(): number {
    return this.#logs?.syncedLsn() ?? 0;
  }

  /** Sometimes the program takes long to load, whatever `loadMs` says; a detached one loads without its parent. */
  constructor(world: World, slot: BrokerSlot, loadMs = 0) {
    this.#world = world;
    this.slot = slot;
    this.process = world.spawn(`broker ${slot.brokerId}`);
    world.brokers.set(this.process.pid, this);
    const { random } = this.process;
    const moreMs = below(random, 3) === 0 ? below(random, loadMsMax) : 0;
    this.process.post(loadMs + moreMs, () => {
      this.#start().catch((error: unknown) => this.#die('start failed', error));
    });
  }

  async #start(): Promise<void> {
    const { clock, random } = this.process;
    const { settings, network, disks } = this.#world;
    const { plant } = settings;
    const { slot } = this;
    const raw = this.#world.store.handle(this.process);
    const store = plant.store?.(raw, 'broker', clock) ?? raw;
    this.#store = store;
    const disk = disks.handle(this.process);
    prepareVolume(disk, slot.volume);
    const opened = await openSession({
      store,
      clock,
      random,
      slot,
      pid: this.process.pid,
      lease: settings.lease,
      onFenced: (cause) => this.#die('fenced', cause),
    });
    const session = plant.session?.(opened, store, clock) ?? opened;
    this.#session = session;
    const options = {
      disk,
      store,
      clock,
      random,
      settings: settings.log,
      brokerId: slot.brokerId,
      sessionEpoch: session.epoch,
      volume: slot.volume,
      segments: this.#world.segments(this.process),
      servedSlots: () => servedSlots({ store, clock, random }),
      mayAck: () => session.mayAck(),
      guard: () => session.guard(),
      beforeEmpty: () => session.noted(),
      onFatal: (failure: Error) => this.#die('fatal', failure),
    };
    const logs = await createLogStore(plant.logStore?.(options) ?? options);
    this.#logs = logs;
    session.noteLog(logs);
    this.#observe(logs, session.epoch);
    const catalogue = new StoreCatalogue(store, clock);
    this.#catalogue = catalogue;
    await catalogue.start();
    this.#broker = await startBroker({
      brokerId: slot.brokerId,
      sessionEpoch: session.epoch,
      address: slot.address,
      logs,
      catalogue,
      takeBack: { store, guard: () => session.guard() },
      lease: { ...settings.lease, mayAck: (nowMs) => session.mayAck(nowMs) },
      visits: { intervalMs: 400, soonMs: 100, logsTogetherMax: 4, pauseMs: 5 },
      // A few commits, and a record to an append: a world sees a dozen checkpoints, each of several writes.
      groups: { checkpointBytes: 400, appendBytesMax: 100 },
      network: network.handle(this.process),
      clock,
      random,
      onBug: (error) => this.#die('bug', error),
    });
    this.isServing = true;
  }

  /** Whether it has the log open at this epoch or an earlier one. */
  serves(topicId: Uuid, partition: number, leaderEpoch: number): boolean {
    const log = this.process.isAlive ? this.#logs?.get(topicId, partition) : undefined;
    return log !== undefined && log.isOpen && log.leaderEpoch <= leaderEpoch;
  }

  /**
   * The work that it should have done by now (a roll-up, taking a log, an answer) if nothing has arrived for a while;
   * undefined if there is none.
   */
  backlog(): string | undefined {
    if (!this.isServing || !this.#logs) return undefined;
    const { unrolledBytes, waitingAppends } = this.#logs.status();
    const [unanswered] = this.#unanswered;
    if (unanswered) return `${this.process.name} has not answered an append to ${unanswered.partition}`;
    if (waitingAppends === 0 && unrolledBytes < this.#world.settings.log.rollUpBytes) return undefined;
    const { name } = this.process;
    return `${name} has ${unrolledBytes} bytes that are not rolled up, and ${waitingAppends} appends wait`;
  }

  /** Whether appends wait for a roll-up. */
  waitsForRoom(): boolean {
    return this.process.isAlive && (this.#logs?.status().waitingAppends ?? 0) > 0;
  }

  /** Rolls up everything; the caller retries what fails. */
  rollUp(): void {
    if (this.isServing && this.process.isAlive) void this.#logs?.rollUp().catch(() => undefined);
  }

  /**
   * What no roll-up has taken; undefined when everything is in segments, and the log is down to the chunk being written.
   */
  unrolled(): string | undefined {
    if (!this.isServing || !this.#logs || !this.process.isAlive) return undefined;
    const { unrolledBytes, walChunks } = this.#logs.status();
    if (unrolledBytes === 0 && walChunks <= 1) return undefined;
    return `${this.process.name} keeps ${unrolledBytes} bytes and ${walChunks} chunks that no roll-up takes`;
  }

  /** Its lease is about to be found lapsed: that must not happen while it runs and its renewals arrive. */
  lookAtRenewals(): void {
    const { loop, settings, store, history } = this.#world;
    const { clock, resumedAtMs, isRunning } = this.process;
    const { durationMs } = settings.lease;
    const isQuiet = loop.nowMs - Math.max(resumedAtMs, store.troubledAtMs) > 3 * durationMs;
    // A lease that was renewed a moment ago is valid for longer than half of its time.
    if (!isQuiet || !isRunning || !this.#session?.mayAck(clock.monotonicMs() + durationMs / 2)) return;
    history.add({ kind: 'needless-kill', brokerId: this.slot.brokerId, sessionEpoch: this.#session.epoch });
  }

  /** Its row says that the session is over: however late the process learns of it, its lease must have ended before. */
  lookAtLease(sessionEpoch: number, looksMs: readonly number[] = leaseLooksMs): void {
    for (const [i, afterMs] of looksMs.entries()) {
      this.process.post(afterMs, () => {
        // These checks waited for the process to resume; whatever it does first comes after them.
        if (i === 0 && this.process.resumedAtMs === this.#world.loop.nowMs) this.lookAtLease(sessionEpoch, wakeLooksMs);
        if (this.#session?.epoch !== sessionEpoch || !this.#session.mayAck()) return;
        this.#world.history.add({ kind: 'overlap', brokerId: this.slot.brokerId, sessionEpoch });
      });
    }
  }

  /** Reads once everything that it looks after; resolves at the end, if it lives that long. */
  async scrub(): Promise<void> {
    const logs = this.#logs;
    if (!logs || !this.isServing) return;
    const { passes } = logs.scrub('start');
    while (this.process.isAlive && logs.scrub('status').passes === passes)
      await sleep(this.#world.loop.clock(), scrubPollMs);
  }

  /** The clean stop, as on the parent's 'stop' message. */
  stop(): void {
    this.process.post(0.5, () => {
      // Before the broker serves, nothing listens for the message.
      if (this.#isStopping || !this.isServing) return;
      this.#isStopping = true;
      this.#stop().catch((error: unknown) => this.#die('stop failed', error));
    });
  }

  async #stop(): Promise<void> {
    await this.#session!.setState('draining');
    await this.#broker!.stop();
    await this.#logs!.close();
    await this.#session!.close();
    await this.#store!.close();
    this.process.end('stopped');
  }

  #die(how: string, error: unknown): void {
    if (!this.process.isAlive) return;
    const cause = error instanceof Error ? error.message : String(error);
    this.#world.history.add({ kind: 'engine', what: `${this.process.name} ends: ${how}: ${cause}` });
    this.#world.noteEnd(this.process.name, error);
    this.process.end(how);
  }

  /** Notes who acknowledges what, at the place where it is decided. */
  #observe(logs: LogStore, sessionEpoch: number): void {
    const seen = new WeakSet<PartitionLog>();
    const open = logs.open.bind(logs);
    logs.open = async (topicId, partition, leaderEpoch, configs) => {
      const log = await open(topicId, partition, leaderEpoch, configs);
      if (!seen.has(log)) {
        seen.add(log);
        this.#observeLog(log, sessionEpoch);
      }
      return log;
    };
  }

  #observeLog(log: PartitionLog, sessionEpoch: number): void {
    const { history, settings } = this.#world;
    settings.plant.opened?.(log, this.#catalogue?.byId(log.topicId)?.name ?? '');
    const append = log.append.bind(log);
    const partition = partitionName(log.topicId, log.partition);
    const { brokerId } = this.slot;
    log.append = (batch, header, nowMs, done, frame) => {
      const known = this.#world.sentEpochs.of(batch);
      // A recompressed batch lies elsewhere, and carries the epoch at which it was sent.
      const sentEpoch = known < 0 && settings.recodes ? header.leaderEpoch : known;
      const asked = { partition };
      this.#unanswered.add(asked);
      const answer = (outcome: AppendOutcome): void => {
        if (!this.#unanswered.delete(asked)) {
          history.add({ kind: 'bug', where: this.process.name, what: `an append to ${partition} is answered twice` });
        }
        if (outcome.errorCode === 0 && this.process.isAlive) {
          const { leaderEpoch } = log;
          const { baseOffset: offset } = outcome;
          const entry = { brokerId, sessionEpoch, partition, leaderEpoch, sentEpoch, offset };
          // The current row, whatever the process believes.
          void this.#world.store.rows.get(brokerSessionKey(brokerId)).then((row) => {
            history.add({ kind: 'acked', ...entry, isFenced: !mayAcknowledge(row, sessionEpoch) });
          });
        }
        done(outcome);
      };
      append(batch, header, nowMs, answer, frame);
    };
  }
}

/** A row is read far more often than it changes. */
const decoded = new WeakMap<Row, BrokerSession>();

function mayAcknowledge(row: Row | undefined, sessionEpoch: number): boolean {
  let session = row && decoded.get(row);
  if (row && !session) {
    // Nobody can tell what a damaged row says: it may be its own.
    const read = unlessDamaged(row, decodeBrokerSession);
    if (!read) return true;
    decoded.set(row, (session = read));
  }
  return session?.epoch === sessionEpoch && (session.state === 'serving' || session.state === 'draining');
}
