import { expect, it } from 'vitest';
import { type HeldLock, heldText, isHeldByStopped, judgeHeld, type LockLook, lockLookIntervalMs } from './held-lock.ts';

const at = (commit: bigint, isStopped = false): LockLook => ({ thread: 12, commit, pid: 11, isStopped });

/** The last verdict of looks that come in time, or `passedMs` apart. */
function held(looks: readonly (LockLook | undefined)[], passedMs = lockLookIntervalMs): HeldLock | undefined {
  return looks.reduce<HeldLock | undefined>((before, look) => judgeHeld(before, look, passedMs), undefined);
}
const isStopped = (looks: readonly (LockLook | undefined)[], passedMs?: number): boolean => {
  const found = held(looks, passedMs);
  return found !== undefined && isHeldByStopped(found);
};
const times = (count: number, look: LockLook): LockLook[] => Array.from({ length: count }, () => look);

it('a stopped process holds the lock if a second of checks finds the same transaction', () => {
  expect(isStopped(times(10, at(7n, true)))).toBe(false);
  expect(isStopped(times(11, at(7n, true)))).toBe(true);
  expect(heldText(held(times(11, at(7n, true))))).toBe(
    'the metadata store waits for process 11, which holds its lock and is suspended',
  );
});

it('a process that resumes, commits or releases the lock in between does not hold it', () => {
  for (const between of [at(7n), at(8n, true), undefined]) {
    expect(isStopped([...times(9, at(7n, true)), between, ...times(9, at(7n, true))])).toBe(false);
  }
});

it('a process that is only slow is reported after five seconds', () => {
  expect(heldText(held(times(50, at(7n))))).toBeUndefined();
  expect(heldText(held(times(51, at(7n))))).toBe('the metadata store waits for process 11, which holds its lock');
  expect(isStopped(times(51, at(7n)))).toBe(false);
});

it('an observer that was asleep itself reports nothing', () => {
  expect(isStopped(times(5, at(7n, true)), 3_600_000)).toBe(false);
});
