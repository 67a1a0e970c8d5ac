/**
 * Settles what a slot's last session left. Every step can be repeated, by this controller or the next one, and each is
 * a write conditional on the session row as it was found. When two controllers both believe that they keep the fleet,
 * only one of them takes effect.
 *
 *   fenced    the session row; from here the broker's own writes are refused
 *   recovered what it acknowledged is in segments (engine/log/recover.ts), and the row says so
 *   remapped  others own its partitions, at leader epoch + 1; every controller does this for its own shards
 *   cleaned   what it held and nobody needs any longer is removed
 *   closed    the slot may open its next session
 */
import { assert } from '../../kernel/assert.ts';
import { sleep } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import type { RecoveryAhead } from '../../log/dead-log.ts';
import { DataCorrupt } from '../../log/log.ts';
import { logPkPrefix } from '../../log/rows/log-state.ts';
import { givenUpPath } from '../../log/wal/wal-format.ts';
import { SegmentsUnavailable, StoreConflict, type Row, type StoreOp } from '../../ports.ts';
import { RowCorrupt, unlessDamaged } from '../../store-row-json.ts';
import { getSurely, transactSurely } from '../../store-surely.ts';
import { type BrokerView, noteSession } from '../brokers/brokers.ts';
import { causeText, type ControllerContext } from '../context.ts';
import {
  type BrokerSession,
  brokerSessionKey,
  decodeBrokerSession,
  encodeBrokerSession,
  type SessionState,
} from '../rows/broker-session.ts';
import { brokerLeaseKey, decodeLease } from '../rows/lease.ts';
import type { Repair } from './repair.ts';
import { readSession } from './restore-session.ts';

const settlePauseMs = 50;
const settlePauseMsMax = 5000;
const openingPollMs = 20;
const othersPollMs = 25;

/** Whether other brokers get the partitions, or the slot's next session finds them again. */
export type Remap = 'remap' | 'restart-in-place';

/** The slot's session belongs to a running process, not to the one that ended. */
class SessionAlive extends Failure {
  readonly code = 'owner-unavailable';
  constructor(brokerId: number) {
    super(`the session of broker ${brokerId} belongs to another process`);
  }
}

/** The cause, and what it is waited for or what an operator can do. */
function adviceFor(cause: unknown, volume: string): string {
  const text = causeText(cause);
  if (cause instanceof SegmentsUnavailable)
    return `${text}. Its partitions wait until the segment store takes what their log holds; it is tried every five seconds`;
  const path = givenUpPath(volume);
  const isOfLog = cause instanceof DataCorrupt || (cause instanceof RowCorrupt && cause.pk.startsWith(logPkPrefix));
  if (!isOfLog || text.includes(path)) return text;
  return `${text}. Bring back what is damaged from a copy, or create an empty file ${path} to give up the records it hit`;
}

/** Marks the slot as dead: from here on it serves nobody. */
export function noteDeath(view: BrokerView, nowMs: number): void {
  view.phase = 'dead';
  view.recovered = false;
  view.diedAtMs = nowMs;
}

export class Settlement {
  readonly #context: ControllerContext;
  readonly #view: BrokerView;
  readonly #repair: Repair;
  #settling: Promise<void> = Promise.resolve();
  /** Resolves when the slot's last session cannot be recovered because bytes are damaged. Recovery is still retried. */
  readonly unrecoverable: Promise<void>;
  #tellUnrecoverable: () => void = () => undefined;

  constructor(context: ControllerContext, view: BrokerView, repair: Repair) {
    this.#context = context;
    this.#view = view;
    this.#repair = repair;
    this.unrecoverable = new Promise((resolve) => (this.#tellUnrecoverable = resolve));
  }

  get #id(): number {
    return this.#view.slot.brokerId;
  }

  /** Resolves when no session is being settled. */
  async idle(): Promise<void> {
    await this.#settling;
  }

  /**
   * Brings the slot's last session to `closed`. Either the process must be gone, or `lapsed` must be the lease row that
   * was seen to lapse; the fence is then refused when the holder has renewed after all. Repeats through every failure
   * until it is done or the controller stops. False when the lease was renewed.
   */
  settle(remap: Remap, lapsed?: Row): Promise<boolean> {
    const settled = this.#settle(remap, lapsed);
    this.#settling = settled.then(
      () => undefined,
      () => undefined,
    );
    return settled;
  }

  /** What keeps the session from being settled. It is tried again; damage waits for somebody to mend it. */
  failed(cause: unknown): void {
    const { volume } = this.#view.slot;
    this.#context.events.emit('recovery-failed', adviceFor(cause, volume), { brokerId: this.#id });
    if (!(cause instanceof Failure) || cause.retryable) return;
    this.#view.unrecoverable = true;
    this.#tellUnrecoverable();
  }

  async #settle(remap: Remap, lapsed: Row | undefined): Promise<boolean> {
    const { clock } = this.#context;
    for (let pauseMs = settlePauseMs; !this.#context.isStopping(); pauseMs = Math.min(settlePauseMsMax, pauseMs * 2)) {
      try {
        const settled = await this.#settleOnce(remap, lapsed);
        this.#view.unrecoverable = false;
        return settled;
      } catch (cause) {
        if ((cause instanceof StoreConflict && lapsed) || cause instanceof SessionAlive) return false;
        if (!(cause instanceof StoreConflict)) {
          this.failed(cause);
        }
        await sleep(clock, pauseMs);
      }
    }
    return false;
  }

  async #settleOnce(remap: Remap, lapsed: Row | undefined): Promise<boolean> {
    const { events } = this.#context;
    let { row } = await readSession(this.#context, this.#view);
    if (row && decodeBrokerSession(row).state !== 'closed') {
      const ahead = this.#ahead(decodeBrokerSession(row), lapsed);
      row = await this.#claim(row, lapsed, ahead);
      // A controller that only followed until now still has the session as it last saw it.
      if (this.#view.phase === 'serving') noteDeath(this.#view, this.#context.clock.monotonicMs());
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
      // The broker closed its session itself (a clean end), or never had one: nothing to recover.
      noteSession(this.#view, row);
      if (this.#view.phase === 'serving' && this.#view.version === (row?.version ?? 0)) this.#view.phase = 'idle';
      await this.#remap(remap);
    }
    // Unless this belongs to a duty that ended long ago, and the slot serves again.
    if (this.#view.version === (row?.version ?? 0)) this.#view.phase = 'idle';
    return true;
  }

  /**
   * The session is fenced, so nobody renews the lease any longer. A damaged lease tells nothing: the log is then recovered
   * without the proof that its disk has kept all of it.
   */
  async #syncedLsn({ epoch }: BrokerSession): Promise<number | undefined> {
    const row = await getSurely(this.#context.persistence, brokerLeaseKey(this.#id));
    const lease = row && unlessDamaged(row, decodeLease);
    return lease?.epoch === epoch ? lease.syncedLsn : undefined;
  }

  async #remap(remap: Remap): Promise<void> {
    this.#view.recovered = true;
    if (remap === 'restart-in-place') return;
    await this.#repair.remapDead(this.#id);
    // Waits a while for the other controllers, so their partitions need not wait for the slot to serve again. A later
    // move is refused (commit-moves.ts).
    const { clock, settings, shards, brokers } = this.#context;
    const deadlineMs = clock.monotonicMs() + settings.othersRemapMsMax;
    while (brokers.anyServing() !== undefined && shards.othersPlace(this.#id) && clock.monotonicMs() < deadlineMs) {
      if (this.#context.isStopping()) return;
      await sleep(clock, othersPollMs);
    }
  }

  /**
   * Removing files takes CPU and store time from new owners, and can wait, as the slot's next start does (replace.ts).
   */
  async #othersOpen(): Promise<void> {
    const { clock, brokers } = this.#context;
    while (!this.#context.isStopping() && brokers.anyServing() !== undefined) {
      const leftMs = this.#repair.openingMs();
      if (leftMs <= 0) return;
      await sleep(clock, Math.min(leftMs, openingPollMs));
    }
  }

  /**
   * When the process is gone, its log can be read while the row is being fenced. A process whose lease has merely
   * lapsed may still write.
   */
  #ahead(session: BrokerSession, lapsed: Row | undefined): RecoveryAhead | undefined {
    const isOpen = session.state === 'serving' || session.state === 'draining';
    if (!isOpen || lapsed || !this.#context.isGone(session.pid)) return undefined;
    return this.#context.beginRecovery?.(session);
  }

  /**
   * Fences the session, or takes over from the controller that fenced it. That controller's writes are refused from
   * here on.
   */
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
