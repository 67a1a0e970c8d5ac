/**
 * POST /v1/topics/{topic}: the body, whatever it is, becomes the value of one record. The hot path: no JSON, no promise,
 * one pass over the headers, and the reply built as text.
 *
 * Record-Key, Record-Header-<name>, Record-Partition, Record-Timestamp (ms); Record-Encoding: base64 for a key and headers
 * that are not ASCII; Record-Tombstone: true for a record without a value. Producer-Id and its companions:
 * producer-stamp.ts.
 */
import type { TopicEntry } from '../../../engine/engine.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import type { ProducerStamp, RecordHeader } from '../../../engine/records/encode.ts';
import type { Principal } from '../../../tenancy/tenancy.ts';
import type { ProduceRecord } from '../../operations/produce.ts';
import { produceStamped } from '../../operations/produce-stamped.ts';
import { findTopic } from '../../operations/topics.ts';
import { type DoorParts, keepForTurn, mayTakeNow, settle, type TenantHandler } from '../guard.ts';
import { booleanIn } from '../boolean-in.ts';
import type { KnownQuery } from '../known-query.ts';
import { acksOf, countFailed, refusePartitionInQuery, replyAccepted, replyOutcome } from '../produce-replies.ts';
import { replyStamped, stampedPartition, stampOf } from '../producer-stamp.ts';
import { contentCoding, expand, tooLarge } from '../read-body.ts';
import { replyFailure } from '../reply-problem.ts';
import type { HttpExchange } from '../servers/server.ts';
import { writableTopic } from './find-topic.ts';

export const produceRecordQuery: KnownQuery = { names: ['acks'], unlisted: ['partition'] };

export function produceRecord(parts: DoorParts): TenantHandler {
  const { context } = parts;
  return (exchange, principal) => {
    refusePartitionInQuery(exchange, 'the header Record-Partition');
    const topic = findTopic(context, principal, exchange.param('topic'));
    const meta = recordMeta(exchange);
    if (topic) return take(parts, exchange, principal, topic, meta);
    return writableTopic(context, principal, exchange).then((made) => take(parts, exchange, principal, made, meta));
  };
}

function take(
  parts: DoorParts,
  exchange: HttpExchange,
  principal: Principal,
  topic: TopicEntry,
  meta: RecordMeta,
): void {
  const { context } = parts;
  const { produceBytesMax } = context.settings;
  const { contentEncoding } = meta;
  const onTooLarge = (): void => replyFailure(context, exchange, tooLarge(produceBytesMax));
  if (contentEncoding === undefined) {
    // The body is lent: the producer has copied its bytes into a batch when `store` returns.
    exchange.lendBody(
      produceBytesMax,
      (body) => {
        if (mayTakeNow(parts, principal.clusterId)) store(parts, exchange, principal, topic, meta, body);
        else {
          keepForTurn(parts, exchange, principal.clusterId, body, (kept) =>
            store(parts, exchange, principal, topic, meta, kept),
          );
        }
      },
      onTooLarge,
    );
    return;
  }
  const unpack = (body: Buffer): void =>
    settle(context, exchange, async () => {
      store(parts, exchange, principal, topic, meta, await expand(exchange, body, contentEncoding, produceBytesMax));
    });
  exchange.readBody(produceBytesMax, unpack, onTooLarge);
}

function store(
  { context, producer }: DoorParts,
  exchange: HttpExchange,
  principal: Principal,
  topic: TopicEntry,
  meta: RecordMeta,
  body: Uint8Array,
): void {
  const acks = acksOf(exchange);
  const { key, headers, partition, timestampMs, isTombstone, stamp } = meta;
  if (isTombstone && body.length > 0) {
    throw new InvalidRequest('Record-Tombstone', 'a tombstone has no value: send an empty body');
  }
  const record: ProduceRecord = { key, value: isTombstone ? null : body, headers, partition, timestampMs };
  if (stamp) {
    const at = stampedPartition([record], 'Record-Partition');
    produceStamped(context, principal, topic, at, [record], stamp, (outcomes) => {
      if (acks === 'stored') replyStamped(context, exchange, outcomes, true);
      else countFailed(context, 'http', outcomes);
    });
  } else
    producer.produceOne(principal, topic, record, (outcome) => {
      if (acks === 'stored') replyOutcome(exchange, outcome);
      else countFailed(context, 'http', [outcome]);
    });
  if (acks === 'none') replyAccepted(exchange, 1);
}

interface RecordMeta {
  readonly key: Buffer | null;
  readonly headers: readonly RecordHeader[] | undefined;
  readonly partition: number | undefined;
  readonly timestampMs: number | undefined;
  readonly isTombstone: boolean;
  readonly contentEncoding: string | undefined;
  readonly stamp: ProducerStamp | undefined;
}

const plainMeta: RecordMeta = {
  key: null,
  headers: undefined,
  partition: undefined,
  timestampMs: undefined,
  isTombstone: false,
  contentEncoding: undefined,
  stamp: undefined,
};

// Shared by all requests, so that those without headers of ours allocate no closure and no object.
let isPlain = true;
const notice = (name: string): void => {
  if (name === 'content-encoding' || name === 'producer-id' || name.startsWith('record-')) isPlain = false;
};

/** Throws InvalidRequest with the header's name as field. */
function recordMeta(exchange: HttpExchange): RecordMeta {
  isPlain = true;
  exchange.eachHeader(notice);
  return isPlain ? plainMeta : readMeta(exchange);
}

function readMeta(exchange: HttpExchange): RecordMeta {
  let key: string | undefined;
  let partition: number | undefined;
  let timestampMs: number | undefined;
  let headers: [string, string][] | undefined;
  let encoding: BufferEncoding = 'latin1';
  let isTombstone = false;
  let contentEncoding: string | undefined;
  exchange.eachHeader((name, value) => {
    if (name === 'content-encoding') contentEncoding = contentCoding(value);
    if (!name.startsWith('record-')) return;
    if (name === 'record-key') key = value;
    else if (name.startsWith('record-header-')) (headers ??= []).push([name.slice(14), value]);
    else if (name === 'record-partition') partition = wholeNumber('Record-Partition', value);
    else if (name === 'record-timestamp') timestampMs = wholeNumber('Record-Timestamp', value);
    else if (name === 'record-tombstone') isTombstone = booleanIn('Record-Tombstone', value);
    else if (name === 'record-encoding') {
      if (value !== 'base64') throw new InvalidRequest('Record-Encoding', `Record-Encoding: ${value}: use base64`);
      encoding = 'base64';
    } else throw new InvalidRequest(name, `the header ${name} is not known`);
  });
  return {
    key: key === undefined ? null : headerBytes('Record-Key', key, encoding),
    headers: headers?.map((pair) => recordHeader(pair, encoding)),
    partition,
    timestampMs,
    isTombstone,
    contentEncoding,
    stamp: stampOf(exchange),
  };
}

function recordHeader([name, value]: readonly [string, string], encoding: BufferEncoding): RecordHeader {
  return { key: name, value: headerBytes(`Record-Header-${name}`, value, encoding) };
}

/** Transports disagree on non-ASCII bytes in headers, so such text must come as base64. */
function headerBytes(field: string, text: string, encoding: BufferEncoding): Buffer {
  const allowed = encoding === 'base64' ? /^[A-Za-z0-9+/_-]*={0,2}$/ : /^[\t\x20-\x7e]*$/;
  if (allowed.test(text)) return Buffer.from(text, encoding);
  throw new InvalidRequest(
    field,
    encoding === 'base64'
      ? `${field} is not base64`
      : `${field} has characters beyond ASCII: send it as base64, with Record-Encoding: base64`,
  );
}

function wholeNumber(field: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidRequest(field, `${field}: ${text} is not a whole number`);
}
