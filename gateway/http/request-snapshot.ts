/**
 * A request's head, copied out of the connection: the base of both drivers' exchanges. uWebSockets.js reuses its request
 * object as soon as the handler returns, and reading every header once costs no more than asking for the few a handler
 * wants.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { RequestHead, UpgradeRequest } from './server.ts';
import type { RouteMatch } from './route-table.ts';

export class RequestSnapshot implements RequestHead {
  readonly method: string;
  readonly path: string;
  readonly queryString: string;
  #clusterId = '';
  /** Name, value, name, value; names in lower case. */
  readonly #headers: readonly string[];
  #query: URLSearchParams | undefined;

  constructor(method: string, path: string, queryString: string, headers: readonly string[]) {
    this.method = method;
    this.path = path;
    this.queryString = queryString;
    this.#headers = headers;
  }

  /** See HttpExchange. */
  knownAs(clusterId: string): void {
    this.#clusterId = clusterId;
  }

  get clusterId(): string {
    return this.#clusterId;
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

  /** Bytes of content-length; 0 without a body; undefined when chunked. The transports refuse malformed lengths. */
  declaredBytes(): number | undefined {
    if (this.header('transfer-encoding') !== undefined) return undefined;
    return Number(this.header('content-length') ?? 0);
  }

  remoteAddress(): string {
    return '';
  }
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
