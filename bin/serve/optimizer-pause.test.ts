import { spawnSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import type { BrokerSession } from '../../engine/controller/rows/broker-session.ts';
import { longestOptimizedFlag, type Pause, pauseAt, pauseOptimizerInFailovers } from './optimizer-pause.ts';

it('the flag exists in this V8, and its value is the one that is restored', () => {
  const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8', timeout: 20_000 });
  expect(stdout).toContain(`default: ${longestOptimizedFlag}=61440`);
});

it('the pause lasts from one death to the next, but not for ever', () => {
  expect(pauseAt(0, undefined)).toEqual({ sinceMs: 0, untilMs: 1000 });
  expect(pauseAt(5000, { sinceMs: 0, untilMs: 1000 })).toEqual({ sinceMs: 5000, untilMs: 6000 });
  let pause: Pause | undefined;
  let pausedMs = 0;
  for (let nowMs = 0; nowMs < 70_000; nowMs += 100) {
    pause = pauseAt(nowMs, pause);
    if (pause.untilMs > nowMs) pausedMs += 100;
  }
  expect(pausedMs).toBeGreaterThan(55_000);
  expect(pausedMs).toBeLessThan(62_000);
});

it('the pause keeps V8 from optimizing after a broker was fenced, and then ends', async () => {
  const clock = manualClock();
  let state: BrokerSession['state'] = 'serving';
  let tell: (brokerId: number) => void = () => undefined;
  pauseOptimizerInFailovers(
    { broker: () => ({ state }) as BrokerSession, onBroker: (listener) => (tell = listener) },
    clock,
  );
  state = 'fenced';
  tell(1);
  await clock.advance(500);
  expect(await isOptimized(100)).toBe(false);
  state = 'recovered';
  tell(1);
  await clock.advance(999);
  expect(await isOptimized(100)).toBe(false);
  await clock.advance(1);
  expect(await isOptimized(10_000)).toBe(true);
});

/** Whether V8 optimizes a function that runs hot for so many turns. */
async function isOptimized(turnsMax: number): Promise<boolean> {
  setFlagsFromString('--allow-natives-syntax');
  // A function of its own, which V8 has not seen before.
  // oxlint-disable-next-line typescript/no-implied-eval
  const hot = new Function('n', 'let sum = 0; for (let i = 0; i < n; i++) sum += i % 7; return sum;') as (
    n: number,
  ) => number;
  // oxlint-disable-next-line typescript/no-implied-eval
  const statusOf = new Function('f', 'return %GetOptimizationStatus(f)') as (f: unknown) => number;
  for (let turn = 0; turn < turnsMax; turn++) {
    hot(10_000);
    if ((statusOf(hot) & (1 << 4)) !== 0) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}
