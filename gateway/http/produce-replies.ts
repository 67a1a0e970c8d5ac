/**
 * Answers to produce requests. 200: all records are stored. 207: one result per record, in order, some of them errors. When
 * every record failed in the same way, the whole request is answered with that problem.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { GatewayContext } from '../context.ts';
import type { ProduceOutcome } from '../operations/produce.ts';
import { kafkaProblem } from './failures.ts';
import { jsonHeaders } from './reply-headers.ts';
import { replyProblem } from './reply-problem.ts';
import type { HttpExchange } from './servers/server.ts';

/**
 * 'none' (acks=0): answered before anything is stored. 'stored' (acks=1 and all): an acknowledged record is on disk in both
 * cases; there is no weaker guarantee to wait for.
 */
export type Acks = 'none' | 'stored';

/**
 * It chooses where record batches go; a record has its own. Ignored, the key would have chosen, and nobody would know.
 * Throws InvalidRequest on field `partition`.
 */
export function refusePartitionInQuery(exchange: HttpExchange, instead: string): void {
  if (exchange.queryString === '' || !exchange.query().has('partition')) return;
  throw new InvalidRequest('partition', `?partition= works for record batches only: use ${instead}`);
}

/** Throws InvalidRequest on field `acks`. */
export function acksOf(exchange: HttpExchange): Acks {
  if (exchange.queryString === '') return 'stored';
  const text = exchange.query().get('acks');
  if (text === null || text === 'all' || text === '1' || text === '-1') return 'stored';
  if (text === '0') return 'none';
  throw new InvalidRequest('acks', `acks=${text}: use 0, 1 or all`);
}

export function replyAccepted(exchange: HttpExchange, records: number): void {
  exchange.reply(202, jsonHeaders(exchange), `{"accepted":${records}}`);
}

/** For results that are not the status of their answer, and those that nobody wanted to hear of (acks=0). */
export function countFailed(
  { traffic }: Pick<GatewayContext, 'traffic'>,
  door: 'http' | 'websocket',
  results: readonly { readonly errorCode: number }[],
): void {
  for (let i = 0; i < results.length; i++) {
    const { errorCode } = results[i]!;
    if (errorCode !== 0) traffic.failedInside(door, 'produce', kafkaProblem(errorCode, null).code);
  }
}

/** Builds one result by string concatenation: three numbers need no escaping. */
export function outcomeJson(outcome: ProduceOutcome): string {
  if (outcome.errorCode === 0) {
    return `{"partition":${outcome.partition},"offset":${outcome.offset},"timestamp":${outcome.timestampMs}}`;
  }
  const error = kafkaProblem(outcome.errorCode, outcome.message);
  return JSON.stringify({ partition: outcome.partition, error });
}

export function replyOutcome(exchange: HttpExchange, outcome: ProduceOutcome): void {
  if (outcome.errorCode === 0) exchange.reply(200, jsonHeaders(exchange), outcomeJson(outcome));
  else replyProblem(exchange, kafkaProblem(outcome.errorCode, outcome.message));
}

export function replyOutcomes(
  context: GatewayContext,
  exchange: HttpExchange,
  outcomes: readonly ProduceOutcome[],
): void {
  let failed = 0;
  for (let i = 0; i < outcomes.length; i++) if (outcomes[i]!.errorCode !== 0) failed++;
  const first = outcomes[0]!;
  if (failed === outcomes.length && outcomes.every(({ errorCode }) => errorCode === first.errorCode)) {
    replyProblem(exchange, { ...kafkaProblem(first.errorCode, first.message), failed });
    return;
  }
  if (failed > 0) countFailed(context, 'http', outcomes);
  let results = '';
  for (let i = 0; i < outcomes.length; i++) results += (i === 0 ? '' : ',') + outcomeJson(outcomes[i]!);
  exchange.reply(failed === 0 ? 200 : 207, jsonHeaders(exchange), `{"results":[${results}],"failed":${failed}}`);
}
