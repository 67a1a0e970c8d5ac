/**
 * CPU profiles of running processes over the inspector. SIGUSR1 opens it, so that the profile holds only the measured part
 * and not the start. The processes must have been started with --inspect-port=0 (see `inspectable`).
 */
import { writeFileSync } from 'node:fs';
import { WebSocket } from 'ws';

/** Set in NODE_OPTIONS before servers start; otherwise two inspectors would compete for one port. */
export const inspectable = '--inspect-port=0';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  readonly where: string;
  /** As a part of the time that was not idle. */
  readonly share: number;
  readonly micros: number;
}

export interface Profiler {
  /** Ends the profile, saves it at `path` (for DevTools), and returns the functions by self time, without idle time. */
  stop(path: string): Promise<SelfTime[]>;
}

interface Inspector {
  readonly call: (method: string, params?: object) => Promise<unknown>;
  readonly close: () => void;
}

/** `inspectorUrl` is the ws:// address of the process. */
async function inspect(inspectorUrl: string): Promise<Inspector> {
  const socket = new WebSocket(inspectorUrl);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let lastId = 0;
  const waiting = new Map<number, (result: unknown) => void>();
  socket.on('message', (data: Buffer) => {
    const { id, result } = JSON.parse(data.toString()) as { id?: number; result?: unknown };
    if (id !== undefined) waiting.get(id)?.(result);
  });
  const call = (method: string, params = {}): Promise<unknown> =>
    new Promise((resolve) => {
      waiting.set(++lastId, resolve);
      socket.send(JSON.stringify({ id: lastId, method, params }));
    });
  return { call, close: () => socket.close() };
}

/** Forces a collection: the remaining memory is what the process holds. */
export async function collectGarbage(inspectorUrl: string): Promise<void> {
  const { call, close } = await inspect(inspectorUrl);
  await call('HeapProfiler.enable');
  await call('HeapProfiler.collectGarbage');
  close();
}

export async function startProfiler(inspectorUrl: string): Promise<Profiler> {
  const { call, close } = await inspect(inspectorUrl);
  await call('Profiler.enable');
  await call('Profiler.setSamplingInterval', { interval: 500 });
  await call('Profiler.start');
  return {
    async stop(path) {
      const { profile } = (await call('Profiler.stop')) as { profile: Profile };
      close();
      writeFileSync(path, JSON.stringify(profile));
      return selfTimes(profile);
    },
  };
}

const idleNames = new Set(['(idle)', '(root)']);

export function selfTimes(profile: Profile): SelfTime[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const sums = new Map<string, number>();
  let total = 0;
  for (const [i, id] of profile.samples.entries()) {
    const frame = byId.get(id)!;
    if (idleNames.has(frame.functionName)) continue;
    const file = frame.url.replace(/^.*\/(?=(?:dist|node_modules)\/)/, '').replace(/^file:\/\//, '');
    const where = `${frame.functionName || '(anonymous)'} ${file}${file ? `:${frame.lineNumber + 1}` : ''}`.trim();
    const us = profile.timeDeltas[i]!;
    sums.set(where, (sums.get(where) ?? 0) + us);
    total += us;
  }
  return [...sums].map(([where, us]) => ({ where, share: us / total, micros: us })).sort((a, b) => b.share - a.share);
}
