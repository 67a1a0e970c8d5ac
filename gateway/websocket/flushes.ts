/** The outboxes that have frames to send in this event-loop turn: one callback at its end flushes them all. */
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

  /** The same outbox must not add itself twice in a turn. */
  add(outbox: Flushable): void {
    if (this.#waiting.push(outbox) > 1) return;
    this.#clock.endOfTurn(() => {
      const waiting = this.#waiting;
      // Effects of a flush (a socket that closes, a reader that continues) wait for the next turn.
      this.#waiting = [];
      for (const each of waiting) each.flush();
    });
  }
}
