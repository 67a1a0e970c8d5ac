import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from './clock.ts';

/** Turns of the event loop, counted by setImmediate. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('endOfTurn', () => {
  it('runs callbacks added during it at the same end, in order, up to a bound', async () => {
    const told: string[] = [];
    let asked = 0;
    const again = (): void => {
      told.push(`again ${asked}`);
      if (++asked < 7) systemClock.endOfTurn(again);
    };
    systemClock.endOfTurn(again);
    systemClock.endOfTurn(() => told.push('beside'));
    setImmediate(() => told.push('the next immediate'));
    await turn();
    expect(told).toEqual(['again 0', 'beside', 'again 1', 'again 2', 'again 3', 'again 4', 'the next immediate']);
    await turn();
    expect(told.slice(-2)).toEqual(['again 5', 'again 6']);
  });

  it('resumes a caller that awaits it in a turn of its own', async () => {
    const told: string[] = [];
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        await new Promise<void>((resolve) => systemClock.endOfTurn(resolve));
        told.push(`slice ${i}`);
      }
    };
    const working = worker();
    setImmediate(() => told.push('the next immediate'));
    await working;
    expect(told).toEqual(['slice 0', 'the next immediate', 'slice 1']);
  });
});

it('a delay beyond the limit of system timers does not end at once', async () => {
  const over: number[] = [];
  const timers = [2 ** 31, Infinity].map((delayMs) => systemClock.after(delayMs, () => over.push(delayMs)));
  // By then a timer of one millisecond has fired.
  await sleep(systemClock, 20);
  for (const timer of timers) timer.cancel();
  expect(over).toEqual([]);
});
