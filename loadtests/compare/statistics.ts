/** Medians, quantiles and a latency histogram for reporting samples; never a mean, which one outlier can dominate. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest ranks. NaN for no samples. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (at - below);
}

/** Microseconds. */
export interface LatencySummary {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Buckets per power of two: a value is known to within 1.6 %. */
const subBuckets = 64;
const powersMax = 26;

/** Counts of microseconds, log-linear: recording costs an array increment, so that the load generator is not the load. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(subBuckets * powersMax);
  #total = 0;
  #maxUs = 0;

  record(us: number): void {
    const whole = us < 1 ? 1 : Math.round(us);
    if (whole > this.#maxUs) this.#maxUs = whole;
    this.#total++;
    const power = Math.max(0, 31 - Math.clz32(whole) - 6);
    const index = Math.min(this.#counts.length - 1, power * subBuckets + (whole >>> power));
    this.#counts[index] = this.#counts[index]! + 1;
  }

  get total(): number {
    return this.#total;
  }

  /** The middle of the bucket in which the share is reached. */
  at(share: number): number {
    let left = Math.ceil(this.#total * share);
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i]!;
      if (left <= 0 && this.#counts[i]! > 0) return Math.min(this.#maxUs, middleOf(i));
    }
    return this.#maxUs;
  }

  summary(): LatencySummary {
    return { p50: this.at(0.5), p99: this.at(0.99), p999: this.at(0.999), max: this.#maxUs };
  }
}

/** Inverse of `record`: bucket i of power p holds the values whose top seven bits are the same. */
function middleOf(index: number): number {
  if (index < subBuckets * 2) return index;
  const power = Math.floor(index / subBuckets) - 1;
  const value = (index - power * subBuckets) * 2 ** power;
  return value + (2 ** power - 1) / 2;
}
