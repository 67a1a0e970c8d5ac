import { expect, it } from 'vitest';
import { clockOf, EventLoop } from './event-loop.ts';

it('lets time pass for a wait shorter than its numbers can represent', async () => {
  const loop = new EventLoop();
  const clock = clockOf(loop, undefined);
  await loop.run(4732.4276847107385);
  const deadlineMs = clock.monotonicMs() + 1e-12;
  let waits = 0;
  const wait = (): void => {
    waits++;
    if (clock.monotonicMs() <= deadlineMs && waits < 100) clock.after(deadlineMs - clock.monotonicMs(), wait);
  };
  wait();
  await loop.run(loop.nowMs + 1);
  expect(waits).toBe(2);
});

it('does not spin for ever with a world that does', async () => {
  const loop = new EventLoop();
  const again = (): void => void loop.schedule(0, again);
  again();
  await expect(loop.run(loop.nowMs + 1)).rejects.toThrow('time goes on');
}, 20_000);
