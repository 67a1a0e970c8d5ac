/**
 * Which child processes hang, computed from single observations. Pure: the fleet observes and acts.
 *
 * A broker that hangs keeps its partitions until its lease has lapsed. On one machine the operating system says more than a
 * lease: a process that somebody stopped (SIGSTOP) is certainly stopped; one whose main thread sleeps while a ping waits
 * for its event loop is stuck. A process that runs, or waits for its disk, is busy or starved and not hung: it is left to
 * its lease. So is every process where the system gives no state (no /proc).
 *
 * Time counts only while the observer itself was attentive: a late observation (the parent was stopped, or waited for a
 * core as its children did) counts as if it were in time. Several processes that fall silent together are probably blocked
 * by something they share, most likely a store whose lock a stopped one holds: then only the stopped ones are reported.
 */
export interface HangLook {
  readonly brokerId: number;
  readonly pid: number;
  /** It has answered the last ping. */
  readonly answered: boolean;
  /** One letter from the kernel; undefined where the system gives none. */
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
/** More than one observation may add: an observer that sees a stopped process only once may have been stopped with it. */
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
