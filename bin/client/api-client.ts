/** Requests to the control plane and the HTTP door, with failures that say what to do about them. */
import { stringifyKeepingNumbers } from '../../gateway/operations/long-numbers.ts';
import { CommandFailure, type ExitName, Interrupted } from '../command-failure.ts';
import type { CliContext } from '../cli-context.ts';
import { linesOf } from './split-lines.ts';

export interface Endpoint {
  readonly address: string;
  readonly key: string;
  /** For messages: the flag and variable of the address and of the key. */
  readonly addressNames: string;
  readonly keyNames: string;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

interface ProblemBody {
  readonly detail?: string;
  readonly title?: string;
  readonly code?: string;
  readonly kind?: string;
  readonly retryable?: boolean;
  readonly retry_after_ms?: number;
  readonly faults?: readonly { readonly field: string; readonly message: string }[];
}

/** A refusal by the server. */
export class Refused extends CommandFailure {
  readonly code: string;
  readonly status: number;
  /** Set when the server says that nothing took effect and when to retry. */
  readonly retryAfterMs: number | undefined;
  constructor(exit: ExitName, message: string, status: number, problem: ProblemBody) {
    super(exit, message);
    this.status = status;
    this.code = problem.code ?? '';
    this.retryAfterMs = problem.retryable ? (problem.retry_after_ms ?? 1_000) : undefined;
  }
}

export class ApiClient {
  readonly #cli: CliContext;
  readonly #endpoint: Endpoint;

  constructor(cli: CliContext, endpoint: Endpoint) {
    this.#cli = cli;
    this.#endpoint = endpoint;
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#json<T>(await this.send('GET', path, { query }));
  }

  async post<T>(path: string, body?: unknown): Promise<T> {
    return this.#json<T>(await this.send('POST', path, { body }));
  }

  async patch<T>(path: string, body: unknown): Promise<T> {
    return this.#json<T>(await this.send('PATCH', path, { body }));
  }

  async delete(path: string): Promise<void> {
    await this.send('DELETE', path, {});
  }

  /** All items of a paged list. */
  async all<T>(path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const page: { items: T[]; nextCursor?: string } = await this.get(path, { ...query, limit: 1000, cursor });
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return items;
  }

  /** The lines of an answer, as they arrive. */
  async *lines(response: Response): AsyncGenerator<string[]> {
    try {
      yield* linesOf(response);
    } catch (error) {
      throw this.#cutOff(error);
    }
  }

  /** Some servers answer every path with a page of theirs. */
  async #json<T>(response: Response): Promise<T> {
    if (!response.headers.get('Content-Type')?.startsWith('application/json'))
      throw new CommandFailure('unreachable', otherServer(this.#endpoint));
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw this.#cutOff(error);
    }
  }

  /** An answer that began and did not come to its end: fetch then throws at the reader of the body. */
  #cutOff(error: unknown): CommandFailure {
    if (this.#cli.signal.aborted) return new Interrupted();
    if (error instanceof CommandFailure) return error;
    return new CommandFailure('unreachable', `${this.#endpoint.address} broke off its answer`);
  }

  /** Throws CommandFailure for every response that is not a success. */
  async send(
    method: string,
    path: string,
    request: { readonly query?: Query; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Response> {
    const { address, key } = this.#endpoint;
    const { signal } = this.#cli;
    const url = urlOf(address, path, request.query ?? {});
    let response: Response;
    try {
      response = await this.#cli.fetch(url, {
        method,
        signal,
        headers: {
          ...(key && { Authorization: `Bearer ${key}` }),
          ...(request.body !== undefined && { 'Content-Type': 'application/json' }),
          ...request.headers,
        },
        ...(request.body !== undefined && { body: stringifyKeepingNumbers(request.body) }),
      });
    } catch (error) {
      if (signal.aborted) throw new Interrupted();
      throw unreachable(this.#endpoint, error);
    }
    if (response.ok) return response;
    throw await refusal(this.#endpoint, response);
  }
}

export function urlOf(address: string, path: string, query: Query): URL {
  let url: URL;
  try {
    url = new URL(address + path);
  } catch {
    throw new CommandFailure('usage', `'${address}' is not an address: use one such as http://127.0.0.1:8080`);
  }
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  return url;
}

const selfSigned = 'the certificate is self-signed: name it in NODE_EXTRA_CA_CERTS';
const adviceByCode: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'is `headgate serve` running?'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', selfSigned],
  ['SELF_SIGNED_CERT_IN_CHAIN', selfSigned],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'there is no TLS on this port: use http://'],
  ['UND_ERR_SOCKET', 'is the port right, or does it need https://?'],
  ['ECONNRESET', 'is the port right, or does it need https://?'],
]);

/** fetch puts the actual error into `cause`. */
export function unreachable({ address, addressNames }: Endpoint, error: unknown): CommandFailure {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { code?: string }).code ?? (cause instanceof Error ? cause.message : String(cause));
  const advice = adviceByCode.get(code) ?? 'is the address right?';
  return new CommandFailure(
    'unreachable',
    `cannot reach ${address} (${code}): ${advice} (${addressNames} sets the address)`,
  );
}

async function refusal(endpoint: Endpoint, response: Response): Promise<Refused> {
  const problem = await problemOf(response);
  const said = problem.detail ?? problem.title ?? `HTTP ${response.status}`;
  const faults = (problem.faults ?? []).slice(1).map(({ field, message }) => `\n  ${field}: ${message}`);
  const message = said + faults.join('');
  const { status } = response;
  if (status === 401) {
    const advice = endpoint.key === '' ? `set ${endpoint.keyNames}` : `is ${endpoint.keyNames} the one of this server?`;
    return new Refused('denied', `${endpoint.address} does not accept the key: ${advice}`, status, problem);
  }
  if (status === 403) return new Refused('denied', message, status, problem);
  if (isOtherServer(response, problem)) return new Refused('unreachable', otherServer(endpoint), status, problem);
  if (status === 404) return new Refused('notFound', message, status, problem);
  if (problem.retryable) return new Refused('retry', `${message} (try again)`, status, problem);
  return new Refused('failed', message, status, problem);
}

/** How web servers answer a path or a method that they do not have. */
const nothingThere: readonly number[] = [404, 405, 501];

/** The other door, which lacks the path, or another program: every refusal of ours is a problem document. */
function isOtherServer(response: Response, { kind }: ProblemBody): boolean {
  const isProblem = response.headers.get('Content-Type')?.startsWith('application/problem+json');
  return nothingThere.includes(response.status) && (!isProblem || kind === 'path');
}

function otherServer({ address, addressNames }: Endpoint): string {
  return `${address} is another server: is the port right? ${addressNames} sets the address`;
}

async function problemOf(response: Response): Promise<ProblemBody> {
  try {
    return (await response.json()) as ProblemBody;
  } catch {
    return {};
  }
}
