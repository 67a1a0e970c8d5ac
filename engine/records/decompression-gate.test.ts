import { expect, it } from 'vitest';
import { Overloaded } from '../kernel/failure.ts';
import { DecompressionGate } from './decompression-gate.ts';

function work(): { done: (value: number) => void; start: () => Promise<number>; started: boolean } {
  let done: (value: number) => void = () => undefined;
  const promise = new Promise<number>((resolve) => (done = resolve));
  const each = { done, started: false, start: () => ((each.started = true), promise) };
  return each;
}

it('admits what fits, in order, and nothing ahead of what waits', async () => {
  const gate = new DecompressionGate(100, 10);
  const [first, large, small] = [work(), work(), work()];
  const results = [gate.pass(60, first.start), gate.pass(60, large.start), gate.pass(10, small.start)];
  expect([first.started, large.started, small.started]).toEqual([true, false, false]);
  first.done(1);
  await results[0];
  await Promise.resolve();
  expect([large.started, small.started]).toEqual([true, true]);
  large.done(2);
  small.done(3);
  expect(await Promise.all(results)).toEqual([1, 2, 3]);
});

it('counts a request above the whole limit as the whole limit, and releases failed ones', async () => {
  const gate = new DecompressionGate(100, 10);
  await expect(gate.pass(1_000, () => Promise.reject(new Error('corrupt')))).rejects.toThrow('corrupt');
  expect(await gate.pass(100, () => Promise.resolve(7))).toBe(7);
});

it('lets the owners of what waits take turns, and refuses one alone that has half of the places', async () => {
  const gate = new DecompressionGate(100, 8);
  const entered: string[] = [];
  const pass = (owner: string): Promise<void> => gate.pass(60, async () => void entered.push(owner), owner);
  const passed = ['a', 'a', 'a', 'a', 'a'].map(pass);
  const refused = expect(pass('a')).rejects.toThrow(Overloaded);
  passed.push(pass('b'), pass('c'));
  await refused;
  await Promise.all(passed);
  expect(entered).toEqual(['a', 'a', 'b', 'c', 'a', 'a', 'a']);
});

it('refuses a caller when too many wait', async () => {
  const gate = new DecompressionGate(100, 1);
  const [first, second] = [work(), work()];
  const results = [gate.pass(100, first.start), gate.pass(1, second.start)];
  await expect(gate.pass(1, () => Promise.resolve(3))).rejects.toThrow(Overloaded);
  first.done(1);
  second.done(2);
  expect(await Promise.all(results)).toEqual([1, 2]);
});
