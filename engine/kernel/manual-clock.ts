/** A clock that moves only when told to, so tests of leases, timeouts and long polls take no time and always run the same way. */
import { assert } from './assert.ts';
import type { Clock } from './clock.ts';

export interface ManualClock extends Clock {
  /** Runs the timers due within `ms`, in order of time and then of creation, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Lets promises and end-of-turn work settle without moving the time. */
  settle(): Promise<void>;
  /** Moves the wall clock; the monotonic clock stays. */
  jumpWall(ms: number): void;
}

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly fn: () => void;
}

/** Monotonic time starts at 1,000 ms, so that a zero left in a field stands out. */
export function manualClock(wallStartMs = 1_700_000_000_000): ManualClock {
  let monotonicMs = 1000;
  let wallOffsetMs = wallStartMs - monotonicMs;
  let order = 0;
  const timers = new Set<Pending>();
  const turn: (() => void)[] = [];

  const settle = async (): Promise<void> => {
    do {
      for (const fn of turn.splice(0)) fn();
      // A macrotask of the real loop: every microtask that is ready runs before it.
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (turn.length > 0);
  };
  const nextDue = (untilMs: number): Pending | undefined => {
    let next: Pending | undefined;
    for (const timer of timers) {
      if (timer.atMs > untilMs) continue;
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer;
    }
    return next;
  };

  return {
    // The wall clock has whole milliseconds, like Date.now; the monotonic clock has fractions, like the real one.
    wallMs: () => Math.floor(monotonicMs + wallOffsetMs),
    monotonicMs: () => monotonicMs,
    after(delayMs, fn) {
      const timer = { atMs: monotonicMs + Math.max(0, delayMs), order: order++, fn };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    endOfTurn: (fn) => void turn.push(fn),
    settle,
    jumpWall(ms) {
      wallOffsetMs += ms;
    },
    async advance(ms) {
      assert(ms >= 0, 'time never falls');
      const untilMs = monotonicMs + ms;
      await settle();
      for (let due = nextDue(untilMs); due; due = nextDue(untilMs)) {
        timers.delete(due);
        monotonicMs = Math.max(monotonicMs, due.atMs);
        due.fn();
        await settle();
      }
      monotonicMs = untilMs;
    },
  };
}
