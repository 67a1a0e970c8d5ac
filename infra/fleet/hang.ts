/**
 * Which child processes hang, from one look at a time. Pure: the fleet looks and tells.
 *
 * A broker that hangs keeps its partitions until its lease has lapsed. On one machine the operating system says more than
 * a lease: a process that somebody stopped (SIGSTOP) is stopped for certain; one whose main thread sleeps while a question
 * waits for its event loop is stuck. A process that runs, or waits for its disk, is busy or starved and not hung: it is
 * left to its lease, and so is everything where the system does not tell (no /proc).
 *
 * Time counts only while the observer itself was attentive: a look that comes late (the parent was stopped, or waited for
 * a core as its children did) counts as if it were in time. Several that fall silent together are held up by something
 * they share, most likely a store whose lock a stopped one holds: then only those that are stopped are told.
 */
export interface HangLook {
  readonly brokerId: number;
  readonly pid: number;
  /** It has answered what it was asked last. */
  readonly answered: boolean;
  /** One letter of the kernel; undefined where it does not tell. */
  readonly state: string | undefined;
}

interface Suspicion {
  readonly pid: number;
  readonly silentMs: number;
  readonly stoppedMs: number;
}

export interface HangDetector {
  readonly lookedAtMs: number;
  readonly suspicions: ReadonlyMap<number, Suspicion>;
}

export interface Hung {
  readonly brokerId: number;
  readonly reason: string;
}

export const hangLookIntervalMs = 50;
const attentionMsMax = 2 * hangLookIntervalMs;
/** More than one look can count for: who sees a stopped process only once may have been stopped with it. */
export const stoppedMsMax = 125;
const silentMsMax = 1000;

export const initialHangDetector: HangDetector = { lookedAtMs: 0, suspicions: new Map() };

/** `nowMs`: monotonic. `looks`: all processes that have a slot. */
export function judgeHangs(
  detector: HangDetector,
  looks: readonly HangLook[],
  nowMs: number,
): { readonly detector: HangDetector; readonly hung: readonly Hung[] } {
  const passedMs = Math.min(attentionMsMax, nowMs - detector.lookedAtMs);
  const suspicions = new Map<number, Suspicion>();
  const stopped: Hung[] = [];
  const stuck: Hung[] = [];
  for (const { brokerId, pid, answered, state } of looks) {
    const before = detector.suspicions.get(brokerId);
    const { silentMs, stoppedMs } = before?.pid === pid ? before : { silentMs: 0, stoppedMs: 0 };
    const isStopped = state === 'T';
    const now = {
      pid,
      silentMs: !answered && (isStopped || state === 'S') ? silentMs + passedMs : 0,
      stoppedMs: isStopped ? stoppedMs + passedMs : 0,
    };
    if (now.silentMs + now.stoppedMs > 0) suspicions.set(brokerId, now);
    if (now.stoppedMs >= stoppedMsMax) stopped.push({ brokerId, reason: 'process stopped' });
    else if (now.silentMs >= silentMsMax) stuck.push({ brokerId, reason: 'event loop stuck' });
  }
  const hung = stuck.length + stopped.length > 1 ? stopped : [...stopped, ...stuck];
  return { detector: { lookedAtMs: nowMs, suspicions }, hung };
}
