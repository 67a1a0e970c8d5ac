/**
 * The simulator has teeth: every planted bug is found out. The seeds here find theirs at once, to spare time; that any
 * bug is found within 200 seeds is what `found` was measured by.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canaries } from '../../infra/simulator/canaries.ts';
import { simulate } from '../../infra/simulator/simulate.ts';

/** Name of a canary to the first seed of its scenario that finds it. */
const seeds = JSON.parse(readFileSync(new URL('./canary-seeds.json', import.meta.url), 'utf8')) as Record<
  string,
  number
>;

describe('a planted bug that', () => {
  it.each(canaries)(
    '$name',
    async ({ name, scenario, plant }) => {
      const seed = seeds[name];
      expect(seed, 'a canary has a seed').toBeDefined();
      const result = await simulate({ seed: seed!, scenario, plant: plant() });
      expect(result.anomalies).not.toEqual([]);
    },
    60_000,
  );
});
