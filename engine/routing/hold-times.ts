/**
 * Since when partitions (or coordinators) have been out of reach, over all readers: the first failure starts the hold
 * time, a success ends it. A failure long after the last one starts it again, because nobody has tried in between.
 */
export class HoldTimes {
  readonly #holdMsMax: number;
  readonly #failing = new Map<string, { sinceMs: number; lastMs: number }>();

  constructor(holdMsMax: number) {
    this.#holdMsMax = holdMsMax;
  }

  /** Notes a failure; true when it has lasted for `heldMsMax`, the hold time or less, and an error has to be given. */
  failed(key: string, nowMs: number, heldMsMax: number): boolean {
    const known = this.#failing.get(key);
    if (!known || nowMs - known.lastMs > this.#holdMsMax) {
      this.#failing.set(key, { sinceMs: nowMs, lastMs: nowMs });
      return false;
    }
    known.lastMs = nowMs;
    return nowMs - known.sinceMs >= heldMsMax;
  }

  succeeded(key: string): void {
    if (this.#failing.size > 0) this.#failing.delete(key);
  }
}
