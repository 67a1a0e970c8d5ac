/**
 * The outboxes that have frames to send in this event-loop turn: one callback at its end flushes them all, each in its
 * cluster's share of this turn or a later one (fair-turns.ts).
 */
import type { Clock } from '../../engine/kernel/clock.ts';
import type { FairTurns } from '../fair-turns.ts';

export interface Flushable {
  readonly clusterId: string;
  flush(): void;
}

export class Flushes {
  readonly #clock: Clock;
  readonly #turns: FairTurns;
  #waiting: Flushable[] = [];

  constructor(clock: Clock, turns: FairTurns) {
    this.#clock = clock;
    this.#turns = turns;
  }

  /** The same outbox must not add itself again until it is flushed. */
  add(outbox: Flushable): void {
    if (this.#waiting.push(outbox) > 1) return;
    this.#clock.endOfTurn(() => {
      const waiting = this.#waiting;
      // Effects of a flush (a socket that closes, a reader that continues) wait for the next turn.
      this.#waiting = [];
      const nowMs = this.#clock.monotonicMs();
      for (const each of waiting) {
        if (this.#turns.isAlone(each.clusterId, nowMs)) each.flush();
        else void this.#turns.goOn(each.clusterId, () => each.flush());
      }
    });
  }
}
