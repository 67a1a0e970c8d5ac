/** What the APIs that change topics share: the time of a request, doubles in a request, one topic's failure in its own answer. */
import { grantedMs, inTime, late } from '../../engine/kernel/request-time.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { Call } from './api.ts';
import { type Refusal, refusalOf } from './failures.ts';

/** How long the changes of a request may take, all of them together. */
export interface ChangeTime {
  /** How long the next one may wait for its turn (operations/topics.ts). */
  readonly waitMsMax: () => number;
  /** Until the request is answered, whatever has become of them. */
  readonly leftMs: () => number;
}

/**
 * As attempt. A change that takes longer than the client waits goes on, and is answered as Kafka does: whether it takes
 * effect is not known.
 */
export async function attemptInTime(
  call: Call,
  time: ChangeTime,
  change: () => Promise<void>,
): Promise<Refusal | undefined> {
  const leftMs = time.leftMs();
  if (leftMs <= 0) return timedOut('The request timed out before this was started: nothing was changed.');
  const outcome = await inTime(call.context.clock, leftMs, attempt(call, change));
  return outcome === late ? timedOut('The request timed out. It may still take effect.') : outcome;
}

/** Undefined when `change` went through. Changes of one request run one after the other, in its order. */
export async function attempt(call: Call, change: () => Promise<void> | void): Promise<Refusal | undefined> {
  try {
    await change();
    return undefined;
  } catch (error) {
    const refusal = refusalOf(error);
    call.throttle(refusal.delayMs);
    return refusal;
  }
}

function timedOut(message: string): Refusal {
  return { errorCode: errorCode.requestTimedOut, message, delayMs: 0 };
}

/** Of what a client gives a request that changes topics (timeoutMs), what is spent on waiting for the rate of changes. */
const changeWaitMsMax = 10_000;

/**
 * A request's changes have one time for all of them. What does not get its turn in it is answered
 * THROTTLING_QUOTA_EXCEEDED (89, KIP-599), which Java repeats by itself, instead of keeping the client until it gives up.
 */
export function changeTime({ context: { clock, settings } }: Call, timeoutMs: number): ChangeTime {
  const startMs = clock.monotonicMs();
  const turnByMs = startMs + Math.min(timeoutMs, changeWaitMsMax);
  const untilMs = startMs + grantedMs(timeoutMs);
  return {
    waitMsMax: () => Math.min(settings.quotaWaitMsMax, Math.max(0, turnByMs - clock.monotonicMs())),
    leftMs: () => untilMs - clock.monotonicMs(),
  };
}

/** Values that occur more than once. */
export function doublesIn(names: Iterable<string>): ReadonlySet<string> {
  const seen = new Set<string>();
  const doubles = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) doubles.add(name);
    seen.add(name);
  }
  return doubles;
}
