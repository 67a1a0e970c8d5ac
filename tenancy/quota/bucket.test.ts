import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bucket, fullBucket, isFull, peek, type Rate, rateOf, take, takeWithin } from './bucket.ts';

const unitsPerSecond = fc.integer({ min: 1, max: 1_000_000 });
const burstSeconds = fc.constantFrom(0.1, 1, 2, 10);
/** How long after it might have come a caller comes, and with what. */
const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 1, max: 100_000 })), {
  minLength: 1,
  maxLength: 60,
});

describe('token bucket', () => {
  it('admits at most rate * W + burst + one request in any window, for a caller that waits', () => {
    fc.assert(
      fc.property(unitsPerSecond, burstSeconds, steps, (perSecond, burst, requests) => {
        const rate = rateOf(perSecond, burst);
        const bucket = fullBucket();
        const admitted: { atMs: number; cost: number }[] = [];
        let nowMs = 1000;
        for (const [pauseMs, cost] of requests) {
          nowMs += pauseMs;
          admitted.push({ atMs: nowMs, cost });
          nowMs += take(bucket, rate, cost, nowMs);
        }
        for (let from = 0; from < admitted.length; from++) {
          let sum = 0;
          for (let to = from; to < admitted.length; to++) {
            sum += admitted[to]!.cost;
            const windowMs = admitted[to]!.atMs - admitted[from]!.atMs;
            const bound = (perSecond * windowMs) / 1000 + perSecond * burst + admitted[to]!.cost;
            expect(sum).toBeLessThanOrEqual(bound * (1 + 1e-9) + 1e-3);
          }
        }
      }),
    );
  });

  it('agrees with a bucket that is refilled step by step', () => {
    fc.assert(
      fc.property(unitsPerSecond, burstSeconds, steps, (perSecond, burst, requests) => {
        const rate = rateOf(perSecond, burst);
        const bucket = fullBucket();
        let tokens = perSecond * burst;
        let nowMs = 1000;
        for (const [pauseMs, cost] of requests) {
          nowMs += pauseMs;
          tokens = Math.min(perSecond * burst, tokens + (pauseMs * perSecond) / 1000) - cost;
          const delayMs = take(bucket, rate, cost, nowMs);
          const modelMs = tokens >= 0 ? 0 : (-tokens * 1000) / perSecond;
          expect(Math.abs(delayMs - modelMs)).toBeLessThan(0.01 + modelMs * 1e-6);
        }
      }),
    );
  });

  it('peek charges nothing and returns what take left', () => {
    fc.assert(
      fc.property(unitsPerSecond, fc.nat(1_000_000), fc.nat(10_000), (perSecond, cost, laterMs) => {
        const rate = rateOf(perSecond, 1);
        const bucket = fullBucket();
        const delayMs = take(bucket, rate, cost, 5000);
        expect(peek(bucket, rate, 5000)).toBe(delayMs);
        expect(peek(bucket, rate, 5000)).toBe(delayMs);
        expect(peek(bucket, rate, 5000 + laterMs)).toBeCloseTo(Math.max(0, delayMs - laterMs), 2);
      }),
    );
  });

  it('takeWithin without waiting takes the whole burst and not one more', () => {
    for (const perSecond of [1, 3, 7, 100, 999]) {
      const rate = rateOf(perSecond, 1);
      const bucket = fullBucket();
      let taken = 0;
      while (taken < 2000 && takeWithin(bucket, rate, 1, 123_456.789, 0) === 0) taken++;
      expect(taken).toBe(perSecond);
      // A refusal costs nothing: one unit's time later there is one unit.
      expect(takeWithin(bucket, rate, 1, 123_456.789 + 1000 / perSecond, 0)).toBe(0);
    }
  });

  it('has no debt without a rate', () => {
    const rate: Rate = rateOf(Infinity, 1);
    const bucket: Bucket = fullBucket();
    expect(take(bucket, rate, Number.MAX_VALUE, 1)).toBe(0);
    expect(peek(bucket, rate, 1)).toBe(0);
    expect(isFull(bucket, rate, 1)).toBe(true);
  });

  it('is full again after debt and burst are refilled', () => {
    const rate = rateOf(100, 2);
    const bucket = fullBucket();
    expect(take(bucket, rate, 300, 0)).toBe(1000);
    expect(isFull(bucket, rate, 2999)).toBe(false);
    expect(isFull(bucket, rate, 3000)).toBe(true);
  });
});
