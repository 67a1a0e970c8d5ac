/**
 * For how long one process has had the lock of the metadata store in one go, from one look at a time. Pure; lock-watch.ts looks.
 *
 * Everything waits for it: no lease is renewed, and when those of the brokers have lapsed nothing is stored any more. A commit
 * takes milliseconds, seconds where the disk is bad. One that is stopped in the middle takes for ever, and is killed before
 * the leases lapse, as a broker is that is stopped (infra/fleet/hang.ts).
 *
 * A look that comes late counts as if it were in time: who looks may have been stopped with the one that it looks at.
 */
export interface LockLook {
  readonly thread: number;
  readonly commit: bigint;
  /** Whose thread it is. */
  readonly pid: number;
  readonly isStopped: boolean;
}

export interface HeldLock {
  readonly look: LockLook;
  readonly heldMs: number;
  /** Of that, since it was last seen to go on. */
  readonly stoppedMs: number;
}

export const lockLookIntervalMs = 100;
const attentionMsMax = 2 * lockLookIntervalMs;
/** Brokers' leases are three times as long unless somebody has them otherwise. */
const stoppedHolderMsMax = 1000;
/** As long as a commit may take on a disk that is very slow. */
const slowHolderMsMax = 5000;

/** `look`: undefined while nobody has it. */
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

/** What is wrong, for people; undefined when nothing is. */
export function heldText(held: HeldLock | undefined): string | undefined {
  if (!held) return undefined;
  const { pid } = held.look;
  if (isHeldByStopped(held))
    return `the metadata store waits for process ${pid}, which holds its lock and is suspended`;
  if (held.heldMs >= slowHolderMsMax) return `the metadata store waits for process ${pid}, which holds its lock`;
  return undefined;
}
