/** Problems on the wire: application/problem+json with the headers that belong to the status. */
import { Failure } from '../../engine/kernel/failure.ts';
import { QuotaExceeded } from '../../tenancy/failures.ts';
import type { ClusterLimits } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { type Problem, problemOf } from './failures.ts';
import { chargeBeside } from '../operations/admit.ts';
import { requestsForRefused } from '../weight.ts';
import { corsHeaders, requestIdOf } from './reply-headers.ts';
import type { HeaderList, HttpExchange } from './servers/server.ts';

export function replyFailure(context: GatewayContext, exchange: HttpExchange, error: unknown): void {
  const answer = problemOf(error);
  chargeRefused(context, exchange, answer);
  if (error instanceof QuotaExceeded) context.traffic.limited('http', error.quota);
  const requestId = requestIdOf(exchange);
  if (answer.code === 'internal') {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const code = error instanceof Failure ? error.code : 'bug';
    context.log('http-request-failed', { requestId, method: exchange.method, path: exchange.path, code, reason });
  }
  replyProblem(exchange, answer);
}

/** Stored records are charged by their bytes; a faulty request is charged by its body's bytes. */
function chargeRefused(context: GatewayContext, exchange: HttpExchange, { status }: Problem): void {
  const { clusterId, bodyBytes } = exchange;
  if (clusterId !== '' && senderErred.has(status)) chargeBeside(context, { clusterId }, requestsForRefused(bodyBytes));
}

/** Client errors: invalid, not found, too large, of an unsupported type. */
const senderErred: ReadonlySet<number> = new Set([400, 404, 413, 415, 422]);

export function replyProblem(exchange: HttpExchange, answer: Problem, more: HeaderList = []): void {
  const requestId = requestIdOf(exchange);
  const headers: [string, string][] = [
    ['content-type', 'application/problem+json'],
    ['cache-control', 'no-store'],
    ['x-request-id', requestId],
    ...corsHeaders.map(([name, value]): [string, string] => [name, value]),
    ...more.map(([name, value]): [string, string] => [name, value]),
  ];
  if (answer.status === 401) headers.push(['www-authenticate', 'Bearer realm="headgate", Basic realm="headgate"']);
  if (answer.retry_after_ms !== undefined) {
    headers.push(['retry-after', String(Math.max(1, Math.ceil(answer.retry_after_ms / 1000)))]);
  }
  const { quota, limit } = answer;
  if (answer.status === 429 && typeof quota === 'string') {
    headers.push(...rateLimitHeaders(quota as keyof ClusterLimits, limit, answer.retry_after_ms ?? 0));
  }
  exchange.reply(answer.status, headers, JSON.stringify({ ...answer, instance: requestId }));
}

/** draft-ietf-httpapi-ratelimit-headers: the quota by name, its size and window, what is left and for how long. */
function rateLimitHeaders(quota: keyof ClusterLimits, limit: unknown, waitMs: number): [string, string][] {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const isRate = quota.includes('PerSecond');
  const unit = quota.includes('Bytes') ? ';qu="content-bytes"' : '';
  const policy = typeof limit === 'number' ? `"${quota}";q=${limit}${isRate ? ';w=1' : ''}${unit}` : `"${quota}"`;
  return [
    ['ratelimit-policy', policy],
    ['ratelimit', `"${quota}";r=0${waitMs > 0 ? `;t=${seconds}` : ''}`],
  ];
}
