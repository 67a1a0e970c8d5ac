/**
 * One broker process, from its start until it is reaped. It loads its program and then stands by. It learns its slot over
 * the IPC channel, so a process may be started long before it is needed.
 *
 *   loading -> ready -> assigned -> gone
 *        any of these -> gone
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { assert } from '../../engine/kernel/assert.ts';
import type { BrokerSlot } from '../../engine/ports.ts';
import { type BrokerHome, brokerMark } from './leftovers.ts';
import { forgetProcess, noteProcess } from './notes.ts';

/** The messages between the two processes. A broker also sees the end of the channel: its parent is gone. */
export type ToBroker =
  | { readonly kind: 'serve'; readonly slot: BrokerSlot }
  | { readonly kind: 'ping' }
  | { readonly kind: 'stop' };
export type FromBroker = { readonly kind: 'ready' } | { readonly kind: 'serving' } | { readonly kind: 'pong' };

export interface ChildOptions {
  /** The script that node runs, and its arguments. */
  readonly program: string;
  readonly arguments: readonly string[];
  readonly home: BrokerHome;
  /** Receives each line that it writes to stderr or stdout. */
  log(brokerId: number | undefined, line: string): void;
}

/**
 * The size of a broker's thread pool, unless the environment sets it. The write-ahead log's sync, on which acknowledgements
 * wait, must find a free thread beside a roll-up, two reads of segments, the close of a removed file and the metadata
 * store's commit: Node's default of four is one too few.
 */
const poolThreads = 8;

/** Longer lines are forwarded in pieces, so that a broker without newlines costs no memory here. */
const lineBytesMax = 16 * 1024;

export class Child {
  readonly #process: ChildProcess;
  /** Resolves when the process exists; rejects when the system refuses to create one. */
  readonly spawned: Promise<void>;
  /** Resolves when it is reaped. Stays pending when there was never a process. */
  readonly exited: Promise<void>;
  slot: BrokerSlot | undefined;
  isReady = false;
  /** It has opened its session and answers requests. */
  isServing = false;
  isGone = false;
  /** A ping has been sent and not answered yet. */
  awaitsPong = false;
  /** Called when `isReady` or `isGone` changes. */
  onChange: () => void = () => undefined;

  constructor(options: ChildOptions) {
    const { program, arguments: args, home } = options;
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { UV_THREADPOOL_SIZE: `${poolThreads}`, ...process.env, ...brokerMark(home) },
    });
    this.#process = child;
    const { pid } = child;
    if (pid !== undefined) noteProcess(home.notes, 'process', pid);
    const log = (line: string): void => options.log(this.slot?.brokerId, line);
    forward(child.stdout, log);
    forward(child.stderr, log);
    child.on('message', (message) => this.#heard(message as FromBroker));
    // 'exit', not 'close': the latter waits for pipes that a grandchild may hold open.
    this.exited = new Promise((reaped) =>
      child.once('exit', () => {
        if (pid !== undefined) forgetProcess(home.notes, 'process', pid);
        this.#gone(reaped);
      }),
    );
    this.spawned = new Promise((resolve, reject) => {
      child.once('spawn', () => resolve());
      // After the start an error is a message or a signal that did not arrive; the exit event reports the rest.
      child.on('error', reject);
    });
    this.spawned.catch(() => this.#gone(() => undefined));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  assign(slot: BrokerSlot): void {
    assert(this.slot === undefined, 'a process serves one slot in its life');
    this.slot = slot;
    this.#tell({ kind: 'serve', slot });
  }

  ping(): void {
    this.awaitsPong = true;
    this.#tell({ kind: 'ping' });
  }

  /** Asks the process to stop cleanly. */
  stop(): void {
    if (this.#process.connected) this.#tell({ kind: 'stop' });
    else this.#process.kill('SIGTERM');
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** If the channel closes during the message, the process is ending, which its exit event will report. */
  #tell(message: ToBroker): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  #heard(message: FromBroker): void {
    if (message.kind === 'serving') this.isServing = true;
    else if (message.kind === 'pong') this.awaitsPong = false;
    else if (message.kind === 'ready') {
      this.isReady = true;
      this.onChange();
    }
  }

  #gone(reaped: () => void): void {
    this.isGone = true;
    this.isServing = false;
    reaped();
    this.onChange();
  }
}

/** A process for which the system had no files left has no streams; `spawned` reports that. */
function forward(stream: Readable | null | undefined, log: (line: string) => void): void {
  if (!stream) return;
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') log(line);
    if (rest.length < lineBytesMax) return;
    log(rest);
    rest = '';
  });
  stream.on('end', () => {
    if (rest !== '') log(rest);
  });
}
