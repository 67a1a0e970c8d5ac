/** Foreign programs as children: bounded in time, read by line, and none left when the tests end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const living = new Set<ChildProcess>();
process.once('exit', killChildren);

const errorLinesMax = 200;

/** Ends every child of this module at once. */
export function killChildren(): void {
  for (const child of living) child.kill('SIGKILL');
}

export type Environment = Readonly<Record<string, string>>;

/** A child that runs until it is stopped. */
export class Running {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly errors: string[] = [];
  readonly title: string;

  constructor(command: string, args: readonly string[], environment: Environment, onLine: (line: string) => void) {
    this.title = `${command} ${args.join(' ')}`;
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    living.add(this.#child);
    // `close` comes after the last line of output.
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.errors.push(error.message);
        living.delete(this.#child);
        resolve(null);
      });
      this.#child.once('close', (code) => {
        living.delete(this.#child);
        resolve(code);
      });
    });
    // A child that ends early breaks the pipe: its exit tells more.
    this.#child.stdin!.on('error', () => {});
    createInterface({ input: this.#child.stdout! }).on('line', onLine);
    createInterface({ input: this.#child.stderr! }).on('line', (line) => {
      this.errors.push(line);
      if (this.errors.length > errorLinesMax) this.errors.shift();
      onLine(line);
    });
  }

  get isRunning(): boolean {
    return living.has(this.#child);
  }

  write(text: string): void {
    this.#child.stdin!.end(text);
  }

  /** Its exit code; killed, and an error, when it runs longer than `waitMsMax`. */
  async ended(waitMsMax: number): Promise<number | null> {
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      this.#child.kill('SIGKILL');
    }, waitMsMax);
    const code = await this.#exited;
    clearTimeout(deadline);
    if (late) throw new Error(`still running after ${waitMsMax} ms: ${this.title}\n${this.errors.join('\n')}`);
    return code;
  }

  stop(signal: NodeJS.Signals, waitMsMax: number): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended(waitMsMax);
  }
}

export interface Run {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Environment;
  readonly input?: string;
  readonly waitMsMax: number;
}

/** Runs it to its end and resolves with the lines of its output; an exit code other than 0 is an error. */
export async function finish({ command, args, environment = {}, input = '', waitMsMax }: Run): Promise<string[]> {
  const lines: string[] = [];
  const running = new Running(command, args, environment, (line) => lines.push(line));
  running.write(input);
  const code = await running.ended(waitMsMax);
  if (code !== 0) throw new Error(`exit code ${code}: ${running.title}\n${lines.slice(-60).join('\n')}`);
  return lines;
}

/** Asks `holds` again and again until it is true; an error with `describe()` when that takes too long. */
export async function until(
  what: string,
  waitMsMax: number,
  holds: () => boolean | Promise<boolean>,
  describe: () => string = () => '',
): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${waitMsMax} ms: ${what}\n${describe()}`);
    await once(AbortSignal.timeout(50), 'abort');
  }
}
