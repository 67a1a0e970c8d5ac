/** Reading for every door: names are resolved by the caller; here the engine is asked, and what leaves is charged. */
import type { FetchedPartition, FetchOptions, FetchPartition } from '../../engine/engine.ts';
import { batchSizeBytes, recordCount } from '../../engine/records/batch.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';

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
  const { engine, tenancy, clock } = context;
  const partitions = await engine.fetch(asked, options);
  const nowMs = clock.monotonicMs();
  let delayMs = 0;
  for (const part of partitions) {
    let bytes = 0;
    for (const run of part.records) bytes += run.length;
    if (bytes === 0) continue;
    const verdict = tenancy.limiter.fetch(principal.clusterId, `${part.topicId}${part.partition}`, bytes, nowMs);
    if (verdict.quota) tenancy.meter.throttled(principal.clusterId, verdict.quota, verdict.delayMs);
    delayMs = Math.max(delayMs, verdict.delayMs);
    tenancy.meter.fetched(principal.clusterId, countRecords(part.records), bytes);
  }
  return { partitions, delayMs };
}

/** From the batch headers alone. */
function countRecords(runs: readonly Uint8Array[]): number {
  let count = 0;
  for (const run of runs) {
    for (let at = 0; at < run.length; at += batchSizeBytes(run, at)) count += recordCount(run, at);
  }
  return count;
}
