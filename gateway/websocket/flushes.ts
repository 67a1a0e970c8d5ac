/** The outboxes that have something to send in this event-loop turn: one callback at its end flushes them all. */
import type { Clock } from '../../engine/kernel/clock.ts';

export interface Flushable {
  flush(): void;
}

export class Flushes {
  readonly #clock: Clock;
  #waiting: Flushable[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Not twice in a turn by the same. */
  add(outbox: Flushable): void {
    if (this.#waiting.push(outbox) > 1) return;
    this.#clock.endOfTurn(() => {
      const waiting = this.#waiting;
      // What a flush brings about (a socket that closes, a reader that goes on) is for the next turn.
      this.#waiting = [];
      for (const each of waiting) each.flush();
    });
  }
}
