import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram, median, quantile } from './statistics.ts';

describe('statistics', () => {
  it('takes medians and quantiles between ranks', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.9)).toBe(9);
    expect(median([])).toBeNaN();
  });

  it('keeps every latency within two percent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60_000_000 }), (us) => {
        const histogram = new LatencyHistogram();
        histogram.record(us);
        expect(Math.abs(histogram.at(0.5) - us) / us).toBeLessThan(0.02);
      }),
    );
  });

  it('finds the tail of a mixture', () => {
    const histogram = new LatencyHistogram();
    for (let i = 0; i < 990; i++) histogram.record(100);
    for (let i = 0; i < 10; i++) histogram.record(5_000);
    const { p50, p99, p999, max } = histogram.summary();
    expect(p50).toBe(100);
    expect(p99).toBe(100);
    expect(Math.abs(p999 - 5_000)).toBeLessThan(100);
    expect(max).toBe(5_000);
  });
});
