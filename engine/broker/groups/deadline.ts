/**
 * A timeout that is pushed back far more often than it fires: a member's session. Pushing it back only changes a
 * number. The timer below stays; when it fires early, it sleeps for the rest.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';

export class Deadline {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #atMs = Infinity;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** Replaces the previous deadline. */
  set(delayMs: number): void {
    this.#atMs = this.#clock.monotonicMs() + delayMs;
    if (this.#timerAtMs > this.#atMs) this.#arm(delayMs);
  }

  cancel(): void {
    this.#atMs = Infinity;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = this.#atMs;
    this.#timer = this.#clock.after(delayMs, () => this.#wake(), 'background');
  }

  #wake(): void {
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    // Node's timers may fire a millisecond early on this clock, so the rest is rounded up.
    const restMs = Math.ceil(this.#atMs - this.#clock.monotonicMs());
    if (restMs > 0) this.#arm(restMs);
    else {
      this.#atMs = Infinity;
      this.#expired();
    }
  }
}
