/** Runs at most so many pieces of work at a time; the others wait in order of arrival. */
export class Lanes {
  readonly #max: number;
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    // Finished work passes its lane on, so a newcomer cannot slip in between.
    if (this.#busy >= this.#max) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#busy++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#busy--;
    }
  }
}
