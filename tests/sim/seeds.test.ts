/** Seeded worlds as part of `npm test`: the ones that failed once, and as many fresh ones as half a minute allows. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { scenarios } from '../../infra/simulator/fault-plan.ts';
import { simulate } from '../../infra/simulator/simulate.ts';
import { story } from '../../infra/simulator/story.ts';

interface Once {
  readonly seed: number;
  readonly scenario: string;
  readonly steps: number;
  readonly found: string;
}

const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as Once[];
const seedsMs = 20_000;

describe('simulated worlds', () => {
  it('repeat themselves: the same seed, the same history', async () => {
    for (const scenario of ['mixed', 'parents', 'controllers']) {
      const [first, second] = [await simulate({ seed: 11, scenario }), await simulate({ seed: 11, scenario })];
      expect(first.hash()).toBe(second.hash());
      expect(first.events).toBe(second.events);
      expect((await simulate({ seed: 12, scenario })).hash()).not.toBe(first.hash());
    }
  }, 60_000);

  it.each(corpus)(
    'seed $seed of $scenario, which once found: $found',
    async ({ seed, scenario, steps }) => {
      const result = await simulate({ seed, scenario, steps });
      expect(result.anomalies, story(result)).toEqual([]);
    },
    60_000,
  );

  it('show nothing wrong in fresh seeds', async () => {
    const names = ['mixed', ...Object.keys(scenarios)];
    const untilMs = systemClock.monotonicMs() + seedsMs;
    for (let seed = 1; systemClock.monotonicMs() < untilMs; seed++) {
      const result = await simulate({ seed, scenario: names[seed % names.length]! });
      expect(result.anomalies, story(result)).toEqual([]);
    }
  }, 120_000);
});
