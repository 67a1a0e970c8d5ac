/**
 * What the kernel says about a process: one letter for its main thread (R, S, D, T, Z…), from /proc, and whether it is
 * gone. The file stays open between two checks: ten checks a second of every broker then cost one trip to the thread pool
 * each instead of five, and the descriptor means this process alone, whoever gets its id later.
 */
import { close, open, read, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The letter follows the id and a name of at most 64 bytes. */
const readBytes = 128;

export class ProcessState {
  readonly #path: string;
  readonly #target = Buffer.alloc(readBytes);
  #fd: number | undefined;
  #isReading = false;
  #isClosed = false;

  constructor(pid: number) {
    this.#path = pathOf(pid);
  }

  /** One at a time. Undefined where the system gives none, or when the process is reaped. Never rejects. */
  async read(): Promise<string | undefined> {
    if (this.#isClosed) return undefined;
    this.#isReading = true;
    try {
      this.#fd ??= await openFile(this.#path);
      const bytes = this.#fd === undefined ? 0 : await readStart(this.#fd, this.#target);
      return stateIn(this.#target.latin1Slice(0, bytes));
    } finally {
      this.#isReading = false;
      if (this.#isClosed) this.#letGo();
    }
  }

  /** A read in flight ends first. */
  close(): void {
    this.#isClosed = true;
    if (!this.#isReading) this.#letGo();
  }

  #letGo(): void {
    if (this.#fd !== undefined) close(this.#fd, () => undefined);
    this.#fd = undefined;
  }
}

/** For any process, on this thread. */
export function processStateNow(pid: number): string | undefined {
  try {
    return stateIn(readFileSync(pathOf(pid), 'latin1'));
  } catch {
    return undefined;
  }
}

/**
 * The id of its parent, which changes once that parent is dead, and its start time, in ticks since the system's start,
 * which distinguishes it from a later process of the same id. Undefined where the system gives none.
 */
export function originNow(pid: number): { readonly parent: number; readonly startTicks: string } | undefined {
  try {
    const text = readFileSync(pathOf(pid), 'latin1');
    // From the third field of proc(5) on: the parent's id is the fourth field, the start time the twenty-second.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), startTicks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** The process that a thread of this number belongs to; undefined where the system does not say, or it has ended. */
export function processOfThread(thread: number): number | undefined {
  try {
    const group = /^Tgid:\t(\d+)$/m.exec(readFileSync(`/proc/${thread}/status`, 'latin1'))?.[1];
    return group === undefined ? undefined : Number(group);
  } catch {
    return undefined;
  }
}

/** The namespace in which process ids are valid here: a container usually has its own. '' where the system does not say. */
export function pidNamespace(pid: number | 'self' = 'self'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return '';
  }
}

/**
 * Whether no process has this id, or only one that has ended and waits to be reaped by a parent that is busy or stopped. A
 * process of another user, or a later one with the same id, counts as existing.
 */
export function isGone(pid: number): boolean {
  // Ids of 0 and below name process groups; our own id may have been another process's before.
  if (pid <= 0 || pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** False when it ended before the signal, whatever isGone said, or is not ours to signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Gone only with its last thread: while other threads are ending, they may still be in a write. */
function isZombie(pid: number): boolean {
  const state = processStateNow(pid);
  if (state !== 'Z' && state !== 'X') return false;
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch (error) {
    // Reaped meanwhile. When it cannot be checked, for want of files, nothing is known.
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function pathOf(pid: number): string {
  return `/proc/${pid}/stat`;
}

/** "pid (name) state …": the name may hold spaces and parentheses. */
function stateIn(text: string): string | undefined {
  return text[text.lastIndexOf(')') + 2];
}

function openFile(path: string): Promise<number | undefined> {
  return new Promise((done) => open(path, 'r', (error, fd) => done(error ? undefined : fd)));
}

/** Bytes read; 0 for a process that is gone. */
function readStart(fd: number, target: Buffer): Promise<number> {
  return new Promise((done) => read(fd, target, 0, target.length, 0, (error, bytes) => done(error ? 0 : bytes)));
}
