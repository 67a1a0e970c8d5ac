/** Runs handlers so that none of their errors reaches the transport, where a throw can end the process. */
import { STATUS_CODES } from 'node:http';
import { assert } from '../../../engine/kernel/assert.ts';
import type { Failure } from '../../../engine/kernel/failure.ts';
import type { HeaderList, HttpExchange, HttpHandler, ServerDoors } from './server.ts';

const problemHeaders: HeaderList = [['content-type', 'application/problem+json']];
const internalErrorBody = JSON.stringify({ type: 'about:blank', title: 'Internal Server Error', status: 500 });

export function runHandler(handler: HttpHandler, exchange: HttpExchange, doors: ServerDoors): void {
  try {
    const pending = handler(exchange);
    if (pending) pending.catch((error: unknown) => handlerFailed(error, exchange, doors));
  } catch (error) {
    handlerFailed(error, exchange, doors);
  }
}

/** Also guards callbacks that a handler registered (body, drain, abort). */
export function guarded(run: () => void, exchange: HttpExchange, doors: ServerDoors): void {
  try {
    run();
  } catch (error) {
    handlerFailed(error, exchange, doors);
  }
}

/** Like guarded, for the callback that takes a whole body, without a closure around it. */
export function guardedBody(
  run: (body: Uint8Array) => void,
  body: Uint8Array,
  exchange: HttpExchange,
  doors: ServerDoors,
): void {
  try {
    run(body);
  } catch (error) {
    handlerFailed(error, exchange, doors);
  }
}

/** For requests that the transport itself must refuse while a handler waits for the body. */
export function guardedRefusal(failure: Failure, exchange: HttpExchange, doors: ServerDoors): void {
  handlerFailed(failure, exchange, doors);
}

function handlerFailed(error: unknown, exchange: HttpExchange, doors: ServerDoors): void {
  try {
    doors.failed?.(error, exchange);
  } catch {
    // The renderer itself failed: only the plain reply below is left.
  }
  // A no-op when `failed` or the handler has replied already.
  exchange.reply(500, problemHeaders, internalErrorBody);
}

/** Calls into a WebSocket session; false when it threw and the peer must be closed with 1011. */
export function runSession(run: () => void, doors: ServerDoors): boolean {
  try {
    run();
    return true;
  } catch (error) {
    try {
      doors.failed?.(error, undefined);
    } catch {
      // As above.
    }
    return false;
  }
}

/** '404 Not Found', built once per status. */
export function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (!line) statusLines.set(status, (line = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`));
  return line;
}
const statusLines = new Map<number, string>();

export function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

const unsafeInHeader = /[^\t\x20-\x7e]/;

/** A line break in a value would let a client inject headers; uWebSockets.js sends values unchecked. */
export function assertHeaders(headers: HeaderList): void {
  for (let i = 0; i < headers.length; i++) {
    const pair = headers[i]!;
    if (unsafeInHeader.test(pair[1])) assert(false, `header ${pair[0]} holds a forbidden character`);
  }
}

export function byteLength(body: string | Uint8Array): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
}
