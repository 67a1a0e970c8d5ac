/** Routes that are not about records: the door's own description, the caller's limits and usage, the pages of problems. */
import { type DoorParts, guard } from '../guard.ts';
import { problem } from '../failures.ts';
import { problemKinds, problemPage } from '../problem-kinds.ts';
import { corsHeaders, preflightHeaders, replyJson } from '../reply-headers.ts';
import { replyProblem } from '../reply-problem.ts';
import type { HttpExchange, Route } from '../servers/server.ts';

export function aboutRoutes(parts: DoorParts): Route[] {
  return [
    { method: 'GET', pattern: '/v1', handler: (exchange) => replyJson(exchange, 200, self(parts)) },
    {
      method: 'GET',
      pattern: '/v1/usage',
      handler: guard(parts, (exchange, { clusterId }) => replyJson(exchange, 200, usage(parts, clusterId))),
    },
    {
      method: 'GET',
      pattern: '/problems/{code}',
      handler(exchange) {
        const page = problemPage(exchange.param('code'));
        if (page === undefined) notFound(exchange);
        else exchange.reply(200, [['content-type', 'text/plain; charset=utf-8'], ...corsHeaders], page);
      },
    },
    { method: 'OPTIONS', pattern: '*', handler: (exchange) => exchange.reply(204, preflightHeaders) },
  ];
}

/** Handles every request that no route takes. */
export function notFound(exchange: HttpExchange): void {
  const { allowedMethods, method, path } = exchange;
  if (allowedMethods.length === 0) {
    replyProblem(exchange, problem('not-found', `there is nothing at ${path}: ${adviceFor(path)}`, { kind: 'path' }));
    return;
  }
  const allow = allowedMethods.join(', ');
  replyProblem(exchange, problem('method-not-allowed', `${path} does not accept ${method}: use ${allow}`), [
    ['allow', allow],
  ]);
}

/** For the usual mistakes: a slash too many, and the control plane's paths. */
function adviceFor(path: string): string {
  if (path.startsWith('/admin/') || path === '/docs' || path === '/openapi.json' || path === '/metrics')
    return 'the control plane listens on a port of its own';
  if (path !== '/' && (path.endsWith('/') || path.includes('//'))) return 'leave out the extra slash';
  return 'GET /v1 lists the endpoints';
}

function self({ context: { settings }, settings: door }: DoorParts): Record<string, unknown> {
  return {
    name: 'headgate',
    api: 'v1',
    endpoints: {
      topics: '/v1/topics',
      records: '/v1/topics/{topic}/records',
      groups: '/v1/groups',
      usage: '/v1/usage',
      websocket: '/v1/ws',
      tickets: '/v1/ws-tickets',
      producers: '/v1/producers',
    },
    limits: {
      produce_records_max: settings.produceRecordsMax,
      produce_bytes_max: settings.produceBytesMax,
      fetch_records_max: settings.fetchRecordsMax,
      fetch_bytes_max: settings.fetchBytesMax,
      fetch_wait_ms_max: settings.fetchWaitMsMax,
      websocket_message_bytes_max: door.websocketMessageBytesMax,
    },
    problems: Object.keys(problemKinds).map((code) => `/problems/${code}`),
  };
}

/** Limits by the names that quota problems use; null where there is none. */
function usage({ context: { tenancy } }: DoorParts, clusterId: string): Record<string, unknown> {
  const cluster = tenancy.cluster(clusterId);
  const { producedBytes, producedRecords, fetchedBytes, fetchedRecords, throttledMs } = tenancy.usage(clusterId);
  const limits: Record<string, number | null> = {};
  for (const [name, limit] of Object.entries(cluster?.limits ?? {}))
    limits[name] = Number.isFinite(limit) ? limit : null;
  return {
    cluster: cluster?.name,
    limits,
    used: { ...cluster?.usage },
    totals: {
      produced_bytes: producedBytes,
      produced_records: producedRecords,
      fetched_bytes: fetchedBytes,
      fetched_records: fetchedRecords,
      throttled_ms: throttledMs,
    },
  };
}
