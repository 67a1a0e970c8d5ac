/** Runs one maintenance task at a time: roll-ups, retention and moves change the same rows and must not interleave. */
import { Overloaded } from '../kernel/failure.ts';

const serialTasksMax = 10_000;

export class Serial {
  #waiting: (() => Promise<unknown>)[] = [];
  #isRunning = false;

  /**
   * Throws Overloaded when too many tasks wait. A failed task does not stop those behind it. An `urgent` task goes before
   * all that wait, because writes stand still until it is done.
   */
  run<T>(task: () => Promise<T>, urgent?: 'urgent'): Promise<T> {
    if (this.#waiting.length >= serialTasksMax) {
      return Promise.reject(new Overloaded('too much log maintenance is waiting'));
    }
    return new Promise<T>((resolve, reject) => {
      // Never in the turn of the call: the caller may be in the middle of a change.
      const work = (): Promise<void> => Promise.resolve().then(task).then(resolve, reject);
      if (urgent) this.#waiting.unshift(work);
      else this.#waiting.push(work);
      if (!this.#isRunning) void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    for (let work = this.#waiting.shift(); work; work = this.#waiting.shift()) await work();
    this.#isRunning = false;
  }
}
