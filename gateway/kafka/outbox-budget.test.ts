import { expect, it } from 'vitest';
import { type Debtor, OutboxBudget } from './outbox-budget.ts';

const mebi = 1024 * 1024;
const debtor = (cuts: string[], name: string): Debtor => ({ clientHost: '', cut: () => void cuts.push(name) });

it('closes the longest-idle reader of a cluster that is over its half, and none of another cluster', () => {
  const cuts: string[] = [];
  const budget = new OutboxBudget(100);
  const [a, b, c, other] = ['a', 'b', 'c', 'other'].map((name) => debtor(cuts, name)) as [Debtor, ...Debtor[]] &
    Debtor[];
  budget.owe(other!, 'quiet', 10);
  budget.owe(a, 'loud', 10);
  budget.owe(b!, 'loud', 10);
  // Adding to a debt does not reset its age; a payment does.
  budget.owe(a, 'loud', 20);
  budget.owe(c!, 'loud', 20);
  expect(cuts).toEqual([]);
  budget.owe(c!, 'loud', 25);
  expect(cuts).toEqual(['a']);
  budget.paid(b!, 'loud');
  budget.owe(b!, 'loud', 40);
  expect(cuts).toEqual(['a', 'c']);
  expect(budget.owedBytes).toBe(50);
});

it('closes a reader of the cluster that owes most when all memory is owed, even the one that asks', () => {
  const cuts: string[] = [];
  const budget = new OutboxBudget(100);
  for (const [name, bytes] of [
    ['x', 45],
    ['y', 50],
  ] as const)
    budget.owe(debtor(cuts, name), name, bytes);
  budget.owe(debtor(cuts, 'z'), 'z', 6);
  expect(cuts).toEqual(['y']);
  budget.owe(debtor(cuts, 'large'), 'z', 60);
  expect(cuts).toEqual(['y', 'z', 'large']);
  expect(budget.owedBytes).toBe(45);
});

it('gives less room the more is owed, but never less than a batch', () => {
  const budget = new OutboxBudget(64 * mebi);
  expect(budget.roomFor('a')).toBe(4 * mebi);
  budget.owe(debtor([], ''), 'a', 16 * mebi);
  expect([budget.roomFor('a'), budget.roomFor('b')]).toEqual([2 * mebi, 4 * mebi]);
  budget.owe(debtor([], ''), 'a', 16 * mebi);
  expect(budget.roomFor('a')).toBe(64 * 1024);
});

it('keeps no entry for a connection that has paid', () => {
  const budget = new OutboxBudget(100);
  const one = debtor([], 'one');
  budget.owe(one, 'a', 30);
  budget.owe(one, 'a', 20);
  budget.paid(one, 'a');
  budget.paid(one, 'a');
  expect(budget.owedBytes).toBe(0);
});
