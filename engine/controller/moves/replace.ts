/**
 * The life of one slot, for as long as the controller keeps the fleet: start a broker or adopt the one that runs, wait for
 * its end, settle what it left, start the next. Every slot has its own keeper, so that a second death does not wait for
 * the first; what they share (placement) has its turns in shards.ts and repair.ts. Every step can be repeated, by this
 * controller or by the next one, and each is a write on the condition that the session row is as it was found: of two
 * who believe that they keep the fleet, one has the effect.
 *
 *   fenced    the session row; from here the broker's own writes are refused
 *   recovered what it had acknowledged is in segments (engine/log/recover.ts); the row says so
 *   remapped  others own its partitions, at leader epoch + 1; every controller does it for its own shards
 *   cleaned   what it held that is of no more use is removed
 *   closed    the slot may open its next session
 */
import { sleep } from '../../kernel/clock.ts';
import { assert } from '../../kernel/assert.ts';
import { Failure } from '../../kernel/failure.ts';
import type { RecoveryAhead } from '../../log/dead-log.ts';
import { StoreConflict, type Row, type StoreOp } from '../../ports.ts';
import { getSurely, transactSurely } from '../../store-surely.ts';
import { type BrokerView, noteSession } from '../brokers/brokers.ts';
import { causeText, type ControllerContext } from '../context.ts';
import { observe, type ObservedLease } from '../lease.ts';
import { partitionCounts } from './plan-input.ts';
import type { Repair } from './repair.ts';
import {
  type BrokerSession,
  brokerSessionKey,
  decodeBrokerSession,
  encodeBrokerSession,
  type SessionState,
} from '../rows/broker-session.ts';
import { brokerLeaseKey, decodeLease } from '../rows/lease.ts';

const servingPollMs = 20;
const earlierPollMs = 50;
const settlePauseMs = 50;
const settlePauseMsMax = 5000;
const restartPauseMs = 100;
/** While nobody serves, the pause before the next attempt is no longer than this: by whether the last one has served. */
const alonePauseMsMax = { served: 100, unserved: 500 };
/** The same while few serve. */
const fewPauseMsMax = 500;
const restPollMs = 20;
const othersPollMs = 25;
const unwantedPollMs = 50;
/** A keeper that gave up its slot would leave it without a broker for good: it waits for the store until it is stopped. */
const storeWaitMsMax = Number.POSITIVE_INFINITY;

/** Whether others get the partitions, or the slot's next session finds them again. */
export type Remap = 'remap' | 'restart-in-place';

/** The slot's session belongs to a process that runs: not to the one that ended. */
class SessionAlive extends Failure {
  readonly code = 'owner-unavailable';
  constructor(brokerId: number) {
    super(`the session of broker ${brokerId} is another process's`);
  }
}

export interface KeeperHooks {
  /** The slot serves again: orphans and balance may want it. */
  onServing(brokerId: number): void;
}

interface Exit {
  readonly promise: Promise<void>;
  resolve(): void;
  done: boolean;
}

export class SlotKeeper {
  readonly #context: ControllerContext;
  readonly #view: BrokerView;
  readonly #repair: Repair;
  readonly #hooks: KeeperHooks;
  #exit: Exit = newExit();
  #failures = 0;
  #endReason = '';
  /** The end was asked for. */
  #asked = false;
  /** A process was adopted whose end nobody has seen to: the slot's session is not settled, whenever it has ended. */
  #isAdopted = false;
  #settling: Promise<void> = Promise.resolve();
  /** The last start: until the system has made the process, there is none that could be ended. */
  #starting: Promise<void> = Promise.resolve();
  /** Resolves when the slot's last session cannot be recovered as it is: bytes are damaged. It is tried again all the same. */
  readonly unrecoverable: Promise<void>;
  #tellUnrecoverable: () => void = () => undefined;

  constructor(context: ControllerContext, view: BrokerView, repair: Repair, hooks: KeeperHooks) {
    this.#context = context;
    this.#view = view;
    this.#repair = repair;
    this.#hooks = hooks;
    this.#exit.done = true;
    this.unrecoverable = new Promise((resolve) => (this.#tellUnrecoverable = resolve));
  }

  get #id(): number {
    return this.#view.slot.brokerId;
  }

  /** From Fleet.onExit: the process is reaped and can write nothing any more. */
  exited(): void {
    if (this.#exit.done) return;
    this.#exit.done = true;
    if (this.#view.phase !== 'idle') this.#died();
    this.#exit.resolve();
  }

  #died(): void {
    this.#view.phase = 'dead';
    this.#view.recovered = false;
    this.#view.diedAtMs = this.#context.clock.monotonicMs();
  }

  /** SIGKILL, for a reason that the event of its death will name. Resolves when reaped. */
  async kill(reason: string): Promise<void> {
    const exit = this.#exit;
    if (exit.done) return;
    this.#endReason = reason;
    await this.#kill(exit);
  }

  /** Asks the process to roll up and end; its replacement follows. Resolves when reaped. */
  async stop(reason: string): Promise<void> {
    const exit = this.#exit;
    if (exit.done) return;
    this.#endReason = reason;
    this.#asked = true;
    await this.#starting;
    if (exit.done) return;
    await this.#context.fleet.stop(this.#id, this.#context.settings.stopGraceMs);
    if (this.#exit === exit) this.exited();
  }

  /** Takes charge of the slot's process if one serves that another controller started. */
  async adopt(): Promise<boolean> {
    const row = await getSurely(this.#context.persistence, brokerSessionKey(this.#id), storeWaitMsMax);
    const session = row && decodeBrokerSession(row);
    if (!row || session?.state !== 'serving' || this.#context.isGone(session.pid)) return false;
    const exit = newExit();
    // Before the adoption, which may tell of the exit at once.
    this.#exit = exit;
    if (!(await this.#context.fleet.adopt?.(this.#view.slot, session.pid))) {
      exit.done = true;
      return false;
    }
    if (exit.done) return false;
    noteSession(this.#view, row);
    this.#isAdopted = true;
    this.#endReason = 'process ended';
    this.#view.phase = 'serving';
    this.#context.events.emit('broker-adopted', 'it serves', { brokerId: this.#id, epoch: session.epoch });
    return true;
  }

  /**
   * Brings the slot's last session to `closed`, whoever's it was: at once when its process is gone, else when its lease
   * has lapsed. A process that serves is adopted instead. False when there was nothing to recover.
   */
  async settleLast(remap: Remap): Promise<boolean> {
    const { clock, persistence, events, settings } = this.#context;
    let seen: ObservedLease | undefined;
    let tellAtMs = clock.monotonicMs() + 2 * settings.lease.durationMs;
    while (!this.#context.isStopping()) {
      const row = await getSurely(persistence, brokerSessionKey(this.#id), storeWaitMsMax);
      const session = row && decodeBrokerSession(row);
      noteSession(this.#view, row);
      if (!session || session.state === 'closed' || this.#context.isGone(session.pid)) {
        if (await this.settle(remap)) return session !== undefined && session.state !== 'closed';
        continue;
      }
      if (await this.adopt()) return false;
      const lease = await getSurely(persistence, brokerLeaseKey(this.#id), storeWaitMsMax);
      seen = observe(seen, lease, clock.monotonicMs());
      if ((!lease || seen?.dead) && (await this.settle(remap, lease))) return true;
      if (clock.monotonicMs() >= tellAtMs) {
        tellAtMs = Number.POSITIVE_INFINITY;
        const reason =
          'another process serves in this slot and keeps renewing its lease, but it cannot be adopted: stop it';
        events.emit('session-held', reason, { brokerId: this.#id, pid: session.pid, epoch: session.epoch });
      }
      await sleep(clock, earlierPollMs);
    }
    return false;
  }

  /** Resolves when no session is being settled any more. */
  async idle(): Promise<void> {
    await this.#settling;
  }

  /**
   * Runs until the controller keeps the fleet no more. The slot's last session must be settled, or adopted. `afterCrash`:
   * the run before did not end in order, clients wait, and whoever serves first serves everything. Otherwise partitions stay
   * where they are for the first start.
   */
  async keep(afterCrash: boolean): Promise<void> {
    const { clock, settings, events, fleet, brokers } = this.#context;
    if (this.#exit.done && !this.#isAdopted) await (afterCrash ? this.#rest(0, true) : fleet.standby?.(this.#id));
    while (!this.#context.isStopping()) {
      if (!this.#view.wanted && this.#exit.done && !this.#isAdopted) {
        // What still names the slot (a topic that was placed while it ended) goes to others.
        if ((partitionCounts(this.#context, 'held').get(this.#id) ?? 0) > 0) await this.settle('remap');
        await sleep(clock, unwantedPollMs);
        continue;
      }
      const startedAtMs = clock.monotonicMs();
      // Behind the wait for others somebody may serve whom a controller that is dead had started.
      const starts = this.#exit.done && !this.#isAdopted && !(await this.adopt());
      const served = starts ? await this.#serveOnce() : await this.#exit.promise.then(() => true);
      if (this.#context.isStopping()) return;
      this.#isAdopted = false;
      if (served) {
        const livedMs = Math.round(clock.monotonicMs() - startedAtMs);
        events.emit(this.#asked ? 'broker-stopped' : 'broker-dead', this.#endReason, { brokerId: this.#id, livedMs });
      }
      // With nobody to take over, all wait for the first that serves: its program loads beside the recoveries, for whichever
      // slot is settled first.
      if (brokers.anyServing() === undefined) fleet.prepare?.();
      await this.settleLast('remap');
      // An end that was asked for says nothing against the slot: restarts in a row cost no pause.
      const isSound = this.#asked || clock.monotonicMs() - startedAtMs >= settings.stableAfterMs;
      this.#failures = served && isSound ? 0 : this.#failures + 1;
      // The first replacement comes at once; a slot that dies again and again gets a growing pause.
      const pauseMs =
        this.#failures > 1
          ? Math.min(settings.restartPauseMsMax, restartPauseMs * 2 ** Math.min(20, this.#failures - 2))
          : 0;
      await this.#rest(pauseMs, served);
    }
  }

  /**
   * Until the pause is over and a process stands by. When this broker died with all the others, nobody could take its
   * partitions: whoever serves by now gets them, instead of the wait for a slot that keeps dying or for a program to load.
   * Safe here alone: nobody else starts the slot, so no process opens a log that is being given away.
   */
  async #rest(pauseMs: number, hasServed: boolean): Promise<void> {
    const { clock, brokers, fleet } = this.#context;
    // From the death on, so that the recovery is part of it.
    const beganMs = this.#view.diedAtMs;
    let standby: Promise<void> | undefined;
    let isReady = fleet.standby === undefined;
    while (!this.#context.isStopping()) {
      const isAlone = brokers.anyServing() === undefined;
      if (!isAlone && (partitionCounts(this.#context, 'held').get(this.#id) ?? 0) > 0) await this.settle('remap');
      const pauseLeftMs = beganMs + Math.min(pauseMs, this.#pauseMsMax(hasServed)) - clock.monotonicMs();
      // Nor is there hurry where others serve: to load and to open a session takes as much of the cores as hundreds of logs.
      const leftMs = Math.max(pauseLeftMs, isAlone ? 0 : this.#repair.openingMs());
      if (leftMs > 0) {
        await sleep(clock, Math.min(leftMs, restPollMs));
        continue;
      }
      if (isReady) return;
      standby ??= fleet.standby!(this.#id).then(() => void (isReady = true));
      await Promise.race([sleep(clock, restPollMs), standby]);
    }
  }

  /** A pause spares the others a slot that keeps dying. Without others there is nothing to spare. */
  #pauseMsMax(hasServed: boolean): number {
    const { brokers, settings } = this.#context;
    if (brokers.anyServing() === undefined) return alonePauseMsMax[hasServed ? 'served' : 'unserved'];
    return brokers.fewServe() ? fewPauseMsMax : settings.restartPauseMsMax;
  }

  /** One process from start to exit. False when it never served. */
  async #serveOnce(): Promise<boolean> {
    const { fleet, events } = this.#context;
    const lastEpoch = this.#view.session?.epoch ?? 0;
    this.#exit = newExit();
    this.#endReason = 'process ended';
    this.#asked = false;
    this.#view.phase = 'starting';
    const exit = this.#exit;
    const started = fleet.start(this.#view.slot);
    this.#starting = started.catch(() => undefined);
    try {
      await started;
    } catch (cause) {
      events.emit('broker-start-failed', causeText(cause), { brokerId: this.#id });
      this.exited();
      return false;
    }
    const serving = await this.#untilServing(exit, lastEpoch);
    if (serving && !exit.done) {
      this.#view.phase = 'serving';
      events.emit('broker-started', 'session opened', { brokerId: this.#id, epoch: this.#view.session!.epoch });
      this.#hooks.onServing(this.#id);
    } else if (!exit.done) {
      events.emit('broker-start-failed', 'it has no session', { brokerId: this.#id });
      await this.#kill(exit);
    }
    await exit.promise;
    return serving;
  }

  async #untilServing(exit: Exit, lastEpoch: number): Promise<boolean> {
    const { clock, settings, fleet } = this.#context;
    const deadlineMs = clock.monotonicMs() + settings.startWaitMsMax;
    while (!exit.done && !this.#context.isStopping() && clock.monotonicMs() < deadlineMs) {
      const row = await this.#readSession();
      const session = row && decodeBrokerSession(row);
      if (session && session.epoch > lastEpoch && session.state === 'serving') {
        // Another process was before ours, which some controller that is dead had started: ours ends, and that one is adopted.
        if (fleet.runs?.(this.#id, session.pid) === false) return false;
        noteSession(this.#view, row);
        return true;
      }
      await Promise.race([sleep(clock, servingPollMs), exit.promise]);
    }
    return false;
  }

  /** Undefined as well while the store is away: the process is running, and the wait goes on. */
  async #readSession(): Promise<Row | undefined> {
    try {
      return await this.#context.persistence.store.get(brokerSessionKey(this.#id));
    } catch (cause) {
      if (cause instanceof Failure && cause.retryable) return undefined;
      throw cause;
    }
  }

  /** A kill that is answered means reaped, whether or not the exit is reported as well. */
  async #kill(exit: Exit): Promise<void> {
    await this.#starting;
    if (exit.done) return;
    await this.#context.fleet.kill(this.#id);
    if (this.#exit === exit) this.exited();
  }

  /**
   * Brings the slot's last session to `closed`. The process must be gone, or `leaseVersion` name the lease row that was
   * seen to lapse: then the fence is refused when the holder has renewed after all. Repeats through every failure until it
   * is done or the controller stops; false when the lease was renewed.
   */
  settle(remap: Remap, lapsed?: Row): Promise<boolean> {
    const settled = this.#settle(remap, lapsed);
    this.#settling = settled.then(
      () => undefined,
      () => undefined,
    );
    return settled;
  }

  async #settle(remap: Remap, lapsed: Row | undefined): Promise<boolean> {
    const { clock, events } = this.#context;
    for (let pauseMs = settlePauseMs; !this.#context.isStopping(); pauseMs = Math.min(settlePauseMsMax, pauseMs * 2)) {
      try {
        const settled = await this.#settleOnce(remap, lapsed);
        this.#view.unrecoverable = false;
        return settled;
      } catch (cause) {
        if ((cause instanceof StoreConflict && lapsed) || cause instanceof SessionAlive) return false;
        if (!(cause instanceof StoreConflict)) {
          events.emit('recovery-failed', causeText(cause), { brokerId: this.#id });
          if (cause instanceof Failure && !cause.retryable) {
            this.#view.unrecoverable = true;
            this.#tellUnrecoverable();
          }
        }
        await sleep(clock, pauseMs);
      }
    }
    return false;
  }

  async #settleOnce(remap: Remap, lapsed: Row | undefined): Promise<boolean> {
    const { persistence, events } = this.#context;
    let row = await getSurely(persistence, brokerSessionKey(this.#id));
    if (row && decodeBrokerSession(row).state !== 'closed') {
      const ahead = this.#ahead(decodeBrokerSession(row), lapsed);
      row = await this.#claim(row, lapsed, ahead);
      // Who has only followed until now has it as it was last seen.
      if (this.#view.phase === 'serving') this.#died();
      const session = decodeBrokerSession(row);
      const startedAtMs = this.#context.clock.monotonicMs();
      const seal = this.#stateOp(row, session, 'recovered');
      const syncedLsn = await this.#syncedLsn(session);
      const { cleanUp, isSealed } = await this.#context.recover(session, row.version, { seal, syncedLsn, ahead });
      const tookMs = Math.round(this.#context.clock.monotonicMs() - startedAtMs);
      events.emit('volume-recovered', 'session fenced', { brokerId: this.#id, epoch: session.epoch, tookMs });
      row = isSealed ? this.#written(row, seal.value) : await this.#put(row, session, 'recovered');
      await this.#remap(remap);
      await this.#othersOpen();
      await cleanUp(row.version);
      row = await this.#put(row, session, 'closed');
    } else {
      // It closed its session itself (a clean end), or never had one: there is nothing to recover.
      noteSession(this.#view, row);
      if (this.#view.phase === 'serving' && this.#view.version === (row?.version ?? 0)) this.#view.phase = 'idle';
      await this.#remap(remap);
    }
    // Unless this is the end of a duty that is long over, and the slot serves again.
    if (this.#view.version === (row?.version ?? 0)) this.#view.phase = 'idle';
    return true;
  }

  /** Nobody renews the lease any more: the session is fenced. */
  async #syncedLsn({ epoch }: BrokerSession): Promise<number | undefined> {
    const row = await getSurely(this.#context.persistence, brokerLeaseKey(this.#id));
    const lease = row && decodeLease(row);
    return lease?.epoch === epoch ? lease.syncedLsn : undefined;
  }

  async #remap(remap: Remap): Promise<void> {
    this.#view.recovered = true;
    if (remap === 'restart-in-place') return;
    await this.#repair.remapDead(this.#id);
    // For a while, so that they need not wait for the slot to serve again. Who comes later is refused (commit-moves.ts).
    const { clock, settings, shards, brokers } = this.#context;
    const deadlineMs = clock.monotonicMs() + settings.othersRemapMsMax;
    while (brokers.anyServing() !== undefined && shards.othersPlace(this.#id) && clock.monotonicMs() < deadlineMs) {
      if (this.#context.isStopping()) return;
      await sleep(clock, othersPollMs);
    }
  }

  /** To remove files takes the cores and the store from new owners, and can wait as the slot's next start does (`#rest`). */
  async #othersOpen(): Promise<void> {
    const { clock, brokers } = this.#context;
    while (!this.#context.isStopping() && brokers.anyServing() !== undefined) {
      const leftMs = this.#repair.openingMs();
      if (leftMs <= 0) return;
      await sleep(clock, Math.min(leftMs, restPollMs));
    }
  }

  /** Of a process that is gone the log can be read while the row is fenced, not of one whose lease has lapsed: that may still write. */
  #ahead(session: BrokerSession, lapsed: Row | undefined): RecoveryAhead | undefined {
    const isOpen = session.state === 'serving' || session.state === 'draining';
    if (!isOpen || lapsed || !this.#context.isGone(session.pid)) return undefined;
    return this.#context.beginRecovery?.(session);
  }

  /** Fences the session, or takes over from whoever fenced it: their writes are refused from here on. */
  async #claim(row: Row, lapsed: Row | undefined, ahead: RecoveryAhead | undefined): Promise<Row> {
    const session = decodeBrokerSession(row);
    if (session.state === 'fenced' || session.state === 'recovered') return this.#put(row, session, session.state);
    const checks: StoreOp[] = lapsed
      ? [{ op: 'check', key: { pk: lapsed.pk, sk: lapsed.sk }, if: { version: lapsed.version } }]
      : [];
    if (!lapsed && !this.#context.isGone(session.pid)) throw new SessionAlive(this.#id);
    const besides = ahead ? [...checks, ahead.announcement] : checks;
    const fenced = await this.#put(row, session, 'fenced', besides);
    const reason = lapsed ? 'lease lapsed' : 'process gone';
    this.#context.events.emit('broker-fenced', reason, { brokerId: this.#id, epoch: session.epoch });
    return fenced;
  }

  async #put(row: Row, session: BrokerSession, state: SessionState, besides: readonly StoreOp[] = []): Promise<Row> {
    const op = this.#stateOp(row, session, state);
    await transactSurely(this.#context.persistence, [op, ...besides]);
    return this.#written(row, op.value);
  }

  #stateOp(row: Row, session: BrokerSession, state: SessionState) {
    assert(session.brokerId === this.#id, 'a keeper writes its own slot');
    const value = encodeBrokerSession({ ...session, state });
    return { op: 'put' as const, key: brokerSessionKey(this.#id), value, if: { version: row.version } };
  }

  #written(row: Row, value: string): Row {
    const written = { ...brokerSessionKey(this.#id), value, version: row.version + 1 };
    noteSession(this.#view, written);
    return written;
  }
}

function newExit(): Exit {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((r) => (resolve = r));
  return { promise, resolve, done: false };
}
