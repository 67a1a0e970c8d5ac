/** A pause that Ctrl-C ends. */
import { sleep, systemClock } from '../../engine/kernel/clock.ts';
import { Interrupted } from '../command-failure.ts';

/** Throws Interrupted. */
export async function waitMs(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new Interrupted();
  let stop = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  await Promise.race([sleep(systemClock, delayMs), aborted]);
  signal.removeEventListener('abort', stop);
  if (signal.aborted) throw new Interrupted();
}
