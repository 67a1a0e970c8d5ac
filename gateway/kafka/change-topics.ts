/** What the APIs that change topics share: the rate of changes, doubles in a request, one topic's failure in its own answer. */
import { QuotaExceeded } from '../../tenancy/failures.ts';
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

/**
 * One topic made, deleted or enlarged. A short delay is taken by muting the connection after the answer; throws
 * QuotaExceeded, answered as THROTTLING_QUOTA_EXCEEDED (89, KIP-599), when it is longer than quotaWaitMsMax.
 */
export function chargeMutation(call: Call): void {
  const { tenancy, clock, settings } = call.context;
  const { clusterId } = call.principal;
  const verdict = tenancy.limiter.topicMutation(clusterId, clock.monotonicMs());
  if (!verdict.quota) return;
  tenancy.meter.throttled(clusterId, verdict.quota, verdict.delayMs);
  if (verdict.delayMs > settings.quotaWaitMsMax) {
    const limit = tenancy.cluster(clusterId)?.limits[verdict.quota] ?? 0;
    throw new QuotaExceeded(verdict.quota, limit, limit, verdict.delayMs);
  }
  call.throttle(verdict.delayMs);
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
