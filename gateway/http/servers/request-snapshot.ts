/**
 * A request's head, copied out of the connection; both drivers' exchanges extend it. uWebSockets.js reuses its request
 * object as soon as the handler returns, and reading every header once costs no more than asking for the few that a handler
 * wants.
 */
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import type { RequestHead, UpgradeRequest } from './server.ts';
import type { RouteMatch } from './route-table.ts';

export class RequestSnapshot implements RequestHead {
  readonly method: string;
  readonly path: string;
  readonly queryString: string;
  /** Bytes of content-length; 0 without a body; undefined when chunked. The transports refuse most malformed lengths. */
  readonly declaredBytes: number | undefined;
  /**
   * Why the end or the addressee of this request is ambiguous. A proxy in front may have read it differently, and the bytes
   * behind it would then be somebody else's request (RFC 9112, 3.2 and 6). The request is refused and its connection ends.
   */
  readonly headFault: InvalidRequest | undefined;
  #clusterId = '';
  #expandedBytes = 0;
  /** Name, value, name, value; names in lower case. */
  readonly #headers: readonly string[];
  #query: URLSearchParams | undefined;

  constructor(method: string, path: string, queryString: string, headers: readonly string[]) {
    this.method = method;
    this.path = path;
    this.queryString = queryString;
    this.#headers = headers;
    const framing = readFraming(headers);
    this.declaredBytes = framing.declaredBytes;
    this.headFault = framing.fault;
  }

  /** See HttpExchange. */
  knownAs(clusterId: string): void {
    this.#clusterId = clusterId;
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  /** See HttpExchange. */
  cameTo(bytes: number): void {
    this.#expandedBytes = bytes;
  }

  protected bodyBytesOf(receivedBytes: number): number {
    return Math.max(receivedBytes, this.#expandedBytes, this.declaredBytes ?? 0);
  }

  query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.queryString));
  }

  header(name: string): string | undefined {
    const headers = this.#headers;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
    return undefined;
  }

  eachHeader(visit: (name: string, value: string) => void): void {
    const headers = this.#headers;
    for (let i = 0; i + 1 < headers.length; i += 2) visit(headers[i] ?? '', headers[i + 1] ?? '');
  }

  remoteAddress(): string {
    return '';
  }
}

interface Framing {
  declaredBytes: number | undefined;
  fault: InvalidRequest | undefined;
}

/** Refilled for each request, in one pass, and read at once. */
const framing: Framing = { declaredBytes: 0, fault: undefined };

function readFraming(headers: readonly string[]): Readonly<Framing> {
  framing.declaredBytes = 0;
  framing.fault = undefined;
  let length: string | undefined;
  let coding: string | undefined;
  let host: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name === 'content-length') {
      if (length !== undefined) fault(name, 'Content-Length is given twice');
      length = headers[i + 1]!;
    } else if (name === 'transfer-encoding') {
      if (coding !== undefined) fault(name, 'Transfer-Encoding is given twice');
      coding = headers[i + 1]!;
    } else if (name === 'host') {
      if (host !== undefined) fault(name, 'Host is given twice');
      host = headers[i + 1]!;
    }
  }
  if (coding !== undefined) {
    framing.declaredBytes = undefined;
    if (coding.toLowerCase() !== 'chunked') {
      fault(
        'transfer-encoding',
        `Transfer-Encoding ${coding}: only chunked is accepted; name a compression in Content-Encoding`,
      );
    } else if (length !== undefined) fault('content-length', 'Content-Length and Transfer-Encoding cannot be combined');
  } else if (length !== undefined) {
    framing.declaredBytes = Number(length);
    if (!/^\d+$/.test(length)) fault('content-length', 'Content-Length is not a number');
  }
  return framing;
}

function fault(field: string, message: string): void {
  framing.fault ??= new InvalidRequest(field, message);
}

/** Throws InvalidRequest when the parameter's percent-encoding is malformed. */
export function pathParameter(match: RouteMatch, name: string): string {
  const raw = match.values[match.names.indexOf(name)];
  if (raw === undefined) throw new InvalidRequest(name, `the path has no parameter ${name}`);
  if (name === '*' || !raw.includes('%')) return raw;
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new InvalidRequest(name, `malformed percent-encoding in ${raw}`);
  }
}

export class UpgradeSnapshot extends RequestSnapshot implements UpgradeRequest {
  readonly #address: string;

  constructor(method: string, path: string, queryString: string, headers: readonly string[], address: string) {
    super(method, path, queryString, headers);
    this.#address = address;
  }

  get protocols(): readonly string[] {
    const offered: string[] = [];
    this.eachHeader((name, value) => {
      if (name === 'sec-websocket-protocol') offered.push(...value.split(',').map((part) => part.trim()));
    });
    return offered.filter((protocol) => protocol !== '');
  }

  get origin(): string | undefined {
    return this.header('origin');
  }

  override remoteAddress(): string {
    return this.#address;
  }
}
