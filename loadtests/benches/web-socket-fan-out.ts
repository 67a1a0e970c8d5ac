/**
 * One topic to 1,000 WebSocket subscribers, 10 records of 256 B a tick, against uWebSockets.js that publishes the same
 * messages from memory. An operation is one record at one subscriber. The next tick is published while at most `ticksAhead`
 * have not arrived everywhere, so that neither side gains by filling the other's buffers.
 */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Bench, BenchEnvironment, Target } from '../compare/bench.ts';
import { clientCore, pin, serverCore } from '../compare/pin.ts';
import { startHeadgate } from '../servers/serve.ts';

const subscribersFull = 1_000;
const recordsPerTick = 10;
const recordBytes = 256;
const ticksAhead = 4;
/** Ends every record, twice: the marker that the sink counts. */
const marker = '@';
/** A tick that does not arrive everywhere within this time counts as lost. */
const tickMsMax = 30_000;

interface Sink {
  readonly pid: number;
  count(): number;
  /** Resolves when `count` has reached `wanted`. */
  reached(wanted: number): Promise<void>;
  stop(): void;
}

export const webSocketFanOut: Bench = {
  name: 'ws-fanout',
  about:
    '1,000 WebSocket subscribers at the tail of one partition, 10 records of 256 B a tick; needs a C compiler (cc)',
  unit: 'deliveries',
  goals: [
    { target: 'JSON, page cache', of: 'rate', atLeast: 0.7 },
    { target: 'binary, page cache', of: 'rate', atLeast: 0.7 },
  ],
  async open(environment) {
    const program = compileSink(environment);
    const subscribers = Math.max(1, Math.round(subscribersFull * environment.scale));
    const raw = fork(join(environment.dist, 'loadtests', 'servers', 'uws-publish.js'), [String(recordBytes)]);
    pin(raw.pid!, serverCore);
    const [{ port }] = (await once(raw, 'message')) as [{ port: number }];
    const rawSink = await startSink(program, port, subscribers, '/v1/ws', '', '');
    const headgate = await startHeadgate(environment, ['--durability', 'page-cache']);
    const sinks: Sink[] = [rawSink];
    const targets: Target[] = [
      fanOut('uWS publish', subscribers, rawSink, { server: [raw.pid!] }, () => {
        raw.send({ count: recordsPerTick });
        return Promise.resolve();
      }),
    ];
    for (const [name, protocol] of [
      ['JSON, page cache', 'json'],
      ['binary, page cache', 'bin'],
    ] as const) {
      const topic = `fanout-${protocol}`;
      await headgate.topic(topic, 1);
      // From the start of the empty topic: that is the tail, without a race between the subscription and the first record.
      const sink = await startSink(
        program,
        Number(new URL(headgate.instance.http).port),
        subscribers,
        '/v1/ws',
        `Authorization: ${headgate.headers['Authorization']}\r\nSec-WebSocket-Protocol: headgate.v1.${protocol}`,
        JSON.stringify({ op: 'subscribe', sub: 1, topic, from: 'earliest' }),
      );
      sinks.push(sink);
      const value = 'x'.repeat(recordBytes - 2) + marker + marker;
      const body = JSON.stringify({ records: Array(recordsPerTick).fill({ value }) });
      const headers = { 'content-type': 'application/json' };
      targets.push(
        fanOut(name, subscribers, sink, headgate.processes, () =>
          headgate.post(`/v1/topics/${topic}/records`, body, headers),
        ),
      );
    }
    return {
      targets,
      async stop() {
        for (const sink of sinks) sink.stop();
        raw.kill();
        await headgate.stop();
      },
    };
  },
};

function compileSink(environment: BenchEnvironment): string {
  const program = join(environment.folder(), 'web-socket-sink');
  const source = join(environment.dist, '..', 'loadtests', 'sinks', 'web-socket-sink.c');
  const { status, stderr, error } = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the sink of this bench needs a C compiler: ${error?.message ?? stderr}`);
  return program;
}

async function startSink(
  program: string,
  port: number,
  connections: number,
  path: string,
  authorization: string,
  message: string,
): Promise<Sink> {
  const child: ChildProcess = spawn(program, [port, connections, path, authorization, message, marker].map(String), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  pin(child.pid!, clientCore);
  let count = 0;
  let wake: () => void = () => {};
  const lines = createInterface({ input: child.stdout! });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => {
      reject(new Error('the sink ended before its sockets were open'));
      wake();
    });
    lines.on('line', (line) => {
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

function fanOut(
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
