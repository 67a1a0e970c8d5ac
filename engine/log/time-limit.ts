/**
 * How long a release may wait for a segment store behind a network, which may answer late or never. Whoever asked gets a
 * failure when the time is over. The work cannot be taken back then: it looks here before each further step.
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { SegmentsUnavailable } from '../ports.ts';

export class TimeLimit {
  readonly #clock: Clock;
  readonly #over: Promise<never>;
  #fail: (failure: SegmentsUnavailable) => void = () => undefined;
  #failure: SegmentsUnavailable | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#over = new Promise((_, reject) => (this.#fail = reject));
    // Without a timer nobody waits for it.
    this.#over.catch(() => undefined);
  }

  /** From now on. Takes the place of an earlier limit, unless that one is over. */
  set(ms: number, what: string): void {
    this.check();
    this.#timer?.cancel();
    this.#timer = this.#clock.after(ms, () => {
      this.#failure = new SegmentsUnavailable(`${what} took longer than ${ms} ms`);
      this.#fail(this.#failure);
    });
  }

  /** Throws when the time is over. */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Settles as `work` does, or fails when the time is over. */
  async within<T>(work: Promise<T>): Promise<T> {
    try {
      return await Promise.race([work, this.#over]);
    } finally {
      this.#timer?.cancel();
    }
  }
}
