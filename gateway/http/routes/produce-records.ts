/** POST /v1/topics/{topic}/records: many records, in the shape that Content-Type names. */
import type { Principal } from '../../../tenancy/tenancy.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { parseFormat, recordOfJson } from '../../operations/record-json.ts';
import type { ProduceRecord } from '../../operations/produce.ts';
import { Refusal } from '../failures.ts';
import type { DoorParts, TenantHandler } from '../guard.ts';
import { acksOf, replyAccepted, replyOutcomes } from '../produce-replies.ts';
import { mediaType, readJsonObject } from '../read-body.ts';
import type { HttpExchange } from '../server.ts';
import { writableTopic } from './find-topic.ts';
import { produceBatches } from './produce-batches.ts';
import { produceLines } from './produce-lines.ts';

export const recordBatchType = 'application/vnd.kafka.recordbatch';
export const linesType = 'application/x-ndjson';

export function produceRecords(parts: DoorParts): TenantHandler {
  return (exchange, principal) => {
    const type = mediaType(exchange.header('content-type'));
    if (type === 'application/json') return produceJson(parts, exchange, principal);
    if (type === linesType) return produceLines(parts, exchange, principal);
    if (type === recordBatchType) return produceBatches(parts, exchange, principal);
    throw new Refusal(
      'unsupported-media-type',
      `Content-Type ${type || '(none)'}: use application/json, ${linesType} or ${recordBatchType}`,
    );
  };
}

/** All records are looked at before the first is stored, so that a malformed one refuses the request whole. */
async function produceJson(parts: DoorParts, exchange: HttpExchange, principal: Principal): Promise<void> {
  const { context, producer } = parts;
  const { produceBytesMax, produceRecordsMax } = context.settings;
  const acks = acksOf(exchange);
  const body = await readJsonObject(exchange, produceBytesMax);
  const list = body['records'];
  if (!Array.isArray(list)) throw new InvalidRequest('records', 'the body must be {"records": [...]}');
  if (list.length === 0) throw new InvalidRequest('records', 'there must be at least one record');
  if (list.length > produceRecordsMax) {
    const detail = `${list.length} records in one request, at most ${produceRecordsMax} are allowed`;
    throw new Refusal('body-too-large', detail, { limit: produceRecordsMax });
  }
  const format = parseFormat(exchange.query().get('format'));
  const records: ProduceRecord[] = [];
  for (let i = 0; i < list.length; i++) records.push(recordOfJson(list[i], format, `records[${i}]`));
  const topic = await writableTopic(context, principal, exchange);
  producer.produce(principal, topic, records, (outcomes) => {
    if (acks === 'stored') replyOutcomes(exchange, outcomes);
  });
  if (acks === 'none') replyAccepted(exchange, records.length);
}
