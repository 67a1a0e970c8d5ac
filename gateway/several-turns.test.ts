import { expect, it } from 'vitest';
import { Lanes } from '../engine/kernel/lanes.ts';
import { manualClock } from '../engine/kernel/manual-clock.ts';
import { FairTurns } from './fair-turns.ts';
import { oneByOne, overTurns } from './several-turns.ts';

const items = Array.from({ length: 1_250 }, (_, i) => i);

/** Counts the turn ends that were requested. */
function turns() {
  const clock = manualClock();
  const counted = { ends: 0 };
  const endOfTurn = (fn: () => void): void => {
    counted.ends++;
    clock.endOfTurn(fn);
  };
  return { counted, settle: () => clock.settle(), clock: { ...clock, endOfTurn } };
}

it('shows few items at once, and many over several turns, two answers at a time', async () => {
  const { clock, counted, settle } = turns();
  const pieces = {
    unitsOf: () => 10,
    unitsPerTurnMax: 5_000,
    lanes: new Lanes(2),
    turns: new FairTurns(clock, 4),
    clusterId: 'a',
  };
  expect(await overTurns(items.slice(0, 500), pieces, (i) => i)).toEqual(items.slice(0, 500));
  expect(counted.ends).toBe(0);
  let begun = 0;
  const answers = [1, 2, 3].map(() => overTurns(items, pieces, (i) => (i === 0 ? ++begun - begun : i)));
  expect(begun).toBe(0);
  await settle();
  expect(await Promise.all(answers)).toEqual([items, items, items]);
  expect(begun).toBe(3);
});

it('changes one after the other, and lets others be served in between', async () => {
  const { clock, counted, settle } = turns();
  let under = 0;
  const outcomes = oneByOne(clock, items, async (i) => {
    expect(++under).toBe(1);
    await Promise.resolve();
    under--;
    return i;
  });
  await settle();
  expect(await outcomes).toEqual(items);
  expect(counted.ends).toBe(2);
});
