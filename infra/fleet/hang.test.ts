import { expect, it } from 'vitest';
import { type HangLook, hangLookIntervalMs, initialHangDetector, judgeHangs } from './hang.ts';

const broker = (brokerId: number, answered: boolean, state?: string, pid = brokerId): HangLook => ({
  brokerId,
  pid,
  answered,
  state,
});

/** Looks every `intervalMs` until somebody hangs; gives who, why and after how many looks. */
function watch(looks: (n: number) => readonly HangLook[], intervalMs: number = hangLookIntervalMs) {
  let detector = judgeHangs(initialHangDetector, looks(0), 1000).detector;
  for (let n = 1; n <= 100; n++) {
    const verdict = judgeHangs(detector, looks(n), 1000 + n * intervalMs);
    detector = verdict.detector;
    if (verdict.hung.length > 0) return { n, hung: verdict.hung };
  }
  return undefined;
}

it('a stopped process counts as hung after a moment, whatever it answered before', () => {
  const found = watch(() => [broker(1, true, 'S'), broker(2, true, 'T')]);
  expect(found).toEqual({ n: 1, hung: [{ brokerId: 2, reason: 'process stopped' }] });
});

it('a process whose main thread sleeps over a question counts as stuck', () => {
  expect(watch(() => [broker(1, false, 'S'), broker(2, true, 'S')])).toMatchObject({
    hung: [{ brokerId: 1, reason: 'event loop stuck' }],
  });
});

it('a process that runs, waits for its disk, or is unknown to the system is left to its lease', () => {
  for (const state of ['R', 'D', undefined]) expect(watch(() => [broker(1, false, state)])).toBeUndefined();
});

it('an answer, or a moment on the processor, restarts the silence', () => {
  expect(watch((n) => [broker(1, n % 8 === 0, 'S')])).toBeUndefined();
  expect(watch((n) => [broker(1, false, n % 8 === 0 ? 'R' : 'S')])).toBeUndefined();
});

it('the silence of one process does not count for its successor', () => {
  expect(watch((n) => [broker(1, false, 'S', n)])).toBeUndefined();
});

it('a late check counts as if it were in time: the observer itself did not check', () => {
  const found = watch(() => [broker(1, false, 'S')], 60_000);
  expect(found!.n).toBeGreaterThanOrEqual(4);
});

it('several processes that fall silent together are not killed, except the stopped ones', () => {
  expect(watch(() => [broker(1, false, 'S'), broker(2, false, 'S')])).toBeUndefined();
  expect(watch(() => [broker(1, false, 'S'), broker(2, false, 'T'), broker(3, false, 'S')])!.hung).toEqual([
    { brokerId: 2, reason: 'process stopped' },
  ]);
});
