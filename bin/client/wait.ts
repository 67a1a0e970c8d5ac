/** A pause that Ctrl-C ends. */
import { systemClock } from '../../engine/kernel/clock.ts';
import { Interrupted } from '../command-failure.ts';

/** Throws Interrupted. */
export async function waitMs(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new Interrupted();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      // A timer that is left would keep the process alive.
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = systemClock.after(delayMs, end);
    signal.addEventListener('abort', end);
  });
  if (signal.aborted) throw new Interrupted();
}
