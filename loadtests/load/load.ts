/** Load generators as targets: a child process on the client's core, told over IPC how long to run. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Measured, Target } from '../compare/bench.ts';
import { clientCore, pin } from '../compare/pin.ts';
import type { LatencySummary } from '../compare/statistics.ts';

export interface HttpLoadSpec {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Request line and headers, with the empty line. */
  readonly head: string;
  readonly bodyBase64: string;
  /** Bytes are counted in replies, not in requests. */
  readonly countReplies: boolean;
}

export interface WebSocketLoadSpec {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Unanswered messages on each. */
  readonly depth: number;
  /** The request that opens a socket. */
  readonly head: string;
  readonly messageBase64: string;
  readonly isBinary: boolean;
  /** How the answer to a message that succeeded begins. */
  readonly answer: string;
}

export interface KafkaLoadSpec {
  readonly mode: 'produce' | 'fetch';
  readonly host: string;
  readonly port: number;
  /** Absent: the other end is a yardstick that needs no login and whose replies carry no information. */
  readonly username?: string;
  readonly password?: string;
  readonly topic: string;
  readonly partitions: number;
  /** One when absent. */
  readonly connections?: number;
  /** Requests in flight on each. */
  readonly depth: number;
  /** Of 1 KiB each. */
  readonly recordsPerBatch: number;
  readonly fetchBytes: number;
  /** Fetches read this range of partition 0 repeatedly. */
  readonly fromOffset: number;
  readonly toOffset: number;
}

export interface LoadResult {
  readonly completed: number;
  readonly refused: number;
  readonly firstRefusal: string;
  readonly bytes: number;
  readonly seconds: number;
  readonly latency: LatencySummary;
}

export interface LoadOptions {
  readonly name: string;
  readonly dist: string;
  /** Under loadtests/load. */
  readonly program: string;
  readonly spec: unknown;
  readonly processes: Readonly<Record<string, readonly number[]>>;
}

/** Limits the wait for a generator beyond the time of its run. */
const replyWaitMsMax = 30_000;

export async function startLoad(options: LoadOptions): Promise<{ readonly target: Target; stop(): void }> {
  const child = fork(join(options.dist, 'loadtests', 'load', options.program));
  child.send(options.spec as object);
  pin(child.pid!, clientCore);
  await answerOf(child, replyWaitMsMax);
  const target: Target = {
    name: options.name,
    processes: { ...options.processes, client: [child.pid!] },
    async run(seconds): Promise<Measured> {
      child.send({ seconds });
      const { completed, refused, firstRefusal, ...rest } = (await answerOf(
        child,
        seconds * 1e3 + replyWaitMsMax,
      )) as LoadResult;
      if (refused > 0)
        throw new Error(`${options.name}: ${refused} of ${completed + refused} requests failed: ${firstRefusal}`);
      return { operations: completed, ...rest };
    },
  };
  return { target, stop: () => child.kill() };
}

async function answerOf(child: ChildProcess, waitMs: number): Promise<unknown> {
  const over = new AbortController();
  const deadline = setTimeout(() => over.abort(new Error(`the load generator is silent for ${waitMs} ms`)), waitMs);
  try {
    const { signal } = over;
    const ended = once(child, 'exit', { signal }).then(([code]: unknown[]) => {
      throw new Error(`the load generator ended with code ${String(code)}`);
    });
    ended.catch(() => undefined);
    const [message] = (await Promise.race([once(child, 'message', { signal }), ended])) as [unknown];
    return message;
  } finally {
    clearTimeout(deadline);
    over.abort();
  }
}

/** A POST of `bytes` bytes of body over 64 connections, as every HTTP bench sends it. */
export function postSpec(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  connections = 64,
): HttpLoadSpec {
  const { hostname, port, pathname, search } = new URL(url);
  const lines = [
    `POST ${pathname}${search} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    `Content-Length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const head = `${lines.join('\r\n')}\r\n\r\n`;
  return {
    host: hostname,
    port: Number(port),
    connections,
    head,
    bodyBase64: body.toString('base64'),
    countReplies: false,
  };
}

export function getSpec(url: string, headers: Readonly<Record<string, string>>, connections: number): HttpLoadSpec {
  const post = postSpec(url, headers, Buffer.alloc(0), connections);
  return { ...post, head: post.head.replace('POST ', 'GET ').replace('Content-Length: 0\r\n', ''), countReplies: true };
}
