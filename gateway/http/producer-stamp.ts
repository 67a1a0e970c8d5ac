/**
 * Producer-Id, Producer-Epoch and Producer-Sequence: a sender that numbers its own records can repeat a request whose
 * answer it never saw (docs/http.md, Repeating without storing twice).
 */
import { errorCode, errorName } from '../../engine/protocol/error-codes.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { datedProducerId } from '../../engine/records/dated-producer-id.ts';
import type { ProducerStamp } from '../../engine/records/encode.ts';
import type { GatewayContext } from '../context.ts';
import type { ProduceOutcome, ProduceRecord } from '../operations/produce.ts';
import { problem } from './failures.ts';
import { type DoorParts, guard } from './guard.ts';
import { replyOutcome, replyOutcomes } from './produce-replies.ts';
import { replyJson } from './reply-headers.ts';
import { replyProblem } from './reply-problem.ts';
import type { HttpExchange, Route } from './servers/server.ts';

const epochMax = 0x7fff;
const sequenceMax = 0x7fff_ffff;

/** Undefined without a Producer-Id. Throws InvalidRequest with the header's name as field. */
export function stampOf(exchange: HttpExchange): ProducerStamp | undefined {
  const id = exchange.header('producer-id');
  if (id === undefined) return undefined;
  return {
    producerId: numberIn('Producer-Id', id, Number.MAX_SAFE_INTEGER),
    producerEpoch: numberIn('Producer-Epoch', exchange.header('producer-epoch') ?? '0', epochMax),
    baseSequence: numberIn('Producer-Sequence', exchange.header('producer-sequence') ?? '', sequenceMax),
  };
}

function numberIn(field: string, text: string, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Infinity;
  if (value <= max) return value;
  throw new InvalidRequest(field, `${field}: ${text || '(none)'} must be a whole number from 0 to ${max}`);
}

/** The one partition that every record names. Throws InvalidRequest on `field`. */
export function stampedPartition(records: readonly ProduceRecord[], field: string): number {
  const partition = records[0]?.partition;
  if (partition !== undefined && records.every((record) => record.partition === partition)) return partition;
  throw new InvalidRequest(
    field,
    'sequence numbers belong to one partition: every record must name the same partition',
  );
}

const conflicts: ReadonlySet<number> = new Set([
  errorCode.outOfOrderSequenceNumber,
  errorCode.duplicateSequenceNumber,
  errorCode.invalidProducerEpoch,
]);

/** `isOne`: the request is a single record. The outcomes agree because the records form one batch. */
export function replyStamped(
  context: GatewayContext,
  exchange: HttpExchange,
  outcomes: readonly ProduceOutcome[],
  isOne: boolean,
): void {
  const first = outcomes[0]!;
  if (conflicts.has(first.errorCode)) {
    const kafka = { kafka_error: errorName(first.errorCode) };
    replyProblem(
      exchange,
      problem('sequence-conflict', first.message ?? 'the sequence number is not the expected one', kafka),
    );
  } else if (isOne) replyOutcome(exchange, first);
  else replyOutcomes(context, exchange, outcomes);
}

/**
 * Producer ids are allocated for all clusters together and identify nothing but the state that each partition keeps for
 * them. They carry the time at which they were issued: see engine/records/dated-producer-id.ts.
 */
export function producerRoutes(parts: DoorParts): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/v1/producers',
      handler: guard(parts, async (exchange) => {
        const { engine, clock } = parts.context;
        const producerId = datedProducerId(await engine.allocateProducerId(), clock.wallMs());
        replyJson(exchange, 201, { producer_id: producerId, producer_epoch: 0 });
      }),
    },
  ];
}
