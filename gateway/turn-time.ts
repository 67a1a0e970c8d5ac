/** Monotonic time, read once per event-loop turn however many requests ask: reading the clock costs as much as a lookup. */
import type { Clock } from '../engine/kernel/clock.ts';

export class TurnTime {
  readonly #clock: Clock;
  readonly #forget: () => void;
  #ms = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#forget = () => {
      this.#ms = -1;
    };
  }

  nowMs(): number {
    if (this.#ms >= 0) return this.#ms;
    this.#clock.endOfTurn(this.#forget);
    return (this.#ms = this.#clock.monotonicMs());
  }
}
