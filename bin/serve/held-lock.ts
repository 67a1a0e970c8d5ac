/**
 * How long one process has held the metadata store's lock without a break, computed from single observations. Pure;
 * lock-watch.ts observes.
 *
 * Everything waits for this lock: no lease is renewed, and when the brokers' leases have lapsed nothing is stored any more.
 * A commit takes milliseconds, or seconds on a bad disk. A process stopped in the middle holds the lock for ever. It is
 * killed before the leases lapse, as a stopped broker is (infra/fleet/hang.ts).
 *
 * A late observation counts as if it were in time: the observer may have been stopped together with the process it
 * observes.
 */
export interface LockLook {
  readonly thread: number;
  readonly commit: bigint;
  /** The process that the thread belongs to. */
  readonly pid: number;
  readonly isStopped: boolean;
}

export interface HeldLock {
  readonly look: LockLook;
  readonly heldMs: number;
  /** The part of that time since it was last seen to make progress. */
  readonly stoppedMs: number;
}

export const lockLookIntervalMs = 100;
const attentionMsMax = 2 * lockLookIntervalMs;
/** Brokers' leases are three times as long unless configured otherwise. */
const stoppedHolderMsMax = 1000;
/** As long as a commit may take on a very slow disk. */
const slowHolderMsMax = 5000;

/** `look`: undefined while nobody holds the lock. */
export function judgeHeld(
  before: HeldLock | undefined,
  look: LockLook | undefined,
  passedMs: number,
): HeldLock | undefined {
  if (!look) return undefined;
  const { thread, commit } = look;
  if (before?.look.thread !== thread || before.look.commit !== commit) return { look, heldMs: 0, stoppedMs: 0 };
  const countedMs = Math.min(passedMs, attentionMsMax);
  const stoppedMs = look.isStopped && before.look.isStopped ? before.stoppedMs + countedMs : 0;
  return { look, heldMs: before.heldMs + countedMs, stoppedMs };
}

export function isHeldByStopped({ stoppedMs }: HeldLock): boolean {
  return stoppedMs >= stoppedHolderMsMax;
}

/** The problem, for people; undefined when there is none. */
export function heldText(held: HeldLock | undefined): string | undefined {
  if (!held) return undefined;
  const { pid } = held.look;
  if (isHeldByStopped(held))
    return `the metadata store waits for process ${pid}, which holds its lock and is suspended`;
  if (held.heldMs >= slowHolderMsMax) return `the metadata store waits for process ${pid}, which holds its lock`;
  return undefined;
}
