/**
 * Looks at the leases of the serving brokers at a fixed pace, and kills those that hang. The fault detector gives the
 * verdict. A kill ends in the same exit as a crash, so both take one path (replace.ts).
 */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import type { Row } from '../../ports.ts';
import { unlessDamaged } from '../../store-row-json.ts';
import { type BrokerView, noteSession } from './brokers.ts';
import type { ControllerContext } from '../context.ts';
import { type FaultDetector, initialDetector, judge } from './fault-detector.ts';
import { restoreKnown } from '../moves/restore-session.ts';
import { decodeBrokerSession, brokerSessionsPk } from '../rows/broker-session.ts';
import { brokerLeaseKey, leasesPk } from '../rows/lease.ts';

export interface BrokerWatchOptions {
  readonly context: ControllerContext;
  /** Whether the controller's own lease in the same store is valid. */
  selfValid(nowMs: number): boolean;
  kill(brokerId: number, reason: string): Promise<void>;
}

export class BrokerWatch {
  readonly #options: BrokerWatchOptions;
  readonly #clock: Clock;
  #detector: FaultDetector = initialDetector;
  #timer: Timer | undefined;
  #stopped = false;
  readonly #killing = new Set<number>();

  constructor(options: BrokerWatchOptions) {
    this.#options = options;
    this.#clock = options.context.clock;
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(): void {
    const { lookIntervalMs } = this.#options.context.settings;
    this.#timer = this.#clock.after(lookIntervalMs, () => void this.#look(), 'background');
  }

  async #look(): Promise<void> {
    try {
      await this.#lookOnce();
    } catch (cause) {
      // An unavailable store proves nothing about the brokers: the next look starts every observation over.
      if (!(cause instanceof Failure && cause.retryable)) throw cause;
    }
    if (!this.#stopped) this.#later();
  }

  async #lookOnce(): Promise<void> {
    const { context } = this.#options;
    const { store } = context.persistence;
    // At most a few hundred brokers: one page of sessions, one of leases.
    const [sessions, leases] = await Promise.all([store.range(brokerSessionsPk), store.range(leasesPk)]);
    const nowMs = this.#clock.monotonicMs();
    this.#noteSessions(sessions.rows);
    const byKey = new Map(leases.rows.map((row) => [row.sk, row]));
    const looks = [];
    for (const { phase, slot } of context.brokers.all()) {
      if (phase !== 'serving') continue;
      looks.push({ brokerId: slot.brokerId, lease: byKey.get(brokerLeaseKey(slot.brokerId).sk) });
    }
    const wasBraked = this.#detector.brakedAtMs !== undefined;
    const { detector, hung, suspects } = judge(
      this.#detector,
      looks,
      nowMs,
      this.#options.selfValid(nowMs),
      context.settings,
    );
    this.#detector = detector;
    if (detector.brakedAtMs !== undefined && !wasBraked) {
      const detail = { suspects: suspects.length, serving: looks.length };
      context.events.emit('brake', 'most brokers look hung at once: the observer is suspected', detail);
    }
    for (const brokerId of hung) this.kill(brokerId, 'lease not renewed');
  }

  /** A broker that shuts down by itself says so in its row, and gets no more partitions. */
  #noteSessions(rows: readonly Row[]): void {
    for (const row of rows) {
      const session = unlessDamaged(row, decodeBrokerSession);
      const view = this.#options.context.brokers.get(session?.brokerId ?? Number(row.sk));
      if (view?.phase !== 'serving') continue;
      if (!session) this.#restore(view, row);
      else if (view.session?.epoch === session.epoch) noteSession(view, row);
    }
  }

  /** The broker goes on with the restored row: it names the same session. */
  #restore(view: BrokerView, row: Row): void {
    restoreKnown(this.#options.context, view, row).catch((cause: unknown) => {
      // The next look tries again.
      if (!(cause instanceof Failure)) throw cause;
    });
  }

  /**
   * Kills a hung broker. The lease need not have lapsed: the slot's partitions move only after the process is reaped.
   */
  kill(brokerId: number, reason: string): void {
    if (this.#stopped || this.#killing.has(brokerId)) return;
    this.#killing.add(brokerId);
    this.#options.context.events.emit('broker-hung', reason, { brokerId });
    this.#options
      .kill(brokerId, reason)
      .catch((cause: unknown) => {
        // The next look tries again.
        this.#options.context.events.emit('kill-failed', String(cause), { brokerId });
      })
      .finally(() => this.#killing.delete(brokerId));
  }
}
