/** Answers requests that the server could not parse, with the same problems on every port. */
import type { Duplex } from 'node:stream';
import { type Problem, problem } from '../failures.ts';
import { statusLine } from './dispatch.ts';

export const problemType = 'application/problem+json';

export const headTooLarge: Problem = problem(
  'head-too-large',
  'the request line and headers are too large: send less in the path, the query, or the headers',
);
const unparsable: Problem = problem('invalid-request', 'the request cannot be parsed as HTTP');

/** For the event clientError of node:http. */
export function refuseConnection(error: Error & { code?: string }, socket: Duplex): void {
  // Before the handshake ends there is nobody to answer.
  const isHandshake = error.code?.startsWith('ERR_SSL') || error.code?.startsWith('ERR_TLS');
  if (isHandshake || error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    socket.end(`HTTP/1.1 ${statusLine(408)}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return;
  }
  const answer = error.code === 'HPE_HEADER_OVERFLOW' ? headTooLarge : unparsable;
  const body = JSON.stringify(answer);
  const head = `HTTP/1.1 ${statusLine(answer.status)}\r\nConnection: close\r\nContent-Type: ${problemType}`;
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
