/**
 * ListOffsets, DeleteRecords and OffsetForLeaderEpoch: by topic name, answered by the owners of partitions. The gateway
 * answers for whatever does not exist in the tenant's cluster; the rest goes to the engine through the generated rewriters.
 */
import type { PartitionApi } from '../../engine/engine.ts';
import { apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { findTopic } from '../operations/topics.ts';
import { turnBehindIo } from '../several-turns.ts';
import type { Call } from './api.ts';
import { toEngine, toTenant } from './tenant-view.ts';
import { hasPartition } from './topic-view.ts';

/** Some 5 ms of look-ups. */
const partitionsPerTurnMax = 5_000;

/** Kafka error code for a partition of the tenant's topic `name`: none when it exists. */
export function partitionFault(call: Call, name: string, partition: number): number {
  const topic = findTopic(call.context, call.principal, name);
  return topic && hasPartition(topic, partition) ? errorCode.none : errorCode.unknownTopicOrPartition;
}

/**
 * Splits `topics` into those that exist and those that do not, sends the first to the engine, and merges both in request
 * order. `ask` gets the remaining topics, `refuse` creates the answer for a partition that does not exist.
 */
export async function askOwners<P, A>(
  call: Call,
  topics: readonly { readonly name: string; readonly partitions: readonly P[] }[],
  numberOf: (partition: P) => number,
  refuse: (partition: P, code: number) => A,
  ask: (topics: { name: string; partitions: P[] }[]) => Promise<readonly { readonly partitions: readonly A[] }[]>,
): Promise<{ name: string; partitions: A[] }[]> {
  const answers = topics.map(({ name, partitions }) => ({
    name,
    partitions: Array.from<A>({ length: partitions.length }),
  }));
  const asked: { name: string; partitions: P[] }[] = [];
  const places: { readonly into: A[]; readonly at: number[] }[] = [];
  let lookedAt = 0;
  for (const [t, { name, partitions }] of topics.entries()) {
    if (lookedAt > partitionsPerTurnMax) {
      lookedAt = 0;
      await turnBehindIo(call.context.clock);
    }
    lookedAt += 1 + partitions.length;
    const into = answers[t]!.partitions;
    const at: number[] = [];
    const topic = findTopic(call.context, call.principal, name);
    for (const [p, partition] of partitions.entries()) {
      if (topic && hasPartition(topic, numberOf(partition))) at.push(p);
      else into[p] = refuse(partition, errorCode.unknownTopicOrPartition);
    }
    if (at.length === 0) continue;
    asked.push({ name, partitions: at.map((p) => partitions[p]!) });
    places.push({ into, at });
  }
  if (asked.length === 0) return answers;
  const replies = await ask(asked);
  for (const [t, { into, at }] of places.entries()) {
    for (const [i, p] of at.entries()) into[p] = replies[t]!.partitions[i]!;
  }
  return answers;
}

/** `request` uses the tenant's names and is modified. Rejects with a Failure. */
export async function throughEngine<K extends PartitionApi>(
  call: Call,
  key: K,
  request: RequestOf<K>,
): Promise<ResponseOf<K>> {
  const { clusterId } = call.principal;
  const version = apiByKey.get(key)!.max;
  toEngine(clusterId, key, version, request);
  const response = await call.context.engine.partitionRequest(key, request);
  toTenant(clusterId, key, version, response);
  return response;
}
