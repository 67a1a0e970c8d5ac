/** What the APIs that change topics share: the time of a request, doubles in a request, one topic's failure in its own answer. */
import type { Call } from './api.ts';
import { type Refusal, refusalOf } from './failures.ts';

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

/** Of what a client gives a request that changes topics (timeoutMs), what is spent on waiting for the rate of changes. */
const changeWaitMsMax = 10_000;

/**
 * How long the next change of a request may wait for its turn (operations/topics.ts). A request's changes have one time for
 * all of them; what does not get its turn in it is answered THROTTLING_QUOTA_EXCEEDED (89, KIP-599), which Java repeats by
 * itself, instead of keeping the client until it gives up.
 */
export function changeWait({ context: { clock, settings } }: Call, timeoutMs: number): () => number {
  const untilMs = clock.monotonicMs() + Math.min(timeoutMs, changeWaitMsMax);
  return () => Math.min(settings.quotaWaitMsMax, Math.max(0, untilMs - clock.monotonicMs()));
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
