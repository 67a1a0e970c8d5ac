/** Profiles the server processes of each target while it runs, and prints where their time goes. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Target } from './bench.ts';
import { startProfiler } from './profile.ts';
import { warmUp } from './rounds.ts';

const linesMax = 45;

export async function profileTargets(
  bench: Bench,
  targets: readonly Target[],
  seconds: number,
  folder: string,
  log: (line: string) => void,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const target of targets) {
    await warmUp(target, seconds);
    const watched: { label: string; profiler: Awaited<ReturnType<typeof startProfiler>> }[] = [];
    for (const role of ['server', 'brokers']) {
      for (const pid of target.processes[role] ?? []) {
        const url = await openInspector(pid);
        watched.push({ label: `${role} ${pid}`, profiler: await startProfiler(url) });
      }
    }
    const { operations, seconds: took } = await target.run(seconds);
    log(`${target.name}: ${Math.round(operations / took)} ${bench.unit}/s under the profiler`);
    for (const { label, profiler } of watched) {
      const file = `${bench.name}-${target.name}-${label}`.replace(/[^\w-]+/g, '-');
      const times = await profiler.stop(join(folder, `${file}.cpuprofile`));
      const busy = times.reduce((sum, { micros }) => sum + micros, 0) / operations;
      process.stdout.write(`\n## ${bench.name}, ${target.name}, ${label}: ${busy.toFixed(1)} us per operation\n`);
      for (const { where, share, micros } of times.slice(0, linesMax)) {
        process.stdout.write(
          `${(share * 100).toFixed(1).padStart(5)} %  ${(micros / operations).toFixed(2).padStart(6)} us  ${where}\n`,
        );
      }
    }
  }
}

/** Opens the inspector of a process and finds its address by the port on which it began to listen. */
export async function openInspector(pid: number): Promise<string> {
  const before = new Set(listeningPorts(pid));
  process.kill(pid, 'SIGUSR1');
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const port of listeningPorts(pid)) {
      if (before.has(port) && tries < 50) continue;
      const answer = await fetch(`http://127.0.0.1:${port}/json/list`, { signal: AbortSignal.timeout(500) }).catch(
        () => undefined,
      );
      if (!answer?.ok) continue;
      const [{ webSocketDebuggerUrl }] = (await answer.json()) as [{ webSocketDebuggerUrl: string }];
      return webSocketDebuggerUrl;
    }
  }
  throw new Error(`process ${pid} opened no inspector`);
}

function listeningPorts(pid: number): number[] {
  const inodes = new Set<string>();
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`));
      if (match) inodes.add(match[1]!);
    } catch {
      // Closed during the check.
    }
  }
  const ports: number[] = [];
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === '0A' && inodes.has(inode!)) ports.push(Number.parseInt(local!.split(':')[1]!, 16));
  }
  return ports;
}
