/** Headers that replies share. The lists are constants, which the transports write without changes. */
import { systemRandom } from '../../engine/kernel/random.ts';
import type { HeaderList, HttpExchange } from './servers/server.ts';

/** Any page may call with its own bearer key: nothing here depends on cookies. */
export const corsHeaders: HeaderList = [
  ['access-control-allow-origin', '*'],
  [
    'access-control-expose-headers',
    'Next-Cursor, High-Watermark, Up-To-Date, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, Allow',
  ],
];

export const preflightHeaders: HeaderList = [
  ['access-control-allow-origin', '*'],
  ['access-control-allow-methods', 'GET, HEAD, POST, PATCH, DELETE, OPTIONS'],
  // '*' does not cover Authorization (Fetch standard), and Record-Header-* names cannot be listed.
  ['access-control-allow-headers', '*, Authorization'],
  ['access-control-max-age', '86400'],
];

const json: HeaderList = [
  ['content-type', 'application/json'],
  ['cache-control', 'no-store'],
];
const jsonWithCors: HeaderList = [...json, ...corsHeaders];

/** The headers of a JSON reply: a constant list unless the client sent a request id. */
export function jsonHeaders(exchange: HttpExchange): HeaderList {
  const headers = exchange.header('origin') === undefined ? json : jsonWithCors;
  return exchange.header('x-request-id') === undefined
    ? headers
    : [...headers, ['x-request-id', requestIdOf(exchange)]];
}

/** As jsonHeaders for another type, with more headers. */
export function headersOf(exchange: HttpExchange, contentType: string, more: HeaderList = []): HeaderList {
  const headers: (readonly [string, string])[] = [
    ['content-type', contentType],
    ['cache-control', 'no-store'],
    ...more,
  ];
  if (exchange.header('origin') !== undefined) headers.push(...corsHeaders);
  if (exchange.header('x-request-id') !== undefined) headers.push(['x-request-id', requestIdOf(exchange)]);
  return headers;
}

export function replyJson(exchange: HttpExchange, status: number, body: unknown, more: HeaderList = []): void {
  const headers = more.length === 0 ? jsonHeaders(exchange) : headersOf(exchange, 'application/json', more);
  exchange.reply(status, headers, JSON.stringify(body));
}

const processTag = systemRandom.bytes(6).toString('hex');
let requests = 0;
const given = new WeakMap<HttpExchange, string>();

/** The client's X-Request-Id when it is harmless, else a generated one. An exchange keeps the same id. */
export function requestIdOf(exchange: HttpExchange): string {
  const asked = exchange.header('x-request-id');
  if (asked !== undefined && /^[\w.:/-]{1,128}$/.test(asked)) return asked;
  let id = given.get(exchange);
  if (id === undefined) given.set(exchange, (id = `${processTag}-${++requests}`));
  return id;
}
