/** How fast the demo sends: a rate that may change on the way, and that applies to each door. */
export class Pace {
  readonly signal: AbortSignal;
  #perSecond: number;
  #due = 0;
  #atMs = Date.now();

  /** `perSecond`: letters of one door. `signal`: to stop early. */
  constructor(perSecond: number, signal: AbortSignal) {
    this.#perSecond = perSecond;
    this.signal = signal;
  }

  /** How many letters the clock allows so far, as if the flights departed one after the other. */
  due(): number {
    const nowMs = Date.now();
    this.#due += ((nowMs - this.#atMs) / 1000) * this.#perSecond;
    this.#atMs = nowMs;
    return Math.floor(this.#due);
  }

  set perSecond(perSecond: number) {
    this.due();
    this.#perSecond = perSecond;
  }
}
