/**
 * The simulator has teeth: every planted bug is found within 200 seeds, most within ten. The search starts at a seed
 * that showed the bug once, and continues with the next ones, because every change in the engine gives each seed
 * another history. A world ends as soon as it has shown the bug.
 */
import { describe, expect, it } from 'vitest';
import { canaries } from '../../infra/simulator/canaries.ts';
import { simulate } from '../../infra/simulator/simulate.ts';

const seedsMax = 200;

it('a world that ends at its anomaly names the first one of the whole world, and leaves nothing to the next', async () => {
  const [canary] = canaries;
  const { scenario, seed = 1 } = canary!;
  const whole = await simulate({ seed, scenario, plant: canary!.plant() });
  const short = await simulate({ seed, scenario, plant: canary!.plant(), endsAtAnomaly: true });
  const again = await simulate({ seed, scenario, plant: canary!.plant() });
  expect(short.anomalies[0]).toEqual(whole.anomalies[0]);
  expect(short.events).toBeLessThan(whole.events);
  expect(again.hash()).toBe(whole.hash());
}, 60_000);

describe('a planted bug is found that', () => {
  it.each(canaries)(
    '$name',
    async (canary) => {
      const { scenario } = canary;
      const first = canary.seed ?? 1;
      for (let seed = first; seed < first + seedsMax; seed++) {
        const { anomalies } = await simulate({ seed, scenario, plant: canary.plant(), endsAtAnomaly: true });
        if (anomalies.length > 0) return;
      }
      expect.fail(`nothing wrong in ${seedsMax} seeds of ${scenario}`);
    },
    300_000,
  );
});
