import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { DiskFault, type SegmentStore, SegmentsUnavailable } from '../../engine/ports.ts';
import { tellOutages } from './tell-outages.ts';

it('reports a store that stops answering, once a minute, and when it answers again', async () => {
  const clock = manualClock();
  const told: string[] = [];
  let failure: Error | undefined;
  const answer = async (): Promise<void> => {
    if (failure) throw failure;
  };
  const store = tellOutages(
    {
      create: () => ({ write: answer, commit: answer, abort: () => undefined }),
      open: () => ({
        sizeBytes: () => answer().then(() => 1),
        read: () => answer().then(() => 1),
        close: () => undefined,
      }),
      remove: answer,
      list: () => answer().then(() => []),
      nameOf: (fileId) => fileId,
    } as SegmentStore,
    clock,
    (text) => told.push(text),
  );
  const commit = (): Promise<unknown> =>
    store
      .create('a')
      .commit()
      .catch((error: unknown) => error);
  await commit();
  // One file that is gone is no outage.
  failure = new DiskFault('gone');
  expect(await commit()).toBe(failure);
  expect(told).toEqual([]);

  failure = new SegmentsUnavailable('put s3://b/a: refused');
  expect(await commit()).toBe(failure);
  await expect(store.open('a').read(Buffer.alloc(1), 0)).rejects.toBe(failure);
  await clock.advance(59_000);
  await commit();
  expect(told).toEqual(['the segment store cannot be reached; retrying until it answers: put s3://b/a: refused']);
  await clock.advance(2_000);
  await commit();
  expect(told).toHaveLength(2);
  failure = undefined;
  await store.open('a').read(Buffer.alloc(1), 0);
  await store.list();
  await commit();
  expect(told.slice(2)).toEqual(['the segment store answers again, after 61 s']);
});
