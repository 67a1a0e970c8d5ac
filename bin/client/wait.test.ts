import { expect, it } from 'vitest';
import { Interrupted } from '../command-failure.ts';
import { waitMs } from './wait.ts';

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

it('a pause that Ctrl-C ends does not keep the process alive', async () => {
  const abort = new AbortController();
  const before = timers();
  const waiting = waitMs(60_000, abort.signal);
  expect(timers()).toBe(before + 1);
  abort.abort();
  expect(timers()).toBe(before);
  await expect(waiting).rejects.toBeInstanceOf(Interrupted);
  await expect(waitMs(60_000, abort.signal)).rejects.toBeInstanceOf(Interrupted);
  await waitMs(1, new AbortController().signal);
});
