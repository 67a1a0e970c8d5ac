import { expect, it } from 'vitest';
import { bucketBoundsMs, Durations } from './durations.ts';

it('counts each duration in the first bucket that holds it', () => {
  const durations = new Durations();
  for (const ms of [0, 1, 1.1, 10_000, 10_001, 60_000]) durations.record(ms);
  const counts = Array<number>(bucketBoundsMs.length + 1).fill(0);
  counts[0] = 2;
  counts[1] = 1;
  counts[bucketBoundsMs.length - 1] = 1;
  counts[bucketBoundsMs.length] = 2;
  expect([...durations.counts]).toEqual(counts);
  expect(durations.sumMs).toBe(80_003.1);
});
