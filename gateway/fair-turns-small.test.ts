import { expect, it } from 'vitest';
import { manualClock } from '../engine/kernel/manual-clock.ts';
import { FairTurns } from './fair-turns.ts';

const turnMs = 4;

function world() {
  let [nowMs, clockReads, turnsAsked] = [1_000, 0, 0];
  const clock = {
    ...manualClock(),
    monotonicMs: () => {
      clockReads++;
      return nowMs;
    },
    endOfTurn: () => void turnsAsked++,
  };
  const turns = new FairTurns(clock, turnMs);
  return {
    turns,
    /** Requests of one turn, each of which takes `ms` when it may begin. Returns how many began. */
    burst: (clusterId: string, count: number, ms: number): number => {
      const beganMs = nowMs;
      let begun = 0;
      for (let i = 0; i < count; i++) {
        if (!turns.mayBeginSmall(clusterId, beganMs)) continue;
        begun++;
        nowMs += ms;
      }
      return begun;
    },
    pass: (ms: number): void => void (nowMs += ms),
    clockReads: () => clockReads,
    turnsAsked: () => turnsAsked,
  };
}

it('a cluster that is alone never waits, and costs no clock reading and no turn', () => {
  const { burst, clockReads, turnsAsked, pass } = world();
  expect(burst('a', 10_000, 0.05)).toBe(10_000);
  expect([clockReads(), turnsAsked()]).toEqual([0, 0]);
  // The other was here too long ago.
  burst('b', 1, 0.05);
  pass(100_000);
  burst('a', 1, 0.05);
  pass(100_000);
  expect(burst('a', 10_000, 0.05)).toBe(10_000);
  expect([clockReads(), turnsAsked()]).toEqual([0, 0]);
});

it('beside another a cluster waits when it has used its share, and the other does not', () => {
  const { burst, turnsAsked } = world();
  burst('b', 1, 0.05);
  const begun = burst('a', 10_000, 0.05);
  // Those that are counted together may go beyond the share together.
  expect(begun).toBeGreaterThanOrEqual(turnMs / 0.05);
  expect(begun).toBeLessThanOrEqual(turnMs / 0.05 + 16);
  expect(turnsAsked()).toBe(1);
  expect(burst('b', 20, 0.05)).toBe(20);
});

it('requests of two clusters that arrive in turn are counted for the one that each is of', () => {
  const { burst, turns } = world();
  for (let i = 0; i < 50; i++) {
    burst('a', 1, 0.05);
    burst('b', 1, 0.05);
  }
  expect([turns.mustWait('a'), turns.mustWait('b')]).toEqual([false, false]);
});

it('time that something else took between them is nobody’s', () => {
  const { burst, pass, turns } = world();
  burst('b', 1, 0.05);
  for (let i = 0; i < 16; i++) {
    turns.mayBeginSmall('a', 2_000);
    pass(100);
  }
  expect(turns.mustWait('a')).toBe(false);
});
