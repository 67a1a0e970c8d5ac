/** A member of the soak's Kafka consumer group: commits after each batch. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EachBatchPayload } from 'kafkajs';
import type { Recorder } from './recorder.ts';
import { recordRead } from './readers.ts';
import { group, topic } from './site.ts';
import { kafkaClient, type KafkaPlace, type Load } from './writers.ts';

const beginPauseMs = 30;
const disconnectMsMax = 5000;
const causesMax = 10;

export type GroupLoad = Pick<Load, 'recorder' | 'signal'> & { readonly site: KafkaPlace };

/**
 * kafkajs ends a consumer for good on an error that it does not retry, and leaves what follows to the application. A
 * lost connection at the wrong moment is such an error: while kafkajs asks for the coordinator of the only broker that
 * it knows (KafkaJSGroupCoordinatorNotFound) or logs in (KafkaJSSASLAuthenticationError). That is no answer of ours,
 * and it also happens against Apache Kafka when all brokers go away at once, as they do here with the gateway. So a
 * member that has ended starts over, like an application that its supervisor restarts. A member that an error code of
 * ours ended is a finding.
 */
export async function readGroup(load: GroupLoad): Promise<void> {
  while (!load.signal.aborted) {
    await beMember(load);
    if (!load.signal.aborted) await sleep(beginPauseMs);
  }
}

/** Until the run ends or kafkajs has given the member up. */
async function beMember({ site, recorder, signal }: GroupLoad): Promise<void> {
  const consumer = kafkaClient(site, 'soak-group').consumer({
    groupId: group,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
    maxWaitTimeInMs: 300,
    retry: { retries: 1000, initialRetryTime: 30, maxRetryTime: 300 },
  });
  let onAbort = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      const origin = originOf(error);
      const code = 'type' in origin ? ` ${String(origin.type)}` : '';
      recorder.add({ kind: 'crashed', what: `${origin.name}${code}`, isFinal: !restart });
      if (restart) return;
      if (code !== '') recorder.add({ kind: 'bug', what: `a member of the group is ended by${code}` });
      resolve();
    });
    if (signal.aborted) resolve();
    onAbort = resolve;
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: (payload) => readBatch(recorder, payload) });
    await ended;
  } catch {
    // No connection yet.
  }
  signal.removeEventListener('abort', onAbort);
  // A member that waits for answers on a lost connection waits for ever.
  await Promise.race([consumer.disconnect().catch(() => undefined), sleep(disconnectMsMax)]);
}

/** kafkajs wraps the error that it gives up on. */
function originOf(error: Error): Error {
  let origin = error;
  for (let depth = 0; depth < causesMax && origin.cause instanceof Error; depth++) origin = origin.cause;
  return origin;
}

/**
 * The payload's commit, not the consumer's: the consumer's wraps the error, so that kafkajs no longer sees that the
 * group rebalances or that the member's session has ended, and ends the member instead of rejoining.
 */
async function readBatch(recorder: Recorder, payload: EachBatchPayload): Promise<void> {
  if (payload.isStale() || !payload.isRunning()) return;
  const { batch } = payload;
  const { partition } = batch;
  const base = Number(batch.firstOffset() ?? -1);
  const records = batch.messages.map(({ offset, value }) => ({
    partition,
    offset: Number(offset),
    value: String(value),
  }));
  if (base >= 0) recordRead(recorder, `group ${group}`, records);
  const offset = Number(batch.lastOffset()) + 1;
  recorder.add({ kind: 'commits', group, partition, offset });
  await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }] });
  recorder.add({ kind: 'committed', group, partition, offset });
  payload.resolveOffset(batch.lastOffset());
}
