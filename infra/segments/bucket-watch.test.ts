import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { bucketTrouble } from './bucket-watch.ts';

it('tells the last answer of the service, and asks it every 10 s at most', async () => {
  const clock = manualClock();
  let probes = 0;
  let failure: Error | undefined = new Error('no credentials');
  const trouble = bucketTrouble(clock, async () => {
    probes++;
    if (failure) throw failure;
  });
  expect(await trouble()).toBe('no credentials');
  failure = undefined;
  await clock.advance(9_000);
  expect([await trouble(), probes]).toEqual(['no credentials', 1]);
  await clock.advance(1_000);
  expect([await trouble(), probes]).toEqual([undefined, 2]);
});

it('waits two seconds for a service that does not answer, asks it once, and says for how long', async () => {
  const clock = manualClock();
  let probes = 0;
  const trouble = bucketTrouble(clock, () => {
    probes++;
    return new Promise(() => undefined);
  });
  const asked = trouble();
  await clock.advance(2_001);
  expect(await asked).toBe('segments: the bucket has not answered for 2 s');
  await clock.advance(60_000);
  const again = trouble();
  await clock.advance(2_001);
  expect([await again, probes]).toEqual(['segments: the bucket has not answered for 64 s', 1]);
});
