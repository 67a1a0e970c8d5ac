/**
 * Whether nothing keeps what one process sends from the next one: no cut, no slow or silent connection, nobody that stands still.
 * Until then a gateway tells what it has heard itself: what it asks meanwhile it is not answered, and silence is taken for an answer.
 */

/** For connections to be made anew, and what was held up to be asked again. */
const settleMs = 250;

export class Calm {
  readonly #nowMs: () => number;
  readonly #troubles = new Set<unknown>();
  #untilMs = -Infinity;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  begin(trouble: unknown): void {
    this.#troubles.add(trouble);
  }

  end(trouble: unknown): void {
    if (this.#troubles.delete(trouble)) this.until(this.#nowMs());
  }

  /** What is sent by now arrives then. */
  until(atMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, atMs + settleMs);
  }

  /** Until when what was known somewhere has come to everybody, who hears of it `delayMs` later. */
  heardByMs(delayMs: number): number {
    const isTroubled = this.#troubles.size > 0 || this.#nowMs() < this.#untilMs;
    return isTroubled ? -Infinity : this.#nowMs() - delayMs;
  }
}
