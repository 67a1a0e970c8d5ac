/**
 * The life of one slot while the controller keeps the fleet: start a broker or adopt the one that runs, wait for its
 * end, settle what it left, start the next. Every slot has its own keeper, so a second death does not wait for the
 * first. What the keepers share (placement) takes turns in shards.ts and repair.ts. settle.ts settles a session.
 */
import { sleep } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import type { Row } from '../../ports.ts';
import { RowCorrupt, unlessDamaged } from '../../store-row-json.ts';
import { getSurely } from '../../store-surely.ts';
import { type BrokerView, noteSession } from '../brokers/brokers.ts';
import { causeText, type ControllerContext } from '../context.ts';
import { observe, type ObservedLease } from '../lease.ts';
import { partitionCounts } from './plan-input.ts';
import type { Repair } from './repair.ts';
import { brokerSessionKey, decodeBrokerSession } from '../rows/broker-session.ts';
import { brokerLeaseKey } from '../rows/lease.ts';
import { type ReadSession, readSession, restoreByLease } from './restore-session.ts';
import { noteDeath, type Remap, Settlement } from './settle.ts';

const servingPollMs = 20;
const earlierPollMs = 50;
const damagedPauseMs = 5000;
const restartPauseMs = 100;
/** While nobody serves, the longest pause before the next attempt, depending on whether the last broker ever served. */
const alonePauseMsMax = { served: 100, unserved: 500 };
/** The longest pause while few brokers serve. */
const fewPauseMsMax = 500;
const restPollMs = 20;
const unwantedPollMs = 50;
/**
 * A keeper that gave up would leave its slot without a broker for good, so it waits for the store until it is stopped.
 */
const storeWaitMsMax = Number.POSITIVE_INFINITY;

export interface KeeperHooks {
  /** The slot serves again. Orphans and the balancer may want it. */
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
  /** Settles the slot's last session. */
  readonly settlement: Settlement;
  #exit: Exit = newExit();
  #failures = 0;
  #endReason = '';
  /** The process was asked to end. */
  #asked = false;
  /**
   * An adopted process whose end has not been handled yet: the slot's session is unsettled, even if the process has
   * ended.
   */
  #isAdopted = false;
  /** The last start. Until the system has created the process, there is nothing to kill. */
  #starting: Promise<void> = Promise.resolve();

  constructor(context: ControllerContext, view: BrokerView, repair: Repair, hooks: KeeperHooks) {
    this.#context = context;
    this.#view = view;
    this.#repair = repair;
    this.#hooks = hooks;
    this.#exit.done = true;
    this.settlement = new Settlement(context, view, repair);
  }

  get #id(): number {
    return this.#view.slot.brokerId;
  }

  /** From Fleet.onExit: the process is reaped and can write nothing more. */
  exited(): void {
    if (this.#exit.done) return;
    this.#exit.done = true;
    if (this.#view.phase !== 'idle') noteDeath(this.#view, this.#context.clock.monotonicMs());
    this.#exit.resolve();
  }

  /** Sends SIGKILL. The event of the death names the reason. Resolves when the process is reaped. */
  async kill(reason: string): Promise<void> {
    const exit = this.#exit;
    if (exit.done) return;
    this.#endReason = reason;
    await this.#kill(exit);
  }

  /** Asks the process to roll up and end; a replacement follows. Resolves when the process is reaped. */
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

  /** Adopts the slot's process when another controller started it and it serves. */
  async adopt(): Promise<boolean> {
    const { row, session } = (await this.#found()) ?? {};
    if (!row || session?.state !== 'serving' || this.#context.isGone(session.pid)) return false;
    const exit = newExit();
    // Set before the adoption, which may report the exit at once.
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
   * Brings the slot's last session to `closed`, whoever opened it: at once when its process is gone, otherwise when its
   * lease has lapsed. A process that serves is adopted instead. False when there was nothing to recover.
   */
  async settleLast(remap: Remap): Promise<boolean> {
    const { clock, persistence, events, settings } = this.#context;
    let seen: ObservedLease | undefined;
    const heldMsMax = 2 * settings.lease.durationMs;
    let tellAtMs = clock.monotonicMs() + heldMsMax;
    let unreadSinceMs: number | undefined;
    while (!this.#context.isStopping()) {
      const found = await this.#found();
      if (!found) {
        unreadSinceMs ??= clock.monotonicMs();
        seen = await this.#restoreByLease(seen, unreadSinceMs);
        await sleep(clock, earlierPollMs);
        // A broker whose row was made again has yet to put its process in.
        tellAtMs = clock.monotonicMs() + heldMsMax;
        continue;
      }
      const { row, session } = found;
      noteSession(this.#view, row);
      if (!session || session.state === 'closed' || this.#context.isGone(session.pid)) {
        if (await this.settlement.settle(remap)) return session !== undefined && session.state !== 'closed';
        continue;
      }
      if (await this.adopt()) return false;
      const lease = await getSurely(persistence, brokerLeaseKey(this.#id), storeWaitMsMax);
      seen = observe(seen, lease, clock.monotonicMs());
      if ((!lease || seen?.dead) && (await this.settlement.settle(remap, lease))) return true;
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

  /** Undefined when the row is damaged, and nothing in memory tells what it said. */
  async #found(): Promise<ReadSession | undefined> {
    try {
      return await readSession(this.#context, this.#view, storeWaitMsMax);
    } catch (cause) {
      if (cause instanceof RowCorrupt) return undefined;
      throw cause;
    }
  }

  /** A lease that is still renewed after twice its duration belongs to a broker that serves. */
  async #restoreByLease(seen: ObservedLease | undefined, sinceMs: number): Promise<ObservedLease | undefined> {
    const { clock, persistence } = this.#context;
    const row = await getSurely(persistence, brokerSessionKey(this.#id), storeWaitMsMax);
    const lease = await getSurely(persistence, brokerLeaseKey(this.#id), storeWaitMsMax);
    const nowMs = clock.monotonicMs();
    const now = observe(seen, lease, nowMs);
    const isHeld = now !== undefined && !now.dead;
    if (!row || (isHeld && nowMs - sinceMs < 2 * now.durationMs)) return now;
    try {
      await restoreByLease(this.#context, this.#view, row, lease, isHeld ? 'serving' : 'fenced');
    } catch (cause) {
      if (!(cause instanceof RowCorrupt)) throw cause;
      this.settlement.failed(cause);
      await sleep(clock, damagedPauseMs);
    }
    return now;
  }

  /**
   * Runs until the controller no longer keeps the fleet. The slot's last session must be settled or adopted.
   * `afterCrash`: the previous run did not end in order, so clients wait, and the first broker that serves takes all
   * partitions. Otherwise partitions stay where they are for the first start.
   */
  async keep(afterCrash: boolean): Promise<void> {
    const { clock, settings, events, fleet, brokers } = this.#context;
    if (this.#exit.done && !this.#isAdopted) await (afterCrash ? this.#rest(0, true) : fleet.standby?.(this.#id));
    while (!this.#context.isStopping()) {
      if (!this.#view.wanted && this.#exit.done && !this.#isAdopted) {
        // Partitions that still name the slot (of a topic placed while the slot ended) go to other brokers.
        if ((partitionCounts(this.#context, 'held').get(this.#id) ?? 0) > 0) await this.settlement.settle('remap');
        await sleep(clock, unwantedPollMs);
        continue;
      }
      const startedAtMs = clock.monotonicMs();
      // During the wait, a broker that a dead controller had started may have begun to serve.
      const starts = this.#exit.done && !this.#isAdopted && !(await this.adopt());
      const served = starts ? await this.#serveOnce() : await this.#exit.promise.then(() => true);
      if (this.#context.isStopping()) return;
      this.#isAdopted = false;
      if (served) {
        const livedMs = Math.round(clock.monotonicMs() - startedAtMs);
        events.emit(this.#asked ? 'broker-stopped' : 'broker-dead', this.#endReason, { brokerId: this.#id, livedMs });
      }
      // With nobody to take over, all clients wait for the first broker that serves. So its program loads during the
      // recoveries, for whichever slot is settled first.
      if (brokers.anyServing() === undefined) fleet.prepare?.();
      await this.settleLast('remap');
      // A requested end says nothing against the slot: successive restarts cause no pause.
      const isSound = this.#asked || clock.monotonicMs() - startedAtMs >= settings.stableAfterMs;
      this.#failures = served && isSound ? 0 : this.#failures + 1;
      // The first replacement starts at once. A slot that dies again and again gets a growing pause.
      const pauseMs =
        this.#failures > 1
          ? Math.min(settings.restartPauseMsMax, restartPauseMs * 2 ** Math.min(20, this.#failures - 2))
          : 0;
      await this.#rest(pauseMs, served);
    }
  }

  /**
   * Waits until the pause is over and a process stands by. When this broker died together with all the others, nobody
   * could take its partitions. A broker that serves meanwhile gets them at once, rather than waiting for a slot that
   * keeps dying or for a program to load. This is safe only here: nobody else starts the slot, so no process opens a
   * log that is being given away.
   */
  async #rest(pauseMs: number, hasServed: boolean): Promise<void> {
    const { clock, brokers, fleet } = this.#context;
    // Counts from the death, so the pause includes the recovery.
    const beganMs = this.#view.diedAtMs;
    let standby: Promise<void> | undefined;
    let isReady = fleet.standby === undefined;
    while (!this.#context.isStopping()) {
      const isAlone = brokers.anyServing() === undefined;
      if (!isAlone && (partitionCounts(this.#context, 'held').get(this.#id) ?? 0) > 0)
        await this.settlement.settle('remap');
      const pauseLeftMs = beganMs + Math.min(pauseMs, this.#pauseMsMax(hasServed)) - clock.monotonicMs();
      // There is no hurry while others serve: loading a program and opening a session takes as much CPU as opening
      // hundreds of logs.
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

  /** A pause spares the other brokers a slot that keeps dying. Without others there is nothing to spare. */
  #pauseMsMax(hasServed: boolean): number {
    const { brokers, settings } = this.#context;
    if (brokers.anyServing() === undefined) return alonePauseMsMax[hasServed ? 'served' : 'unserved'];
    return brokers.fewServe() ? fewPauseMsMax : settings.restartPauseMsMax;
  }

  /** Runs one process from start to exit. False when it never served. */
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
      // The controller stops, and with it the wait for the session: the broker did nothing wrong.
      if (!this.#context.isStopping()) events.emit('broker-start-failed', 'it has no session', { brokerId: this.#id });
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
      const session = row && unlessDamaged(row, decodeBrokerSession);
      if (session && session.epoch > lastEpoch && session.state === 'serving') {
        // Another process, started by a controller that is now dead, came before ours. Ours ends, and the other one is
        // adopted.
        if (fleet.runs?.(this.#id, session.pid) === false) return false;
        noteSession(this.#view, row);
        return true;
      }
      await Promise.race([sleep(clock, servingPollMs), exit.promise]);
    }
    return false;
  }

  /** Also undefined while the store is unavailable: the process is running, and the wait goes on. */
  async #readSession(): Promise<Row | undefined> {
    try {
      return await this.#context.persistence.store.get(brokerSessionKey(this.#id));
    } catch (cause) {
      if (cause instanceof Failure && cause.retryable) return undefined;
      throw cause;
    }
  }

  /** An answered kill means the process is reaped, whether or not the exit is also reported. */
  async #kill(exit: Exit): Promise<void> {
    await this.#starting;
    if (exit.done) return;
    await this.#context.fleet.kill(this.#id);
    if (this.#exit === exit) this.exited();
  }
}

function newExit(): Exit {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((r) => (resolve = r));
  return { promise, resolve, done: false };
}
