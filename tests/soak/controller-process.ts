/** A controller as a separate process, for tests of the whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export class ControllerProcess {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly works: Promise<string>;
  readonly #exited: Promise<unknown>;

  /** `program`: the compiled bin/main.js. `entrance`: words before it. */
  constructor(program: string, data: string, flags: readonly string[], entrance: readonly string[] = []) {
    const args = [process.execPath, program, 'serve', '--role', 'controller', '--data', data, ...flags];
    const [command = '', ...words] = [...entrance, ...args];
    this.child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exited = once(this.child, 'exit');
    createInterface({ input: this.child.stderr! }).on('line', (line) => this.lines.push(line));
    this.works = new Promise((resolve, reject) => {
      createInterface({ input: this.child.stdout! }).on('line', (line) => {
        const id = /^Headgate controller (\S+) is running$/.exec(line)?.[1];
        if (id) resolve(id);
      });
      this.child.once('exit', () => reject(new Error(`a controller ended:\n${this.lines.join('\n')}`)));
    });
    // Awaited by whoever wants to know.
    this.works.catch(() => undefined);
  }

  get runs(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves with the exit code, at once when it has ended already. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    await this.#exited;
    return this.child.exitCode;
  }
}
