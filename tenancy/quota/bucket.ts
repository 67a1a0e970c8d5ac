/**
 * A token bucket that may go into debt, as one number: the time at which the debt is paid (the theoretical arrival time of
 * ATM's GCRA, ITU-T I.371). Against tokens plus a refill time it needs no refill step, cannot overflow its burst by rounding,
 * and asking is a subtraction.
 *
 * The bound: callers that wait for their delay before they come again are admitted at most `rate * W + burst + one request`
 * in any window W, for each caller at once.
 */
export interface Rate {
  /** Milliseconds that one unit takes; 0: no limit. */
  readonly msPerUnit: number;
  /** How far `paidAtMs` may lie behind the present: the burst, in time. */
  readonly burstMs: number;
}

export interface Bucket {
  /** Monotonic. At most the present: no debt; `burstMs` or more behind it: full. */
  paidAtMs: number;
}

/** Below this, a debt is the rounding of a sum: the last request of a burst must not be refused for it. */
const debtMsMin = 0.001;

export function rateOf(unitsPerSecond: number, burstSeconds: number): Rate {
  return unitsPerSecond === Infinity
    ? { msPerUnit: 0, burstMs: 0 }
    : { msPerUnit: 1000 / unitsPerSecond, burstMs: burstSeconds * 1000 };
}

export function fullBucket(): Bucket {
  return { paidAtMs: -Infinity };
}

/** Charges `cost` whatever the bucket holds. Milliseconds until the debt is paid; 0: none. */
export function take(bucket: Bucket, rate: Rate, cost: number, nowMs: number): number {
  if (rate.msPerUnit === 0) return 0;
  const fullAtMs = nowMs - rate.burstMs;
  const from = bucket.paidAtMs > fullAtMs ? bucket.paidAtMs : fullAtMs;
  const paidAtMs = from + cost * rate.msPerUnit;
  bucket.paidAtMs = paidAtMs;
  return paidAtMs > nowMs + debtMsMin ? paidAtMs - nowMs : 0;
}

/**
 * As take, but a debt of more than `waitMsMax` is refused and not charged. Were refusals charged, callers that come again and
 * again would keep the debt up and nobody would get through.
 */
export function takeWithin(bucket: Bucket, rate: Rate, cost: number, nowMs: number, waitMsMax: number): number {
  const before = bucket.paidAtMs;
  const delayMs = take(bucket, rate, cost, nowMs);
  if (delayMs > waitMsMax) bucket.paidAtMs = before;
  return delayMs;
}

/** What the debt is at the moment, charging nothing. */
export function peek(bucket: Bucket, rate: Rate, nowMs: number): number {
  return rate.msPerUnit !== 0 && bucket.paidAtMs > nowMs + debtMsMin ? bucket.paidAtMs - nowMs : 0;
}

/** Nothing would be lost by forgetting it. */
export function isFull(bucket: Bucket, rate: Rate, nowMs: number): boolean {
  return rate.msPerUnit === 0 || bucket.paidAtMs <= nowMs - rate.burstMs;
}
