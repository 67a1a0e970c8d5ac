/**
 * One record batch from a Kafka client into one partition: charged, appended unchanged, metered. The quota delay comes back
 * with the result, because Kafka answers at once and then mutes the connection (KIP-219).
 */
import type { AppendResult, TopicEntry } from '../../engine/engine.ts';
import { batchHeaderBytes, producerId, recordCount } from '../../engine/records/batch.ts';
import { stripNames } from '../../tenancy/naming.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';

/**
 * Calls `done` exactly once, and tells it whether `records` is no longer read. `records` is what the client sent for the
 * partition; the broker validates its contents.
 */
export function appendBatch(
  context: GatewayContext,
  principal: Principal,
  topic: TopicEntry,
  partition: number,
  records: Buffer,
  timeoutMs: number,
  done: (result: AppendResult, verdict: Verdict, recordsAreFree: boolean) => void,
): void {
  const { tenancy, engine, clock } = context;
  const whole = records.length >= batchHeaderBytes;
  const count = whole ? recordCount(records, 0) : 0;
  const key = `${topic.topicId}${partition}`;
  const verdict = tenancy.limiter.produce(principal.clusterId, key, records.length, clock.monotonicMs());
  engine.append({
    topicId: topic.topicId,
    partition,
    records,
    idempotent: whole && producerId(records, 0) >= 0,
    timeoutMs,
    done(result, recordsAreFree) {
      if (result.errorCode === 0) tenancy.meter.produced(principal.clusterId, count, records.length);
      // The broker's text may contain the engine's name for the topic.
      const { errorMessage } = result;
      const told =
        errorMessage === null ? result : { ...result, errorMessage: stripNames(principal.clusterId, errorMessage) };
      done(told, verdict, recordsAreFree === true);
    },
  });
}
