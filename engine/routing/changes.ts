/**
 * When it is worth asking again: a placement, a broker or a link has changed, or the pause is over. For infrequent
 * requests; appends and fetches have their own wake-ups.
 */
import type { Clock } from '../kernel/clock.ts';
import type { LinkPool } from '../link/pool.ts';
import type { RoutingCatalogue } from './owners.ts';

export class Changes {
  readonly #clock: Clock;
  #waiters = new Set<() => void>();
  #count = 0;

  constructor(catalogue: RoutingCatalogue, pool: LinkPool, clock: Clock) {
    this.#clock = clock;
    const wake = (): void => this.#wake();
    catalogue.onPlacement(wake);
    catalogue.onBroker(wake);
    pool.onOpen((_, lane) => {
      if (lane === 'control') wake();
    });
  }

  /** Increases with every change. */
  get count(): number {
    return this.#count;
  }

  /**
   * Resolves at the first change after `seen`, or after `waitMsMax` at the latest. Take the count before looking at the
   * catalogue and the links, because a change may come between the look and the wait.
   */
  next(seen: number, waitMsMax: number): Promise<void> {
    if (seen !== this.#count) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiters.delete(done);
        resolve();
      };
      const timer = this.#clock.after(waitMsMax, done);
      this.#waiters.add(done);
    });
  }

  close(): void {
    this.#wake();
  }

  #wake(): void {
    this.#count++;
    const waiters = this.#waiters;
    if (waiters.size === 0) return;
    this.#waiters = new Set();
    for (const waiter of waiters) waiter();
  }
}
