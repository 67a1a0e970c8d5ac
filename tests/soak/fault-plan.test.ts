import { expect, it } from 'vitest';
import { seededRandom } from '../../engine/kernel/random.ts';
import { isPlanned, planFaults } from './fault-plan.ts';

it.each([
  ['one process that is everything', false, 10],
  ['processes apart', true, 16],
])('a seed always draws the same faults, with the requested number of forced ones: %s', (_, isApart, kinds) => {
  const draw = (seed: number) => [...planFaults(seededRandom(seed), 200, 4000, isApart)];
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(7).filter(({ fault }) => !isPlanned(fault))).toHaveLength(200);
  expect(new Set(draw(7).map(({ fault }) => fault.kind)).size).toBe(kinds);
  expect(Math.max(...draw(7).map(({ pauseMs }) => pauseMs))).toBeLessThanOrEqual(4000);
});
