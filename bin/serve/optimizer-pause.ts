/**
 * V8 optimizes nothing while partitions change hands after a death. The code that runs then (recovery at the parent,
 * opening a thousand logs at their new owners) has not run for long or ever, so V8 starts to optimize it, on its own
 * threads. They take the cores from the very work that clients wait for, and finish when that work does.
 * docs/adr/0012-no-optimizing-in-a-failover.md
 */
import { setFlagsFromString } from 'node:v8';
import type { BrokerSession } from '../../engine/controller/rows/broker-session.ts';
import type { Clock } from '../../engine/kernel/clock.ts';

/** V8 optimizes only functions up to this length, in bytes of its bytecode, and reads the flag each time before it does. */
export const longestOptimizedFlag = '--max-optimized-bytecode-size';
const none = `${longestOptimizedFlag}=0`;
/** V8's own value. */
const usual = `${longestOptimizedFlag}=61440`;

/** Counted from the latest report of a death. */
const pauseMs = 1000;
/** When deaths do not end, slow code is worse than optimizing. */
const pauseMsMax = 3000;
const freeMs = 500;

export interface Pause {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** How a death at `nowMs` changes `last`: extends it, starts a new pause, or nothing. */
export function pauseAt(nowMs: number, last: Pause | undefined): Pause {
  const sinceMs = last && nowMs <= last.untilMs + freeMs ? last.sinceMs : nowMs;
  return { sinceMs, untilMs: Math.min(nowMs + pauseMs, sinceMs + pauseMsMax) };
}

interface Sessions {
  broker(brokerId: number): BrokerSession | undefined;
  onBroker(listener: (brokerId: number) => void): void;
}

/** For this process, as long as it lives; once is enough, however many brokers are in it. */
export function pauseOptimizerInFailovers(sessions: Sessions, clock: Clock): void {
  let pause: Pause | undefined;
  let isPaused = false;
  const look = (): void => {
    const leftMs = (pause?.untilMs ?? 0) - clock.monotonicMs();
    if (leftMs > 0) {
      clock.after(leftMs, look, 'background');
      return;
    }
    isPaused = false;
    setFlagsFromString(usual);
  };
  sessions.onBroker((brokerId) => {
    const state = sessions.broker(brokerId)?.state;
    if (state !== 'fenced' && state !== 'recovered') return;
    const nowMs = clock.monotonicMs();
    pause = pauseAt(nowMs, pause);
    if (isPaused || pause.untilMs <= nowMs) return;
    isPaused = true;
    setFlagsFromString(none);
    look();
  });
}
