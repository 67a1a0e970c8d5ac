/**
 * Record batches in Kafka's own format, one after the other, for one partition (?partition=). They are appended unchanged
 * and in order, each with its own result. The broker checks every CRC; this route checks only the layout.
 */
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { recordCount } from '../../../engine/records/batch.ts';
import type { AppendResult } from '../../../engine/engine.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import type { GatewayContext } from '../../context.ts';
import { noPartitionText } from '../../failures.ts';
import { heldBackMs, longer, noDelay, refuseLongWait } from '../../operations/admit.ts';
import { appendBatch } from '../../operations/append.ts';
import { splitBatches } from '../../operations/split-batches.ts';
import { kafkaProblem } from '../failures.ts';
import type { DoorParts } from '../guard.ts';
import { acksOf, countFailed, replyAccepted } from '../produce-replies.ts';
import { readBody } from '../read-body.ts';
import { replyJson } from '../reply-headers.ts';
import { replyProblem } from '../reply-problem.ts';
import type { HttpExchange } from '../servers/server.ts';
import { writableTopic } from './find-topic.ts';

export async function produceBatches(parts: DoorParts, exchange: HttpExchange, principal: Principal): Promise<void> {
  const { context } = parts;
  const { produceBytesMax, produceRecordsMax, produceTimeoutMs, quotaWaitMsMax } = context.settings;
  const acks = acksOf(exchange);
  const partitionText = exchange.query().get('partition') ?? '';
  if (!/^\d{1,9}$/.test(partitionText))
    throw new InvalidRequest('partition', 'record batches need ?partition=<number>');
  const partition = Number(partitionText);
  const body = await readBody(exchange, produceBytesMax);
  // Many bodies may have arrived together, each of many batches.
  const inTurn = <T>(work: () => T): T | Promise<T> => context.turns.goOn(principal.clusterId, work);
  const batches = await inTurn(() => splitBatches(body, produceRecordsMax));
  const topic = await writableTopic(context, principal, exchange);
  if (partition >= topic.partitions.length) {
    throw new InvalidRequest('partition', noPartitionText(partition, topic));
  }
  refuseLongWait(context, principal.clusterId);
  const results: AppendResult[] = [];
  results.length = batches.length;
  let remaining = batches.length;
  let longest = noDelay;
  const append = (batch: Buffer, index: number): void =>
    appendBatch(context, principal, topic, partition, batch, produceTimeoutMs, (result, verdict) => {
      results[index] = result;
      longest = longer(longest, verdict);
      if (--remaining > 0) return;
      if (acks === 'none') return countFailed(context, 'http', results);
      const reply = (): void => replyResults(context, exchange, partition, batches, results);
      const waitMs = heldBackMs(context, principal.clusterId, longest, quotaWaitMsMax);
      if (waitMs > 0) context.clock.after(waitMs, reply);
      else reply();
    });
  await inTurn(() => batches.forEach(append));
  if (acks === 'none') replyAccepted(exchange, batches.length);
}

function replyResults(
  context: GatewayContext,
  exchange: HttpExchange,
  partition: number,
  batches: readonly Buffer[],
  results: readonly AppendResult[],
): void {
  const failed = results.filter(({ errorCode }) => errorCode !== 0).length;
  const first = results[0]!;
  if (failed === results.length && results.every(({ errorCode }) => errorCode === first.errorCode)) {
    replyProblem(exchange, { ...kafkaProblem(first.errorCode, first.errorMessage), failed });
    return;
  }
  if (failed > 0) countFailed(context, 'http', results);
  const rendered = results.map((result, i) =>
    result.errorCode === 0
      ? { partition, base_offset: result.baseOffset, records: recordCount(batches[i]!, 0) }
      : { partition, error: kafkaProblem(result.errorCode, result.errorMessage) },
  );
  replyJson(exchange, failed === 0 ? 200 : 207, { results: rendered, failed });
}
