/** Reading, for every door: the caller resolves the names; this file asks the engine and charges the bytes that leave. */
import type { FetchedPartition, FetchOptions, FetchPartition } from '../../engine/engine.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { type SharedPart, sharedPart } from './shared-reads.ts';

export interface Fetched {
  readonly partitions: readonly FetchedPartition[];
  /** Quota delay to apply after (Kafka) or before (other doors) the answer. */
  readonly delayMs: number;
}

export async function fetchPartitions(
  context: GatewayContext,
  principal: Principal,
  asked: readonly FetchPartition[],
  options: FetchOptions,
): Promise<Fetched> {
  const partitions = await context.engine.fetch(asked, options);
  return { partitions, delayMs: chargeRead(context, principal, partitions.map(sharedPart)) };
}

/** Charges and meters the bytes given to one reader. Returns milliseconds of quota delay. */
export function chargeRead(
  { tenancy, clock }: GatewayContext,
  { clusterId }: Principal,
  parts: readonly SharedPart[],
  nowMs = clock.monotonicMs(),
): number {
  let delayMs = 0;
  for (let i = 0; i < parts.length; i++) {
    const { key, bytes, records } = parts[i]!;
    if (bytes === 0) continue;
    const verdict = tenancy.limiter.fetch(clusterId, key, bytes, nowMs);
    if (verdict.quota) tenancy.meter.throttled(clusterId, verdict.quota, verdict.delayMs);
    if (verdict.delayMs > delayMs) delayMs = verdict.delayMs;
    tenancy.meter.fetched(clusterId, records, bytes);
  }
  return delayMs;
}
