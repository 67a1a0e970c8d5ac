/**
 * Brokers as child processes of this one. The IPC channel is a lifeline in both directions: a child whose parent is gone
 * sees it close and exits, and the parent asks for a graceful end over it. A process counts as ended when it is reaped:
 * from then on it can write nothing, which is what makes a kill a fence.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { assert } from '../../engine/kernel/assert.ts';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { BrokerSlot, Fleet } from '../../engine/ports.ts';

export interface ProcessFleetOptions {
  readonly clock: Clock;
  /** One line that a broker wrote to stderr or stdout. */
  log(brokerId: number, line: string): void;
  /** Of the program, for the slot's broker. */
  arguments(slot: BrokerSlot): readonly string[];
  /** The script that node runs; this process's own when absent. */
  readonly program?: string;
}

/** Longer lines are forwarded in pieces, so that a broker without newlines costs no memory here. */
const lineBytesMax = 16 * 1024;

interface Child {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
}

export function processFleet(options: ProcessFleetOptions): Fleet {
  return new ProcessFleet(options);
}

/** Whether no process has this id. One of another user, or a later process with the same id, counts as there. */
export function isGone(pid: number): boolean {
  // Ids of 0 and below name process groups; our own id was another process's before it was ours.
  if (pid <= 0 || pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

class ProcessFleet implements Fleet {
  readonly #options: ProcessFleetOptions;
  readonly #children = new Map<number, Child>();
  readonly #listeners: ((brokerId: number) => void)[] = [];

  constructor(options: ProcessFleetOptions) {
    this.#options = options;
  }

  /** Resolves when the process is there; rejects when the system refuses to make one. */
  start(slot: BrokerSlot): Promise<void> {
    const { brokerId } = slot;
    assert(!this.#children.has(brokerId), 'a slot has one process at a time');
    const program = this.#options.program ?? process.argv[1];
    assert(program !== undefined, 'the program has a path');
    const child = spawn(process.execPath, [program, ...this.#options.arguments(slot)], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#forward(brokerId, child.stdout);
    this.#forward(brokerId, child.stderr);
    return new Promise((resolve, reject) => {
      const exited = new Promise<void>((reaped) => {
        // 'exit', not 'close': the latter waits for pipes that a grandchild may hold open.
        child.once('exit', () => {
          this.#children.delete(brokerId);
          reaped();
          for (const listener of this.#listeners) listener(brokerId);
        });
      });
      child.once('spawn', () => {
        this.#children.set(brokerId, { process: child, exited });
        resolve();
      });
      // After the start an error is a message or a signal that did not arrive; the exit tells the rest.
      child.on('error', reject);
    });
  }

  async kill(brokerId: number): Promise<void> {
    const child = this.#children.get(brokerId);
    if (!child) return;
    child.process.kill('SIGKILL');
    await child.exited;
  }

  async stop(brokerId: number, graceMs: number): Promise<void> {
    const child = this.#children.get(brokerId);
    if (!child) return;
    if (child.process.connected) child.process.send('stop');
    else child.process.kill('SIGTERM');
    const grace = this.#options.clock.after(graceMs, () => child.process.kill('SIGKILL'));
    await child.exited;
    grace.cancel();
  }

  onExit(listener: (brokerId: number) => void): void {
    this.#listeners.push(listener);
  }

  #forward(brokerId: number, stream: Readable | null): void {
    assert(stream, 'stdout and stderr of a broker are pipes');
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') this.#options.log(brokerId, line);
      if (rest.length < lineBytesMax) return;
      this.#options.log(brokerId, rest);
      rest = '';
    });
    stream.on('end', () => {
      if (rest !== '') this.#options.log(brokerId, rest);
    });
  }
}
