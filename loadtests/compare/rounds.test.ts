import { describe, expect, it } from 'vitest';
import type { Bench, Target } from './bench.ts';
import { quietRounds, runRounds } from './rounds.ts';

const bench: Bench = { name: 'b', about: '', unit: 'op' };

describe('rounds', () => {
  it('keeps the quietest two thirds, judged by the noisiest target in each', () => {
    const a = [0.1, 0.9, 0.1].map((noise) => ({ noise }));
    const b = [0.1, 0.1, 0.2].map((noise) => ({ noise }));
    expect(quietRounds([a, b], 3)).toEqual([0, 2]);
  });

  it('alternates targets and takes ratios within rounds', async () => {
    const order: string[] = [];
    let pace = 100;
    const target = (name: string, factor: number): Target => ({
      name,
      processes: {},
      run(seconds) {
        order.push(name);
        // The machine slows down from run to run; the ratio of neighbours stays.
        pace *= name === 'base' ? 0.5 : 1;
        return Promise.resolve({ operations: pace * factor * 1e6, bytes: 0, seconds, cpuSeconds: { server: 1 } });
      },
    });
    const result = await runRounds(bench, [target('base', 1), target('half', 0.5)], 3, 1, () => undefined);
    expect(order).toEqual(['base', 'half', 'base', 'half', 'base', 'half', 'base', 'half']);
    expect(result.targets[1]!.rateToBaseline).toBeCloseTo(0.5);
    expect(result.targets[1]!.cpuToBaseline).toBeCloseTo(2);
  });
});
