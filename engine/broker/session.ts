/**
 * A broker's session: the right to own logs, from the first row to `closed`. Three things end it: close(), the
 * controller's fence, and (for acknowledgements only) a lapsed lease. Everything the broker writes to the metadata
 * store includes guard(), so a fenced session can change nothing, whatever it believes.
 *
 *   open (waits until the previous session is closed) -> serving -> draining -> closed
 *                                                        any -> fenced: onFenced, and the process exits
 */
import { holdLease, firstLease, type Lease, leaseDefaults, type LeaseSettings } from '../controller/lease.ts';
import { getSurely, type Persistence, transactSurely } from '../store-surely.ts';
import {
  type BrokerSession,
  brokerSessionKey,
  brokerSessionsPk,
  decodeBrokerSession,
  encodeBrokerSession,
  unknownPid,
} from '../controller/rows/broker-session.ts';
import { brokerLeaseKey, encodeLease } from '../controller/rows/lease.ts';
import { assert } from '../kernel/assert.ts';
import { sleep } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { type BrokerSlot, type Row, StoreConflict, type StoreOp } from '../ports.ts';
import { unlessDamaged } from '../store-row-json.ts';

/**
 * The controller, or a later session of the slot, has taken the right away. Nothing this session does counts any
 * longer.
 */
export class SessionFenced extends Failure {
  readonly code = 'fenced';
}

/** The slot's previous session was not closed within the wait: the controller has not recovered it. */
export class SessionBlocked extends Failure {
  readonly code = 'owner-unavailable';
  override readonly retryable = true;
}

export interface SessionOptions extends Persistence {
  readonly slot: BrokerSlot;
  readonly pid: number;
  readonly lease?: LeaseSettings;
  /** Longest wait for the previous session to be closed, and for the store. */
  readonly openWaitMsMax?: number;
  /** Called at most once. The caller stops acknowledging (mayAck is already false) and exits. */
  onFenced(cause: Failure): void;
}

export interface Session {
  readonly brokerId: number;
  readonly epoch: number;
  state(): BrokerSession['state'];
  /** Whether durable records may be acknowledged at `nowMs` (monotonic; read from the clock when absent). */
  mayAck(nowMs?: number): boolean;
  /** Conditions for a transaction of this session; its first operations. Called again before each attempt. */
  guard(): StoreOp[];
  /**
   * Whether a conflict on guard() came from the session's own change of state. If so, repeat with a fresh guard. False:
   * the session is fenced, and onFenced has been called.
   */
  stillOurs(conflict: StoreConflict): boolean;
  /**
   * Runs guard() and `ops` as one transaction, and repeats it when the session's own change of state interferes. A
   * conflict of `ops` is thrown with the index in `ops`. Throws SessionFenced, StoreConflict and the store's other
   * failures.
   */
  commit(ops: readonly StoreOp[], token?: string): Promise<void>;
  setState(state: 'draining'): Promise<void>;
  /** From here on, each lease renewal reports how far the session's log is synced to disk, for its recovery. */
  noteLog(log: { syncedLsn(): number }): void;
  /** Resolves when what the log reports now is stored. Throws LeaseEnded. */
  noted(): Promise<void>;
  /** Call after the last roll-up. Acknowledgements end with the call. Throws SessionFenced. */
  close(): Promise<void>;
}

const openWaitMsMaxDefault = 60_000;
const openPollMs = 20;

/** Throws SessionBlocked, or the store's failure once the wait is over. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { clock, slot, pid, openWaitMsMax = openWaitMsMaxDefault, lease: settings = leaseDefaults } = options;
  const { brokerId, zone, volume, address } = slot;
  const key = brokerSessionKey(brokerId);
  const deadlineMs = clock.monotonicMs() + openWaitMsMax;
  for (;;) {
    const row = await getSurely(options, key, openWaitMsMax);
    // The slot's keeper restores a damaged row.
    const previous = row && unlessDamaged(row, decodeBrokerSession);
    if (!row || previous?.state === 'closed') {
      const epoch = (previous?.epoch ?? 0) + 1;
      const session: BrokerSession = { brokerId, epoch, state: 'serving', zone, volume, address, pid };
      const value = encodeBrokerSession(session);
      const lease = encodeLease(firstLease(epoch, settings));
      // Taken before the first attempt: a repeat may find that this one took effect, so the lease counts from here.
      const grantedAtMs = clock.monotonicMs();
      const opened = await put(options, [
        { op: 'put', key, value, if: row ? { version: row.version } : { absent: true } },
        { op: 'put', key: brokerLeaseKey(brokerId), value: lease },
      ]);
      if (opened) return new OpenSession(options, session, (row?.version ?? 0) + 1, grantedAtMs);
    }
    if (clock.monotonicMs() >= deadlineMs) {
      throw new SessionBlocked(
        `session ${previous?.epoch ?? '?'} of broker ${brokerId} is ${previous?.state ?? 'damaged'}, not closed`,
      );
    }
    await sleep(clock, openPollMs);
  }
}

/** False on a conflict: somebody else changed the row, so look again. */
async function put(persistence: Persistence, ops: readonly StoreOp[]): Promise<boolean> {
  try {
    await transactSurely(persistence, ops);
    return true;
  } catch (failure) {
    if (failure instanceof StoreConflict) return false;
    throw failure;
  }
}

class OpenSession implements Session {
  readonly brokerId: number;
  readonly epoch: number;
  readonly #options: SessionOptions;
  readonly #lease: Lease;
  #session: BrokerSession;
  /** Version of the session row. */
  #version: number;
  #fenced = false;
  #changing: Promise<void> = Promise.resolve();
  #log: { syncedLsn(): number } | undefined;

  constructor(options: SessionOptions, session: BrokerSession, version: number, grantedAtMs: number) {
    this.#options = options;
    this.#session = session;
    this.#version = version;
    this.brokerId = session.brokerId;
    this.epoch = session.epoch;
    this.#lease = holdLease({
      store: options.store,
      clock: options.clock,
      random: options.random,
      key: brokerLeaseKey(session.brokerId),
      epoch: session.epoch,
      settings: options.lease ?? leaseDefaults,
      guard: () => this.guard(),
      isLost: (conflict) => !this.#isOurs(conflict.current),
      onLost: (cause) => this.#fence(cause),
      grantedAtMs,
      syncedLsn: () => this.#log?.syncedLsn() ?? 0,
    });
  }

  state(): BrokerSession['state'] {
    return this.#fenced ? 'fenced' : this.#session.state;
  }

  mayAck(nowMs: number = this.#options.clock.monotonicMs()): boolean {
    return this.#lease.isValid(nowMs);
  }

  guard(): StoreOp[] {
    return [{ op: 'check', key: brokerSessionKey(this.brokerId), if: { version: this.#version } }];
  }

  stillOurs(conflict: StoreConflict): boolean {
    if (!this.#fenced && this.#isOurs(conflict.current)) return true;
    this.#fence(conflict);
    return false;
  }

  async commit(ops: readonly StoreOp[], token?: string): Promise<void> {
    for (;;) {
      if (this.#fenced) throw new SessionFenced(`session ${this.epoch} of broker ${this.brokerId} is fenced`);
      try {
        await this.#options.store.transact([...this.guard(), ...ops], token);
        return;
      } catch (failure) {
        if (!(failure instanceof StoreConflict)) throw failure;
        if (failure.index > 0) throw new StoreConflict(failure.index - 1, failure.current);
        this.stillOurs(failure);
      }
    }
  }

  setState(state: 'draining'): Promise<void> {
    return this.#change(state);
  }

  noteLog(log: { syncedLsn(): number }): void {
    this.#log = log;
  }

  noted(): Promise<void> {
    return this.#lease.renewed();
  }

  close(): Promise<void> {
    this.#lease.stop();
    return this.#change('closed');
  }

  /** One change at a time, in the order of the calls. */
  #change(state: 'draining' | 'closed'): Promise<void> {
    const changed = this.#changing.then(() => this.#write(state));
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  async #write(state: 'draining' | 'closed'): Promise<void> {
    if (this.#fenced) throw new SessionFenced(`session ${this.epoch} of broker ${this.brokerId} is fenced`);
    if (this.#session.state === state) return;
    assert(this.#session.state !== 'closed', 'a closed session has no further state');
    await this.#put({ ...this.#session, state });
  }

  async #put(session: BrokerSession): Promise<void> {
    const key = brokerSessionKey(this.brokerId);
    const version = this.#version;
    try {
      await transactSurely(this.#options, [{ op: 'put', key, value: encodeBrokerSession(session), if: { version } }]);
    } catch (failure) {
      if (!(failure instanceof StoreConflict)) throw failure;
      this.#fence(failure);
      throw new SessionFenced(`session ${this.epoch} of broker ${this.brokerId} is fenced`);
    }
    this.#version = version + 1;
    this.#session = session;
  }

  /** A controller made the row again from our lease: it knows neither our process nor whether we drain. */
  #putAgain(): void {
    const put = this.#changing.then(() => (this.#fenced ? undefined : this.#put(this.#session)));
    this.#changing = put.catch(() => undefined);
  }

  /**
   * Between the commit of our own change and its reply, a guard with the old version is refused although nobody fenced
   * us. The row then names our epoch, in a state that only we write, and its version is the one to continue with.
   */
  #isOurs(current: Row | undefined): boolean {
    if (current === undefined || current.pk !== brokerSessionsPk || current.sk !== String(this.brokerId)) return false;
    const session = unlessDamaged(current, decodeBrokerSession);
    // Somebody changed the row, and nobody can tell what it says now: a session that goes on might be fenced.
    if (session?.epoch !== this.epoch || (session.state !== 'serving' && session.state !== 'draining')) return false;
    if (current.version > this.#version && session.pid === unknownPid) this.#putAgain();
    this.#version = Math.max(this.#version, current.version);
    return true;
  }

  #fence(cause: Failure): void {
    if (this.#fenced) return;
    this.#fenced = true;
    this.#lease.stop();
    this.#options.onFenced(cause);
  }
}
