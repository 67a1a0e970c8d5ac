/**
 * Shared by the APIs that change topics: the time limit of a request, duplicates in a request, and one topic's failure in
 * its own answer.
 */
import { grantedMs, inTime, late } from '../../engine/kernel/request-time.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { noDelay } from '../operations/admit.ts';
import type { Call } from './api.ts';
import { type Refusal, refusalOf } from './failures.ts';

/** How long all changes of a request together may take. */
export interface ChangeTime {
  /** How long the next change may wait for its turn (operations/topics.ts). */
  readonly waitMsMax: () => number;
  /** Until the request is answered, whatever the state of its changes. */
  readonly leftMs: () => number;
}

/**
 * Like attempt. A change that takes longer than the client waits continues, and is answered as Kafka does: whether it takes
 * effect is unknown.
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

/** Undefined when `change` succeeded. Changes of one request run one after the other, in its order. */
export async function attempt(call: Call, change: () => Promise<void> | void): Promise<Refusal | undefined> {
  try {
    await change();
    return undefined;
  } catch (error) {
    const refusal = refusalOf(error, call.principal);
    call.refused(refusal);
    return refusal;
  }
}

function timedOut(message: string): Refusal {
  return { errorCode: errorCode.requestTimedOut, message, ...noDelay };
}

/** The part of a client's time limit (timeoutMs) that may be spent waiting for the rate of topic changes. */
const changeWaitMsMax = 10_000;

/**
 * All changes of a request share one time limit. A change that does not get its turn within it is answered
 * THROTTLING_QUOTA_EXCEEDED (89, KIP-599), which Java retries by itself, instead of keeping the client until it gives up.
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
