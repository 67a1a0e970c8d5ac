import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { ChangeFeed } from './change-feed.ts';

it('survives a store that cannot be read for a while, and misses nothing', async () => {
  const clock = manualClock();
  const key = { pk: 'p', sk: 's' };
  const row = { ...key, version: 1, value: 'v' };
  let isBroken = false;
  let lastSequence = 0;
  const went: unknown[] = [];
  const log = {
    renewSnapshot: () => undefined,
    state: () => {
      if (isBroken) throw new Error('MDB_PANIC');
      return { firstSequence: 1, lastSequence, window: 0, windowOpenedMs: 0 };
    },
    changes: (from: number) => [{ sequence: from, key }],
    row: () => row,
    went: (failure: unknown) => void went.push(failure),
  };
  const feed = new ChangeFeed(log, clock, 100);
  const seen: unknown[] = [];
  feed.watch('p', (change) => seen.push(change));
  isBroken = true;
  lastSequence = 1;
  await clock.advance(250);
  expect(seen).toEqual([]);
  expect(went.at(-1)).toBeInstanceOf(Error);
  isBroken = false;
  await clock.advance(100);
  expect(seen).toEqual([{ key, row }]);
  expect(went.at(-1)).toBeUndefined();
  feed.close();
});
