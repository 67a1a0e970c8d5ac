import { expect, it } from 'vitest';
import { Overloaded } from '../../engine/kernel/failure.ts';
import { countedBytes, ReceiveBudget } from './receive-budget.ts';

it('takes up to its limit, takes nothing when it refuses, and reuses what is given back', () => {
  const budget = new ReceiveBudget(100);
  budget.take('a', 50);
  budget.take('b', 40);
  expect(() => budget.take('c', 11)).toThrow('of all connections');
  expect(budget.takenBytes).toBe(90);
  budget.give('b', 40);
  budget.take('c', 50);
  expect(budget.takenBytes).toBe(100);
});

it('refuses the frames of a cluster that holds half, and accepts those of others', () => {
  const budget = new ReceiveBudget(100);
  budget.take('loud', 40);
  expect(() => budget.take('loud', 11)).toThrow('of this cluster');
  expect(() => budget.take('loud', 11)).toThrow(Overloaded);
  budget.take('quiet', 50);
  expect(budget.takenBytes).toBe(90);
});

it('does not count small frames, and counts large ones in full', () => {
  expect(countedBytes(64 * 1024)).toBe(0);
  expect(countedBytes(64 * 1024 + 1)).toBe(64 * 1024 + 1);
});
