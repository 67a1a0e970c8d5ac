/**
 * V8 optimizes nothing while partitions change hands after a death. What runs then (recovery at the parent, opening a thousand
 * logs at their new owners) has not run for long or never, so V8 sets about compiling it for speed, on threads of its own that take
 * the cores from the very work for which clients wait, and is done when the work is. docs/adr/0012-no-optimizing-in-a-failover.md
 */
import { setFlagsFromString } from 'node:v8';
import type { BrokerSession } from '../../engine/controller/rows/broker-session.ts';
import type { Clock } from '../../engine/kernel/clock.ts';

/** V8 compiles for speed what is no longer than this, in bytes of its own bytecode, and looks at the flag each time it is about to. */
export const longestOptimizedFlag = '--max-optimized-bytecode-size';
const none = `${longestOptimizedFlag}=0`;
/** V8's own. */
const usual = `${longestOptimizedFlag}=61440`;

/** From the last news of a death. */
const pauseMs = 1000;
/** Where deaths do not end, slow code is the worse of the two. */
const pauseMsMax = 3000;
const freeMs = 500;

export interface Pause {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** What `last` becomes by a death at `nowMs`: longer, another one, or nothing new. */
export function pauseAt(nowMs: number, last: Pause | undefined): Pause {
  const sinceMs = last && nowMs <= last.untilMs + freeMs ? last.sinceMs : nowMs;
  return { sinceMs, untilMs: Math.min(nowMs + pauseMs, sinceMs + pauseMsMax) };
}

interface Sessions {
  broker(brokerId: number): BrokerSession | undefined;
  onBroker(listener: (brokerId: number) => void): void;
}

/** Of this process, as long as it lives; once is enough, however many brokers are in it. */
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
