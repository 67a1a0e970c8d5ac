/** How long requests take: counts per bucket, as Prometheus wants histograms. Recording one costs a few comparisons. */

/** Upper bounds; the last bucket has none. */
export const bucketBoundsMs = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000] as const;

export class Durations {
  /** One more than there are bounds. Not cumulative. */
  readonly counts = new Float64Array(bucketBoundsMs.length + 1);
  #sumMs = 0;

  get sumMs(): number {
    return this.#sumMs;
  }

  record(ms: number): void {
    let bucket = 0;
    while (bucket < bucketBoundsMs.length && ms > bucketBoundsMs[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.#sumMs += ms;
  }
}
