/** Whole replies over a uWebSockets.js response, in as few calls into the library as possible. */
import { assertHeaders, byteLength, isBodiless, statusLine } from './dispatch.ts';
import type { HeaderList } from './server.ts';
import type { UwsResponse } from './uws-types.ts';

/** The reply that `writeCorked` writes: cork calls it at once, so one object serves all and no closure is made. */
const corked: {
  response: UwsResponse | undefined;
  status: number;
  headers: HeaderList;
  body: string | Uint8Array | undefined;
  close: boolean;
  isHead: boolean;
} = { response: undefined, status: 0, headers: [], body: undefined, close: false, isHead: false };

/** The head of the previous reply: nearly all replies have the same status and the same constant list of headers. */
const lastHead: { status: number; headers: HeaderList; text: string } = { status: 0, headers: [], text: '' };

/**
 * Status line and headers as one text, without the last line break. uWS writes a status unchecked, and each call into it
 * costs as much as all our work on a header.
 */
export function headText(status: number, headers: HeaderList): string {
  if (status === lastHead.status && headers === lastHead.headers) return lastHead.text;
  let text = statusLine(status);
  for (let i = 0; i < headers.length; i++) text += `\r\n${headers[i]![0]}: ${headers[i]![1]}`;
  lastHead.status = status;
  lastHead.headers = headers;
  lastHead.text = text;
  return text;
}

function writeCorked(): void {
  const { status, headers, body, close, isHead } = corked;
  const response = corked.response!;
  corked.response = undefined;
  corked.body = undefined;
  response.writeStatus(headText(status, headers));
  if (isBodiless(status)) endHead(response, close);
  else if (isHead) endHead(response, close, byteLength(body ?? ''));
  else response.end(body ?? '', close);
}

/**
 * Ends a reply without a body. uWS takes any argument, even `undefined`, as a length, and then waits for that many bytes:
 * the next request on the connection would find it busy and be cut. So we write the length as a header ourselves.
 */
export function endHead(response: UwsResponse, close: boolean, contentLength?: number): void {
  if (close) response.writeHeader('connection', 'close');
  if (contentLength !== undefined) response.writeHeader('content-length', String(contentLength));
  response.endWithoutBody();
}

/** A list never changes, so each constant list is checked once. */
export function assertHeadersOnce(headers: HeaderList): void {
  if (headers !== lastHead.headers) assertHeaders(headers);
}

export function sendReply(
  response: UwsResponse,
  status: number,
  headers: HeaderList,
  body: string | Uint8Array | undefined,
  close: boolean,
  isHead: boolean,
): void {
  corked.response = response;
  corked.status = status;
  corked.headers = headers;
  corked.body = body;
  corked.close = close;
  corked.isHead = isHead;
  response.cork(writeCorked);
}
