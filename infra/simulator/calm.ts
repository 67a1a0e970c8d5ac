/**
 * Whether nothing delays messages between processes: no cut, no slow or silent connection, no stopped process. During a
 * delay a gateway reports only what it has heard itself: its requests get no answer, and it counts silence as an
 * answer.
 */

/** Time for connections to be reopened and delayed requests to be repeated. */
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

  /** Everything sent before this time has arrived by then. */
  until(atMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, atMs + settleMs);
  }

  /** Until when a fact known somewhere has reached everybody; every process hears of it within `delayMs`. */
  heardByMs(delayMs: number): number {
    const isTroubled = this.#troubles.size > 0 || this.#nowMs() < this.#untilMs;
    return isTroubled ? -Infinity : this.#nowMs() - delayMs;
  }
}
