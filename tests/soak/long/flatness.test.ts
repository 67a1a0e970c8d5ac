import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../engine/kernel/random.ts';
import { flatnessOf } from './flatness.ts';

const allowance = { share: 0.1, floor: 5 };
const series = (value: (seconds: number) => number) =>
  Array.from({ length: 600 }, (_, seconds) => ({ seconds, value: value(seconds) }));

describe('flatness', () => {
  it('forgives a warm-up, noise, and a decrease', () => {
    const random = seededRandom(5);
    const noisy = series((s) => Math.min(100, s) + (random.u32() % 40));
    expect(flatnessOf(noisy, 120, allowance).isFlat).toBe(true);
    expect(flatnessOf(noisy, 0, allowance).isFlat).toBe(false);
    expect(
      flatnessOf(
        series((s) => 1000 - s),
        0,
        allowance,
      ).isFlat,
    ).toBe(true);
    expect(flatnessOf([], 0, allowance).isFlat).toBe(true);
  });

  it('finds a leak beside a sawtooth, and reports its slope', () => {
    const leak = flatnessOf(
      series((s) => 50 + (s % 30) + s * 0.1),
      100,
      allowance,
    );
    expect(leak.isFlat).toBe(false);
    expect(leak.slopePerHour).toBeGreaterThan(300);
    expect(leak.slopePerHour).toBeLessThan(420);
  });
});
