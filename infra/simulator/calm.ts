/**
 * Since when nothing keeps what one process sends from the next one: no cut, no slow or silent connection, nobody that stands still.
 * What was told through one gateway while it lasts another may hear of when it is over.
 */

/** For connections to be made anew, and what was held up to be asked again. */
const settleMs = 250;

export class Calm {
  readonly #nowMs: () => number;
  readonly #troubles = new Set<unknown>();
  #sinceMs = 0;
  #untilMs = -Infinity;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  begin(trouble: unknown): void {
    this.#enter();
    this.#troubles.add(trouble);
  }

  end(trouble: unknown): void {
    if (!this.#troubles.has(trouble)) return;
    this.until(this.#nowMs());
    this.#troubles.delete(trouble);
  }

  /** What is sent by now arrives then. */
  until(atMs: number): void {
    this.#enter();
    this.#untilMs = Math.max(this.#untilMs, atMs + settleMs);
  }

  #enter(): void {
    if (!this.#isTroubled) this.#sinceMs = this.#nowMs();
  }

  get #isTroubled(): boolean {
    return this.#troubles.size > 0 || this.#nowMs() < this.#untilMs;
  }

  /** What was known somewhere this long ago has come to everybody. */
  heardByMs(delayMs: number): number {
    return (this.#isTroubled ? this.#sinceMs : this.#nowMs()) - delayMs;
  }
}
