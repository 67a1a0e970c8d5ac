/**
 * Whether the process may have slept over its own succession. A broker that is stopped (SIGSTOP, a virtual machine that
 * stands still) may go on when its slot has had another session at the same leader epoch: what it knows of its logs is then
 * older than what others were told, and neither an epoch nor a row says so. It does not look at its lease before each answer,
 * or reads would stop with the metadata store: only a gap in its own time makes it doubt, until its lease is valid again.
 *
 *   stopped ------------------- goes on: sees the gap; the lease has lapsed: tells nothing
 *               fenced, another session     the renewal is refused: it ends
 *   stopped ------------------- goes on: sees the gap; nobody came: the renewal has its effect, and it tells again
 */
import type { Clock, Timer } from '../kernel/clock.ts';

export interface LeaseLook {
  mayAck(nowMs: number): boolean;
  /** A gap that is longer makes a process doubt: so long a renewal may have been late. */
  readonly renewIntervalMs: number;
}

/** Looks in each interval, so that a gap of one is seen. */
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

  /** Whether what is known of logs may be told: nobody else has told of them since. */
  isAwake(): boolean {
    const nowMs = this.#look();
    // Nobody follows as long as it is valid.
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
