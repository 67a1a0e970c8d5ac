/**
 * Whether the process may have slept through its own succession. A broker that was stopped (SIGSTOP, a stalled virtual
 * machine) may resume after its slot has had another session at the same leader epoch. What it knows of its logs is
 * then older than what clients were told since, and neither an epoch nor a row reveals that. It cannot check its lease
 * before each answer, or reads would stop whenever the metadata store does. Instead, only a gap in its own time makes
 * it doubt, until its lease is valid again.
 *
 *   stopped ------------------- resumes: sees the gap; the lease has lapsed: answers nothing
 *               fenced, another session     the renewal is refused: it ends
 *   stopped ------------------- resumes: sees the gap; nobody came: the renewal takes effect, and it answers again
 */
import type { Clock, Timer } from '../kernel/clock.ts';

export interface LeaseLook {
  mayAck(nowMs: number): boolean;
  /** A longer gap makes the process doubt: a renewal may have been this late. */
  readonly renewIntervalMs: number;
}

/** Looks per interval, so a gap of one interval is noticed. */
const looksPerInterval = 2;

export class Wakefulness {
  readonly #clock: Clock;
  readonly #lease: LeaseLook;
  #seenMs: number;
  #hasSlept = false;
  #timer: Timer | undefined;

  constructor(clock: Clock, lease: LeaseLook) {
    this.#clock = clock;
    this.#lease = lease;
    this.#seenMs = clock.monotonicMs();
    this.#tick();
  }

  /** Whether to report what is known of logs: no other session has reported on them since. */
  isAwake(): boolean {
    const nowMs = this.#look();
    // No session succeeds this one while its lease is valid.
    if (this.#hasSlept && this.#lease.mayAck(nowMs)) this.#hasSlept = false;
    return !this.#hasSlept;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    this.#look();
    this.#timer = this.#clock.after(this.#lease.renewIntervalMs / looksPerInterval, () => this.#tick(), 'background');
  }

  #look(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#seenMs > this.#lease.renewIntervalMs) this.#hasSlept = true;
    this.#seenMs = nowMs;
    return nowMs;
  }
}
