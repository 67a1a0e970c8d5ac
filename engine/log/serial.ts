/** Runs one maintenance task at a time: roll-ups, retention and moves change the same rows and must not interleave. */
import { Overloaded } from '../kernel/failure.ts';

const serialTasksMax = 10_000;

export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Throws Overloaded when too many tasks wait. A failed task does not stop those behind it. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#waiting >= serialTasksMax) throw new Overloaded('too much log maintenance is waiting');
    this.#waiting++;
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      this.#waiting--;
    }
  }
}
