/** Runs the command line in a test: a scripted server behind fetch, and the captured output. */
import { run } from './run.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly key: string | undefined;
  readonly address: string;
  readonly headers: Headers;
  readonly body: unknown;
  /** The body as it was sent. */
  readonly text: string | undefined;
}

export type Reply = (asked: Asked) => Response | Promise<Response>;

export interface Outcome {
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
  readonly asked: readonly Asked[];
}

export interface RunOptions {
  readonly environment?: Record<string, string>;
  readonly files?: Record<string, string>;
  readonly stdin?: readonly (string | Uint8Array)[];
  readonly signal?: AbortSignal;
}

/** Runs `headgate <words>` against `reply`. */
export async function headgate(words: string, reply: Reply, options: RunOptions = {}): Promise<Outcome> {
  let out = '';
  let err = '';
  const asked: Asked[] = [];
  async function* stdin(): AsyncGenerator<string | Uint8Array> {
    yield* options.stdin ?? [];
  }
  const code = await run(
    {
      out: async (text) => void (out += text),
      err: (text) => void (err += text),
      environment: options.environment ?? {},
      readFile: (path) => options.files?.[path],
      stdin: stdin(),
      signal: options.signal ?? new AbortController().signal,
      fetch: async (input, init) => {
        const url = new URL(String(input));
        const headers = new Headers(init?.headers);
        const text = typeof init?.body === 'string' ? init.body : undefined;
        const body = text === undefined ? undefined : (JSON.parse(text) as unknown);
        const one: Asked = {
          method: init?.method ?? 'GET',
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          key: headers.get('Authorization')?.replace('Bearer ', ''),
          address: url.origin,
          headers,
          body,
          text,
        };
        asked.push(one);
        return reply(one);
      },
    },
    words.split(' ').filter(Boolean),
  );
  return { code, out, err, asked };
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json', ...headers } });
}
