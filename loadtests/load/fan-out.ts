/**
 * Ticks of records to many subscribers. An operation is one record at one subscriber. The next tick is published while at most
 * `ticksAhead` have not arrived everywhere, so that neither side gains by filling the other's buffers.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BenchEnvironment, Target } from '../compare/bench.ts';
import { clientCore, pin } from '../compare/pin.ts';

export const recordsPerTick = 10;
export const recordBytes = 256;
const ticksAhead = 4;
/** Ends every record, twice: the marker that the sink counts. */
const marker = '@';
export const recordValue = 'x'.repeat(recordBytes - 2) + marker + marker;
/** A tick that does not arrive everywhere within this time counts as lost. */
const tickMsMax = 30_000;

const subscribersFull = 1_000;

export function subscribersOf({ scale }: BenchEnvironment): number {
  return Math.max(1, Math.round(subscribersFull * scale));
}

/** What each subscriber sends to begin. */
export interface Opening {
  readonly port: number;
  readonly path: string;
  /** The lines of the request's head beside Host. */
  readonly headers: Readonly<Record<string, string>>;
  readonly status: 101 | 200;
  /** The first message on a WebSocket. */
  readonly message?: string;
}

export interface Sink {
  readonly pid: number;
  count(): number;
  /** Resolves when `count` has reached `wanted`. */
  reached(wanted: number): Promise<void>;
  stop(): void;
}

export function compileSink(environment: BenchEnvironment): string {
  const program = join(environment.folder(), 'fan-out-sink');
  const source = join(environment.dist, '..', 'loadtests', 'sinks', 'fan-out-sink.c');
  const { status, stderr, error } = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the sink of this bench needs a C compiler: ${error?.message ?? stderr}`);
  return program;
}

/** Resolves when all subscribers have been answered. */
export async function startSink(program: string, subscribers: number, opening: Opening): Promise<Sink> {
  const { port, path, headers, status, message = '' } = opening;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const given = [port, subscribers, path, lines.join(''), status, message, marker].map(String);
  const child: ChildProcess = spawn(program, given, { stdio: ['ignore', 'pipe', 'inherit'] });
  pin(child.pid!, clientCore);
  let count = 0;
  let wake: () => void = () => {};
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => {
      reject(new Error('the sink ended before its sockets were open'));
      wake();
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line === 'ready') resolve();
      else count = Number(line);
      wake();
    });
  });
  return {
    pid: child.pid!,
    count: () => count,
    async reached(wanted) {
      const deadline = setTimeout(() => child.kill('SIGKILL'), tickMsMax);
      while (count < wanted) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error('records did not arrive everywhere');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      clearTimeout(deadline);
    },
    stop: () => child.kill('SIGKILL'),
  };
}

export function fanOut(
  name: string,
  subscribers: number,
  sink: Sink,
  processes: Target['processes'],
  publish: () => Promise<unknown>,
): Target {
  const perTick = subscribers * recordsPerTick;
  return {
    name,
    processes: { ...processes, client: [sink.pid] },
    async run(seconds) {
      const before = sink.count();
      const beginMs = performance.now();
      let sent = before;
      let fail: (reason: unknown) => void = () => {};
      const failed = new Promise<never>((_, reject) => {
        fail = reject;
      });
      // A promise that was never awaited may have failed as well.
      failed.catch(() => undefined);
      while (performance.now() - beginMs < seconds * 1e3) {
        // Not awaited: nobody acknowledges the yardstick's ticks either. Their arrival limits how many are in flight.
        publish().catch(fail);
        sent += perTick;
        await Promise.race([sink.reached(sent - perTick * ticksAhead), failed]);
      }
      // Wait for all, so that the next run begins with empty buffers and a lost record is noticed.
      await Promise.race([sink.reached(sent), failed]);
      const operations = sent - before;
      return { operations, bytes: operations * recordBytes, seconds: (performance.now() - beginMs) / 1e3 };
    },
  };
}
