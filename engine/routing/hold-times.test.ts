import { expect, it } from 'vitest';
import { HoldTimes } from './hold-times.ts';

it('hold times end after lasting failures, and start over after a success or a pause', () => {
  const holds = new HoldTimes(100);
  expect(holds.failed('a', 0, 50)).toBe(false);
  expect(holds.failed('a', 40, 50)).toBe(false);
  expect(holds.failed('a', 50, 50)).toBe(true);
  expect(holds.failed('a', 60, 50)).toBe(true);
  holds.succeeded('a');
  expect(holds.failed('a', 70, 50)).toBe(false);
  expect(holds.failed('a', 171, 50)).toBe(false);
  expect(holds.failed('a', 221, 50)).toBe(true);
});

it('hold times of partitions that nobody asks for are dropped', () => {
  const holds = new HoldTimes(100);
  for (let i = 0; i < 1_000; i++) holds.failed(`deleted ${i}`, i, 50);
  // What still fails is younger than what was asked for after it, and no longer is.
  holds.failed('deleted 950', 1_000, 50);
  holds.failed('b', 1_051, 50);
  expect(holds.count).toBe(1_000 - 951 + 1 + 1);
});
