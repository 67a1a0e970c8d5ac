/**
 * Other servers that take records over HTTP and keep them on disk. `.ci/clients/setup s2-lite durable-streams` installs
 * them; missing ones are left out of the comparison, and the report says so.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePorts } from '../../infra/network/free-ports.ts';
import type { BenchEnvironment } from '../compare/bench.ts';

export interface Rival {
  readonly name: string;
  readonly pid: number;
  /** Where one record is written with a POST, and the headers it needs. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** One record in this server's format. */
  body(record: string): string;
  stop(): void;
}

const startWaitMsMax = 60_000;

const cacheOf = (environment: BenchEnvironment): string => join(dirname(environment.dist), '.cache', 'clients');

/** S2's single-node server over its own files; one stream of one basin. */
export async function startS2Lite(environment: BenchEnvironment): Promise<Rival | undefined> {
  const program = join(cacheOf(environment), 's2-lite', 'bin', 's2');
  if (!existsSync(program)) return missing(environment, 's2-lite');
  const [port = 0] = await freePorts(1);
  const child = start(program, ['lite', '--local-root', environment.folder(), '--port', String(port)]);
  const at = `http://127.0.0.1:${port}/v1`;
  await answering(child, `${at}/basins`);
  await send('POST', `${at}/basins`, { basin: 'bench-basin' });
  await send('POST', `${at}/streams`, { stream: 'bench' }, { 's2-basin': 'bench-basin' });
  return {
    name: 's2 lite',
    pid: child.pid!,
    url: `${at}/streams/bench/records`,
    headers: { 'Content-Type': 'application/json', 's2-basin': 'bench-basin' },
    body: (record) => JSON.stringify({ records: [{ body: record }] }),
    stop: () => child.kill('SIGKILL'),
  };
}

/** The reference server of the Durable Streams protocol with its file store; one stream of bytes. */
export async function startDurableStreams(environment: BenchEnvironment): Promise<Rival | undefined> {
  const folder = join(cacheOf(environment), 'durable-streams');
  const library = join(folder, 'node_modules', '@durable-streams', 'server', 'dist', 'index.js');
  if (!existsSync(library)) return missing(environment, 'durable-streams');
  const [port = 0] = await freePorts(1);
  const program = `
    const { DurableStreamTestServer } = await import(${JSON.stringify(library)});
    const options = { port: ${port}, host: '127.0.0.1', dataDir: ${JSON.stringify(environment.folder())} };
    await new DurableStreamTestServer(options).start();`;
  const child = start(process.execPath, ['--input-type=module', '--eval', program]);
  const url = `http://127.0.0.1:${port}/bench`;
  await answering(child, url);
  await send('PUT', url, undefined, { 'content-type': 'application/octet-stream' });
  return {
    name: 'Durable Streams reference server',
    pid: child.pid!,
    url,
    headers: { 'Content-Type': 'application/octet-stream' },
    body: (record) => record,
    stop: () => child.kill('SIGKILL'),
  };
}

function missing(environment: BenchEnvironment, name: string): undefined {
  environment.log(`${name} is left out: it is not installed (.ci/clients/setup ${name})`);
  return undefined;
}

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: 'ignore' });
  process.once('exit', () => child.kill('SIGKILL'));
  return child;
}

/** Waits until the server answers anything at all. */
async function answering(child: ChildProcess, url: string): Promise<void> {
  const endMs = performance.now() + startWaitMsMax;
  while (performance.now() < endMs && child.exitCode === null) {
    const answer = await fetch(url, { method: 'HEAD' }).catch(() => undefined);
    if (answer) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${child.spawnfile} does not answer at ${url}`);
}

async function send(
  method: string,
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const init = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url, { method, headers: { 'content-type': 'application/json', ...headers }, ...init });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
}
