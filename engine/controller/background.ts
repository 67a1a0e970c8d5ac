/**
 * The work that a controller does unasked: at a fixed pace, or because something has changed. A failure of the world is told
 * and left to the next occasion, a bug ends the process.
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

  /** Again and again, each time so long after the last one has ended, well or not. */
  every(intervalMs: number, act: () => Promise<void>): void {
    const again = (): void => {
      if (!this.#isStopping()) this.every(intervalMs, act);
    };
    const timer = this.#clock.after(
      intervalMs,
      () => {
        this.#timers.delete(timer);
        // However it ends: work of a fleet's duty that is let go ends as if all were stopping, and the duty may come back.
        this.run(() => act().finally(again));
      },
      'background',
    );
    this.#timers.add(timer);
  }

  /** Nothing begins any more; what runs goes on. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
