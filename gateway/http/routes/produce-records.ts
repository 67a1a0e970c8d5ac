/** POST /v1/topics/{topic}/records: many records, in the shape that Content-Type names. */
import type { Principal } from '../../../tenancy/tenancy.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import type { TopicEntry } from '../../../engine/engine.ts';
import { parseKeepingFewNumbers } from '../../operations/long-numbers.ts';
import { parseFormat, recordOfJson } from '../../operations/record-json.ts';
import type { ProduceRecord } from '../../operations/produce.ts';
import { scanRecords } from '../../operations/scan-records.ts';
import { produceStamped } from '../../operations/produce-stamped.ts';
import { findTopic } from '../../operations/topics.ts';
import type { GatewayContext } from '../../context.ts';
import { ProblemFailure } from '../failures.ts';
import { type DoorParts, keepForTurn, mayTakeNow, settle, type TenantHandler } from '../guard.ts';
import type { KnownQuery } from '../known-query.ts';
import {
  type Acks,
  acksOf,
  countFailed,
  replyAccepted,
  replyOutcomes,
  refusePartitionInQuery,
} from '../produce-replies.ts';
import { replyStamped, stampedPartition, stampOf } from '../producer-stamp.ts';
import { contentCoding, expand, mediaType, parseJsonObject, tooLarge } from '../read-body.ts';
import { replyFailure } from '../reply-problem.ts';
import type { HttpExchange } from '../servers/server.ts';
import { writableTopic } from './find-topic.ts';
import { produceBatches } from './produce-batches.ts';
import { produceLines } from './produce-lines.ts';

export const recordBatchType = 'application/vnd.kafka.recordbatch';
export const linesType = 'application/x-ndjson';

export const produceRecordsQuery: KnownQuery = { names: ['acks', 'format', 'partition'] };

export function produceRecords(parts: DoorParts): TenantHandler {
  return (exchange, principal) => {
    const contentType = exchange.header('content-type');
    const type = contentType === 'application/json' ? contentType : mediaType(contentType);
    if (type !== recordBatchType) refusePartitionInQuery(exchange, "each record's own partition");
    if (type === 'application/json') return produceJson(parts, exchange, principal);
    if (type === linesType) return produceLines(parts, exchange, principal);
    if (type === recordBatchType) return produceBatches(parts, exchange, principal);
    throw new ProblemFailure(
      'unsupported-media-type',
      `Content-Type ${type || '(none)'}: use application/json, ${linesType} or ${recordBatchType}`,
    );
  };
}

/**
 * Checks all records before it stores the first, so that one malformed record refuses the whole request. It uses callbacks
 * and no promise where the body is plain and the topic exists, which is nearly always.
 */
function produceJson(parts: DoorParts, exchange: HttpExchange, principal: Principal): void {
  const { context } = parts;
  const { produceBytesMax } = context.settings;
  const acks = acksOf(exchange);
  const encoding = contentCoding(exchange.header('content-encoding'));
  const onTooLarge = (): void => replyFailure(context, exchange, tooLarge(produceBytesMax));
  if (encoding === undefined) {
    exchange.lendBody(produceBytesMax, (body) => takeInTurn(parts, exchange, principal, acks, body), onTooLarge);
    return;
  }
  const unpack = (body: Buffer): void =>
    settle(context, exchange, async () =>
      takeInTurn(parts, exchange, principal, acks, await expand(exchange, body, encoding, produceBytesMax)),
    );
  exchange.readBody(produceBytesMax, unpack, onTooLarge);
}

/** Up to this size bodies are counted as small work (fair-turns.ts). */
const largeBodyBytesMin = 16 * 1024;

/** A body is parsed in its cluster's share of a turn (fair-turns.ts), now or later. */
function takeInTurn(
  parts: DoorParts,
  exchange: HttpExchange,
  principal: Principal,
  acks: Acks,
  body: Uint8Array,
): void {
  const { turns } = parts.context;
  const { clusterId } = principal;
  const isSmall = body.length < largeBodyBytesMin;
  if (isSmall ? !mayTakeNow(parts, clusterId) : turns.mustWait(clusterId)) {
    keepForTurn(parts, exchange, clusterId, body, (kept) => takeJson(parts, exchange, principal, acks, kept));
  } else if (isSmall) takeJson(parts, exchange, principal, acks, body);
  else turns.timed(clusterId, () => takeJson(parts, exchange, principal, acks, body));
}

/** If the topic must be created first, the records are views of a copy: `body` is valid during this call only. */
function takeJson(parts: DoorParts, exchange: HttpExchange, principal: Principal, acks: Acks, body: Uint8Array): void {
  const { context } = parts;
  const topic = findTopic(context, principal, exchange.param('topic'));
  const records = recordsOf(context, exchange, topic ? body : Buffer.from(body));
  if (topic) return store(parts, exchange, principal, topic, acks, records);
  settle(context, exchange, async () =>
    store(parts, exchange, principal, await writableTopic(context, principal, exchange), acks, records),
  );
}

function recordsOf({ settings }: GatewayContext, exchange: HttpExchange, body: Uint8Array): ProduceRecord[] {
  const { produceRecordsMax } = settings;
  const isJson = exchange.queryString === '' || (exchange.query().get('format') ?? 'json') === 'json';
  const plain = isJson ? scanRecords(body, produceRecordsMax) : undefined;
  if (plain) return plain;
  const list = parseJsonObject(body, parseKeepingFewNumbers)['records'];
  if (!Array.isArray(list)) throw new InvalidRequest('records', 'the body must be {"records": [...]}');
  if (list.length === 0) throw new InvalidRequest('records', 'there must be at least one record');
  if (list.length > produceRecordsMax) {
    const detail = `${list.length} records in one request; at most ${produceRecordsMax} are allowed`;
    throw new ProblemFailure('body-too-large', detail, { limit: produceRecordsMax });
  }
  const format = exchange.queryString === '' ? 'json' : parseFormat(exchange.query().get('format'));
  const records: ProduceRecord[] = [];
  for (let i = 0; i < list.length; i++) records.push(recordOfJson(list[i], format, `records[${i}]`));
  return records;
}

function store(
  { context, producer }: DoorParts,
  exchange: HttpExchange,
  principal: Principal,
  topic: TopicEntry,
  acks: Acks,
  records: readonly ProduceRecord[],
): void {
  const stamp = stampOf(exchange);
  if (stamp) {
    const partition = stampedPartition(records, 'records[].partition');
    produceStamped(context, principal, topic, partition, records, stamp, (outcomes) => {
      if (acks === 'stored') replyStamped(context, exchange, outcomes, false);
      else countFailed(context, 'http', outcomes);
    });
  } else if (records.length === 1) {
    producer.produceOne(principal, topic, records[0]!, (outcome) => {
      if (acks === 'stored') replyOutcomes(context, exchange, [outcome]);
      else countFailed(context, 'http', [outcome]);
    });
  } else {
    producer.produce(principal, topic, records, (outcomes) => {
      if (acks === 'stored') replyOutcomes(context, exchange, outcomes);
      else countFailed(context, 'http', outcomes);
    });
  }
  if (acks === 'none') replyAccepted(exchange, records.length);
}
