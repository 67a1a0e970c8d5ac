/**
 * A token bucket that may go into debt, stored as one number: the time at which the debt is paid (the theoretical arrival
 * time of ATM's GCRA, ITU-T I.371). Compared with tokens plus a refill time, it needs no refill step, rounding cannot
 * overflow its burst, and a query is one subtraction.
 *
 * The bound: callers that wait for their delay before they come again are admitted at most `rate * W + burst + one request`
 * in any window W, per concurrent caller.
 */
export interface Rate {
  /** Milliseconds that one unit takes; 0 means no limit. */
  readonly msPerUnit: number;
  /** How far `paidAtMs` may lie in the past: the burst, expressed as time. */
  readonly burstMs: number;
}

export interface Bucket {
  /** Monotonic. In the past: no debt; `burstMs` or more in the past: full. */
  paidAtMs: number;
}

/** A debt below this is a rounding error of a sum. The last request of a burst must not be refused because of it. */
const debtMsMin = 0.001;

export function rateOf(unitsPerSecond: number, burstSeconds: number): Rate {
  return unitsPerSecond === Infinity
    ? { msPerUnit: 0, burstMs: 0 }
    : { msPerUnit: 1000 / unitsPerSecond, burstMs: burstSeconds * 1000 };
}

export function fullBucket(): Bucket {
  return { paidAtMs: -Infinity };
}

/** Charges `cost` whatever the bucket holds. Returns the milliseconds until the debt is paid; 0 when there is none. */
export function take(bucket: Bucket, rate: Rate, cost: number, nowMs: number): number {
  if (rate.msPerUnit === 0) return 0;
  const fullAtMs = nowMs - rate.burstMs;
  const from = bucket.paidAtMs > fullAtMs ? bucket.paidAtMs : fullAtMs;
  const paidAtMs = from + cost * rate.msPerUnit;
  bucket.paidAtMs = paidAtMs;
  return paidAtMs > nowMs + debtMsMin ? paidAtMs - nowMs : 0;
}

/**
 * Like take, but a debt of more than `waitMsMax` is refused and not charged. If refusals were charged, callers that retry
 * again and again would keep the debt up, and nobody would get through.
 */
export function takeWithin(bucket: Bucket, rate: Rate, cost: number, nowMs: number, waitMsMax: number): number {
  const before = bucket.paidAtMs;
  const delayMs = take(bucket, rate, cost, nowMs);
  if (delayMs > waitMsMax) bucket.paidAtMs = before;
  return delayMs;
}

/** The current debt; charges nothing. */
export function peek(bucket: Bucket, rate: Rate, nowMs: number): number {
  return rate.msPerUnit !== 0 && bucket.paidAtMs > nowMs + debtMsMin ? bucket.paidAtMs - nowMs : 0;
}

/** Whether the bucket can be forgotten without loss. */
export function isFull(bucket: Bucket, rate: Rate, nowMs: number): boolean {
  return rate.msPerUnit === 0 || bucket.paidAtMs <= nowMs - rate.burstMs;
}
