/** Seeded worlds as part of `npm test`: the ones that failed once, and two of every scenario. `npm run sim` runs thousands more. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Fault, scenarios } from '../../infra/simulator/fault-plan.ts';
import { simulate } from '../../infra/simulator/simulate.ts';
import { story } from '../../infra/simulator/story.ts';

interface Once {
  readonly seed: number;
  readonly scenario: string;
  readonly steps?: number;
  /** Instead of drawn ones: a plan that was shrunk outlives changes of what seeds draw. */
  readonly faults?: readonly Fault[];
  readonly found: string;
}

const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as Once[];
const names = ['mixed', ...Object.keys(scenarios)];

describe('simulated worlds', () => {
  it.each(['mixed', 'parents', 'controllers', 'missed'])(
    'of %s have the same history for the same seed',
    async (scenario) => {
      const [first, second] = [await simulate({ seed: 11, scenario }), await simulate({ seed: 11, scenario })];
      expect(first.hash()).toBe(second.hash());
      expect(first.events).toBe(second.events);
      expect((await simulate({ seed: 12, scenario })).hash()).not.toBe(first.hash());
    },
    60_000,
  );

  it('begun before another one has ended wait for it, and leave nothing behind', async () => {
    const listeners = process.listeners('unhandledRejection');
    const together = await Promise.all([simulate({ seed: 12 }), simulate({ seed: 11 })]);
    expect(process.listeners('unhandledRejection')).toEqual(listeners);
    const alone = [await simulate({ seed: 12 }), await simulate({ seed: 11 })];
    expect(together.map((one) => one.hash())).toEqual(alone.map((one) => one.hash()));
  }, 60_000);

  it.each(corpus)(
    'seed $seed of $scenario, which once found: $found',
    async ({ seed, scenario, steps, faults }) => {
      const result = await simulate({ seed, scenario, steps, ...(faults ? { faults } : {}) });
      expect(result.anomalies, story(result)).toEqual([]);
    },
    60_000,
  );

  // A test each: on a busy machine all of them together take minutes.
  it.each(
    Array.from({ length: names.length * 2 }, (_, i) => ({ seed: i + 1, scenario: names[(i + 1) % names.length]! })),
  )(
    'seed $seed of $scenario, a random one, shows nothing wrong',
    async ({ seed, scenario }) => {
      const result = await simulate({ seed, scenario });
      expect(result.anomalies, story(result)).toEqual([]);
    },
    60_000,
  );
});
