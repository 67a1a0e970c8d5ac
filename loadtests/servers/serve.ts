/** Servers for benches: a yardstick in a separate process, or a whole Headgate with one topic and a key. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Instance } from '../../bin/demo/instance.ts';
import type { BenchEnvironment } from '../compare/bench.ts';
import { childrenOf } from '../compare/cpu.ts';
import { clientCore, pin, serverCore } from '../compare/pin.ts';

export interface PlainServer {
  readonly pid: number;
  readonly port: number;
  stop(): void;
}

/** `program` under loadtests/servers; it reports its port over IPC. */
export async function startServer(dist: string, program: string, args: readonly string[] = []): Promise<PlainServer> {
  return (await start(dist, program, args)).server;
}

async function start(
  dist: string,
  program: string,
  args: readonly string[],
): Promise<{ readonly child: ChildProcess; readonly server: PlainServer }> {
  const child = fork(join(dist, 'loadtests', 'servers', program), args);
  pin(child.pid!, serverCore);
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, server: { pid: child.pid!, port, stop: () => child.kill() } };
}

/** uWebSockets.js that sends messages of `messageBytes` to all its subscribers. */
export async function startPublisher(
  dist: string,
  messageBytes: number,
): Promise<PlainServer & { publish(count: number): void }> {
  const { child, server } = await start(dist, 'uws-publish.js', [String(messageBytes)]);
  return { ...server, publish: (count) => void child.send({ count }) };
}

export interface Headgate {
  readonly instance: Instance;
  readonly processes: { readonly server: readonly number[]; readonly brokers: readonly number[] };
  readonly headers: Readonly<Record<string, string>>;
  /** POST to the HTTP door; throws on anything but 2xx. */
  post(path: string, body: string | Uint8Array, headers?: Readonly<Record<string, string>>): Promise<unknown>;
  topic(name: string, partitions: number, configs?: Readonly<Record<string, string>>): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Pins the gateway to the server's core and its brokers to the client's: the comparison is between the gateway's core and
 * the yardstick's. The brokers' CPU is reported separately.
 */
export async function startHeadgate(
  environment: BenchEnvironment,
  flags: readonly string[],
  isPinned = true,
): Promise<Headgate> {
  const program = join(environment.dist, 'bin', 'main.js');
  const data = environment.folder();
  const instance = await Instance.start({
    program,
    data,
    flags: ['--quota-profile', 'unlimited', '--spare-brokers', '0', ...flags],
  });
  const brokers = childrenOf(instance.pid);
  if (isPinned) {
    pin(instance.pid, serverCore);
    for (const broker of brokers) pin(broker, clientCore);
  }
  const headers = { Authorization: `Bearer ${instance.environment['HEADGATE_API_KEY']}` };
  const post = async (
    path: string,
    body: string | Uint8Array,
    more: Readonly<Record<string, string>> = {},
  ): Promise<unknown> => {
    const response = await fetch(instance.http + path, { method: 'POST', body, headers: { ...headers, ...more } });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  return {
    instance,
    processes: { server: [instance.pid], brokers },
    headers,
    post,
    async topic(name, partitions, configs = {}) {
      await post('/v1/topics', JSON.stringify({ name, partitions, configs }), { 'content-type': 'application/json' });
    },
    async stop() {
      // Nothing here needs a graceful stop, and the brokers end with their parent.
      await instance.stop('SIGKILL');
    },
  };
}
