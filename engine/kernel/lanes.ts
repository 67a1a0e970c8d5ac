/**
 * Runs at most so many pieces of work at a time. The owners of those that wait take turns, and the work of each begins in
 * order of arrival.
 */
export class Lanes {
  readonly #max: number;
  #busy = 0;
  /** By owner, in the order of their turns; none is empty. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(work: () => Promise<T>, owner = ''): Promise<T> {
    // Finished work passes its lane on, so a newcomer cannot slip in between.
    if (this.#busy >= this.#max) await new Promise<void>((go) => this.#wait(owner, go));
    else this.#busy++;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  #wait(owner: string, go: () => void): void {
    const waiting = this.#waiting.get(owner);
    if (waiting) waiting.push(go);
    else this.#waiting.set(owner, [go]);
  }

  #next(): void {
    for (const [owner, waiting] of this.#waiting) {
      this.#waiting.delete(owner);
      const go = waiting.shift()!;
      if (waiting.length > 0) this.#waiting.set(owner, waiting);
      go();
      return;
    }
    this.#busy--;
  }
}
