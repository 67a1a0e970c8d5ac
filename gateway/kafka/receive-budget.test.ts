import { expect, it } from 'vitest';
import { Overloaded } from '../../engine/kernel/failure.ts';
import { countedBytes, ReceiveBudget } from './receive-budget.ts';

it('takes up to its bytes, refuses without taking, and takes again what is given back', () => {
  const budget = new ReceiveBudget(100);
  budget.take(60);
  expect(() => budget.take(41)).toThrow(Overloaded);
  expect(budget.takenBytes).toBe(60);
  budget.take(40);
  budget.give(60);
  budget.take(60);
  expect(budget.takenBytes).toBe(100);
});

it('counts no small frame, and a large one in full', () => {
  expect(countedBytes(64 * 1024)).toBe(0);
  expect(countedBytes(64 * 1024 + 1)).toBe(64 * 1024 + 1);
});
