/**
 * Records that their sender has numbered (KIP-98 over HTTP). One request is one batch, stamped with the sender's producer
 * id, epoch and first sequence, and stored apart from all other records. The log remembers the last five batches of a
 * producer, so it answers a repeat of one of them with the original offsets, whichever gateway and broker it comes through.
 * A sender needs this when an answer is lost. The numbers that produce.ts assigns itself cannot help there: it can repeat a
 * batch only on its own side of the lost answer.
 */
import type { TopicEntry } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { BatchBuilder, batchFull, type ProducerStamp } from '../../engine/records/encode.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { noPartitionText } from '../failures.ts';
import { heldBackMs, refuseLongWait } from './admit.ts';
import { appendBatch } from './append.ts';
import { messageBytesMaxOf, type ProduceOutcome, type ProduceRecord } from './produce.ts';

/**
 * Stores `records` (at least one) in one batch of `partition`; the partition in the records is ignored. Calls `done` once
 * with one outcome per record: all with the same error, or all stored. Throws QuotaExceeded before anything is stored.
 */
export function produceStamped(
  context: GatewayContext,
  principal: Principal,
  topic: TopicEntry,
  partition: number,
  records: readonly ProduceRecord[],
  stamp: ProducerStamp,
  done: (outcomes: readonly ProduceOutcome[]) => void,
): void {
  const { clusterId } = principal;
  const { clock, settings } = context;
  refuseLongWait(context, clusterId);
  const nowMs = clock.wallMs();
  const outcomesOf = (code: number, message: string | null, baseOffset: number, appendTimeMs: number) =>
    records.map(({ timestampMs = nowMs }, delta): ProduceOutcome => {
      const offset = code === errorCode.none ? baseOffset + delta : -1;
      return {
        errorCode: code,
        message,
        partition,
        offset,
        timestampMs: appendTimeMs >= 0 ? appendTimeMs : timestampMs,
      };
    });
  if (partition >= topic.partitions.length) {
    const message = noPartitionText(partition, topic);
    return done(outcomesOf(errorCode.unknownTopicOrPartition, message, -1, -1));
  }
  const bytesMax = messageBytesMaxOf(context, clusterId, topic);
  const builder = new BatchBuilder(bytesMax);
  for (const { key, value, headers, timestampMs = nowMs } of records) {
    if (builder.append(key, value, headers, timestampMs) !== batchFull) continue;
    const message = `the records of a numbered request must fit in one batch of ${bytesMax} bytes: send fewer at a time`;
    return done(outcomesOf(errorCode.messageTooLarge, message, -1, -1));
  }
  const batch = builder.build(stamp);
  appendBatch(context, principal, topic, partition, batch, settings.produceTimeoutMs, (result, verdict) => {
    const { errorCode: code, errorMessage, baseOffset, logAppendTimeMs } = result;
    const outcomes = outcomesOf(code, errorMessage, baseOffset, logAppendTimeMs);
    const waitMs = heldBackMs(context, clusterId, verdict, settings.quotaWaitMsMax);
    if (waitMs > 0) clock.after(waitMs, () => done(outcomes));
    else done(outcomes);
  });
}
