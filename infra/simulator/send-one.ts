/**
 * Sends one value, once: as a batch of its own without a sequence, or as a record through the gateway's own producer (which
 * HTTP and WebSocket use). Without an answer nobody knows the outcome; with one, the value must stay.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Door, noAnswer } from './door.ts';
import type { ParentProcess } from './parent-process.ts';
import { partitionName } from './partition-name.ts';
import { compressed } from './recoding.ts';
import type { SimTopic } from './topic-plan.ts';

const usualTimeoutMs = 5000;
const waitMs = 8000;
const unknownTopic = 3;

export interface OneSend {
  readonly producer: string;
  readonly as: 'plain' | 'gateway';
  readonly topic: SimTopic;
  readonly index: number;
  readonly value: string;
  /** What its record claims. */
  readonly ageMs?: number;
  /** The client's own, in place of the usual one. */
  readonly timeoutMs?: number;
}

interface Outcome {
  readonly code: number;
  readonly offset: number;
  readonly startOffset?: number;
}

/** Notes it and its result in the history; `told` is called with the error code, -1 without an answer. */
export function sendOne(door: Door, send: OneSend, told: (code: number) => void): void {
  const { history, loop } = door.world;
  const { producer, as, topic, index, ageMs = 0 } = send;
  const partition = partitionName(topic.topicId, index);
  const values = [send.value];
  const timestampMs = loop.wallMs - ageMs;
  history.add({ kind: 'send', producer, as, partition, values, ...(ageMs > 0 ? { ageMs } : {}) });
  const at = door.next();
  at.call<Outcome>(
    (parent, answer) => (as === 'plain' ? append(parent, send, timestampMs, answer) : produce(parent, send, answer)),
    (result) => {
      const outcome = result === noAnswer ? { code: -1, offset: -1 } : result;
      at.note({ kind: 'sent', producer, partition, values, ...outcome, isNext: false });
      told(outcome.code);
    },
    waitMs,
  );
}

function append(
  parent: ParentProcess,
  { topic, index, value, timeoutMs = usualTimeoutMs }: OneSend,
  timestampMs: number,
  answer: (outcome: Outcome) => void,
): void {
  const plain = encodeBatch([{ key: null, value: Buffer.from(value), timestampMs }]);
  // Those that are not are ready before the ones that came first.
  const isCompressed = topic.isRecoded && Number.parseInt(value.slice(value.indexOf(':') + 1), 10) % 2 === 0;
  const records = framePool.gather([isCompressed ? compressed(plain) : plain]);
  parent.engine.append({
    topicId: topic.topicId,
    partition: index,
    records,
    idempotent: false,
    timeoutMs,
    done({ errorCode, baseOffset, logStartOffset }, recordsAreFree) {
      if (recordsAreFree) framePool.give(records);
      answer({ code: errorCode, offset: baseOffset, startOffset: logStartOffset });
    },
  });
}

function produce(parent: ParentProcess, { topic, index, value }: OneSend, answer: (outcome: Outcome) => void): void {
  const entry = parent.catalogue.byId(topic.topicId);
  if (!entry) return answer({ code: unknownTopic, offset: -1 });
  const principal = { tenantId: 't', clusterId: entry.clusterId, keyId: 'k' };
  const record = { key: null, value: Buffer.from(value), partition: index };
  parent.records.produce(principal, entry, [record], ([outcome]) => {
    answer({ code: outcome!.errorCode, offset: outcome!.offset });
  });
}
