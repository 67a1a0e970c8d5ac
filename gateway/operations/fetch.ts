/** Reading, for every door: the caller resolves the names; this file asks the engine and charges the bytes that leave. */
import type { FetchedPartition, FetchOptions, FetchPartition } from '../../engine/engine.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { longer, noDelay } from './admit.ts';
import { type SharedPart, sharedPart } from './shared-reads.ts';

export interface Fetched {
  readonly partitions: readonly FetchedPartition[];
  /** Quota delay to apply after (Kafka) or before (other doors) the answer. */
  readonly verdict: Verdict;
}

export async function fetchPartitions(
  context: GatewayContext,
  principal: Principal,
  asked: readonly FetchPartition[],
  options: FetchOptions,
): Promise<Fetched> {
  const partitions = await context.engine.fetch(asked, options);
  return { partitions, verdict: chargeRead(context, principal, partitions.map(sharedPart)) };
}

/** Charges and meters the bytes given to one reader. Returns the longest delay of its partitions. */
export function chargeRead(
  { tenancy, clock }: GatewayContext,
  { clusterId }: Principal,
  parts: readonly Pick<SharedPart, 'key' | 'bytes' | 'records'>[],
  nowMs = clock.monotonicMs(),
): Verdict {
  let longest = noDelay;
  for (let i = 0; i < parts.length; i++) {
    const { key, bytes, records } = parts[i]!;
    if (bytes === 0) continue;
    const verdict = tenancy.limiter.fetch(clusterId, key, bytes, nowMs);
    longest = longer(longest, verdict);
    tenancy.meter.fetched(clusterId, records, bytes);
  }
  return longest;
}
