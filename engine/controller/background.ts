/**
 * Work that a controller starts by itself: at a fixed pace, or because something changed. An expected failure is
 * reported and left to the next occasion. A bug ends the process.
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { Failure, ShuttingDown } from '../kernel/failure.ts';
import { causeText } from './context.ts';
import type { EventRing } from './events.ts';

export class Background {
  readonly #clock: Clock;
  readonly #events: EventRing;
  readonly #isStopping: () => boolean;
  readonly #timers = new Set<Timer>();

  constructor(clock: Clock, events: EventRing, isStopping: () => boolean) {
    this.#clock = clock;
    this.#events = events;
    this.#isStopping = isStopping;
  }

  run(act: () => Promise<void>): void {
    act().catch((cause: unknown) => {
      if (this.#isStopping() || cause instanceof ShuttingDown) return;
      if (!(cause instanceof Failure)) throw cause;
      this.#events.emit('background-failed', causeText(cause), { code: cause.code });
    });
  }

  /**
   * Runs `act` repeatedly. Each run starts `intervalMs` after the previous one ended, whether it succeeded or failed.
   */
  every(intervalMs: number, act: () => Promise<void>): void {
    const again = (): void => {
      if (!this.#isStopping()) this.every(intervalMs, act);
    };
    const timer = this.#clock.after(
      intervalMs,
      () => {
        this.#timers.delete(timer);
        // Whatever the outcome: when a duty is let go, its work ends as if the controller were stopping, yet the duty
        // may return.
        this.run(() => act().finally(again));
      },
      'background',
    );
    this.#timers.add(timer);
  }

  /** Starts no more runs. A run in progress continues. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
