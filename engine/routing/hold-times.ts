/**
 * Since when partitions have been out of reach, over all readers: the first failure starts the hold time, a success ends
 * it. A failure long after the last one starts it again, because nobody has tried in between.
 */
export class HoldTimes {
  readonly #holdMsMax: number;
  /** The one that failed longest ago first. */
  readonly #failing = new Map<string, { readonly sinceMs: number; readonly lastMs: number }>();

  constructor(holdMsMax: number) {
    this.#holdMsMax = holdMsMax;
  }

  get count(): number {
    return this.#failing.size;
  }

  /** Notes a failure; true when it has lasted for `heldMsMax`, the hold time or less, and an error has to be given. */
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

  /** Of a topic that was deleted nobody ever tells a success. */
  #forgetOld(nowMs: number): void {
    for (const [key, { lastMs }] of this.#failing) {
      if (nowMs - lastMs <= this.#holdMsMax) return;
      this.#failing.delete(key);
    }
  }
}
