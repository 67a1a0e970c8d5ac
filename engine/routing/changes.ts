/**
 * The moment at which it is worth asking again: a placement, a broker or a link has changed, or the pause is over. For
 * requests that are few and far between; appends and fetches have their own wake-ups.
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

  /** Grows with every change. */
  get count(): number {
    return this.#count;
  }

  /**
   * Resolves at the first change after `seen`, at the latest after `waitMsMax`. The count is taken before looking at the
   * catalogue and the links, because what one looks for may come between the look and the wait.
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
