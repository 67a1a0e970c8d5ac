import { expect, it } from 'vitest';
import { AssertionFailure } from '../engine/kernel/assert.ts';
import { ClusterShares } from './cluster-shares.ts';

it('gives one cluster at most half, and all clusters together no more than the total', () => {
  const shares = new ClusterShares(100);
  expect(shares.tryTake('a', 30)).toBe(true);
  expect(shares.tryTake('a', 21)).toBe(false);
  expect(shares.tryTake('a', 20)).toBe(true);
  expect(shares.tryTake('b', 40)).toBe(true);
  expect(shares.tryTake('c', 11)).toBe(false);
  expect([shares.held, shares.heldBy('a'), shares.heldBy('c')]).toEqual([90, 50, 0]);
  expect([shares.isFullFor('a'), shares.isFullFor('b'), shares.isFullFor('c')]).toEqual([true, false, false]);
});

it('reuses what is given back, and keeps no entry for a cluster that holds nothing', () => {
  const shares = new ClusterShares(100);
  shares.take('a', 60);
  expect(shares.isFullFor('a')).toBe(true);
  shares.give('a', 20);
  expect(shares.tryTake('a', 10)).toBe(true);
  shares.give('a', 50);
  expect([shares.held, shares.heldBy('a')]).toEqual([0, 0]);
  expect(() => shares.give('a', 1)).toThrow(AssertionFailure);
});
