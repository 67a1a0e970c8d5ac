/**
 * Since when partitions have been unreachable, over all readers. The first failure starts the hold time, and a success
 * ends it. A failure long after the last one restarts it, because nobody tried in between.
 */
export class HoldTimes {
  readonly #holdMsMax: number;
  /** Ordered by last failure, oldest first. */
  readonly #failing = new Map<string, { readonly sinceMs: number; readonly lastMs: number }>();

  constructor(holdMsMax: number) {
    this.#holdMsMax = holdMsMax;
  }

  get count(): number {
    return this.#failing.size;
  }

  /** Notes a failure. True when failures have lasted for `heldMsMax` (the hold time or less) and an error is due. */
  failed(key: string, nowMs: number, heldMsMax: number): boolean {
    this.#forgetOld(nowMs);
    const sinceMs = this.#failing.get(key)?.sinceMs ?? nowMs;
    this.#failing.delete(key);
    this.#failing.set(key, { sinceMs, lastMs: nowMs });
    return sinceMs < nowMs && nowMs - sinceMs >= heldMsMax;
  }

  succeeded(key: string): void {
    if (this.#failing.size > 0) this.#failing.delete(key);
  }

  /** A deleted topic never reports a success. */
  #forgetOld(nowMs: number): void {
    for (const [key, { lastMs }] of this.#failing) {
      if (nowMs - lastMs <= this.#holdMsMax) return;
      this.#failing.delete(key);
    }
  }
}
