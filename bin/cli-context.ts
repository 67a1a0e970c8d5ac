/** The outside world as commands see it, so that tests run them without a terminal or a server. */
import { readFileSync } from 'node:fs';

export interface CliContext {
  /** Machine output and tables. Resolves when the reader has caught up. */
  out(text: string): Promise<void>;
  /** Everything else, for people. */
  err(text: string): void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Undefined when the file does not exist. */
  readFile(path: string): string | undefined;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly fetch: typeof fetch;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** `close` releases standard input, which would keep the process alive while it is open. */
export function processContext(): CliContext & { close(): void } {
  const abort = new AbortController();
  let interrupted = false;
  let reads = false;
  const interrupt = (code: number) => (): void => {
    // The second Ctrl-C ends the process, whatever it is doing.
    if (interrupted) process.exit(code);
    interrupted = true;
    abort.abort();
  };
  return {
    out: (text) =>
      new Promise((resolve) => {
        if (process.stdout.write(text)) resolve();
        else process.stdout.once('drain', resolve);
      }),
    err: (text) => void process.stderr.write(text),
    environment: process.env,
    readFile(path) {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    get stdin() {
      reads = true;
      return process.stdin;
    },
    // Looked up at call time: Node then loads its client, which the server never needs.
    fetch: (input, init) => globalThis.fetch(input, init),
    get signal() {
      // Only commands that can stop cleanly use it; the server handles signals itself.
      if (process.listenerCount('SIGINT') === 0) {
        process.on('SIGINT', interrupt(130));
        process.on('SIGTERM', interrupt(143));
      }
      return abort.signal;
    },
    close() {
      if (reads) process.stdin.destroy();
    },
  };
}
