/**
 * A test file that never gives its process back (a loop that no timer can interrupt, a lock that nobody opens) is outside
 * vitest's own time limits, and a run would wait for it for ever. Set up once in vitest's main process: a worker whose
 * file takes longer than any file may (name-file.ts puts its start into the process list) is described (its file, its
 * JavaScript stack, what its threads wait for) and killed, so that the run goes on and fails with a name.
 */
import { execFileSync } from 'node:child_process';
import { on, once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** No file takes longer: the longest test may take 240 s, its hooks 120 s each. */
const fileSecondsMax = Number(process.env['HEADGATE_HANG_SECONDS'] ?? 540);
const lookMs = 5_000;
/** For a worker's inspector to open, and for it to answer. */
const inspectorMs = 3_000;
/** Where Node's inspector listens once SIGUSR1 has opened it. */
const inspector = 'http://127.0.0.1:9229/json/list';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly ageSeconds: number;
  readonly command: string;
}

/** Empty if there is no `ps`: then nobody watches, and the tests run all the same. */
function processes(): Process[] {
  let text = '';
  try {
    text = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,etime=,args='], { encoding: 'utf8', timeout: 30_000 });
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, elapsed, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (elapsed === undefined || command === undefined) return [];
    return [{ pid: Number(pid), parent: Number(parent), ageSeconds: secondsOf(elapsed), command }];
  });
}

/** `ps` says [[days-]hours:]minutes:seconds. */
function secondsOf(elapsed: string): number {
  const [clock = '', days = '0'] = elapsed.split('-').reverse();
  return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) + Number(days) * 86_400;
}

function below(pid: number, all: readonly Process[]): Process[] {
  return all.filter(({ parent }) => parent === pid).flatMap((each) => [each, ...below(each.pid, all)]);
}

/** What each thread of a process waits for, where the system tells. */
function threads(pid: number): string[] {
  try {
    const folder = `/proc/${pid}/task`;
    return readdirSync(folder).map((id) => {
      const read = (name: string): string => readFileSync(join(folder, id, name), 'utf8').trim();
      return `  thread ${id} ${read('comm')}: ${read('wchan')}`;
    });
  } catch {
    return [];
  }
}

/** What of the inspector's protocol is read here. */
interface InspectorMessage {
  readonly method?: string;
  readonly params?: {
    readonly scriptId?: string;
    readonly url?: string;
    readonly callFrames?: readonly {
      readonly functionName: string;
      readonly location: { readonly scriptId: string; readonly lineNumber: number };
    }[];
  };
}

/** The JavaScript stack of a process in a busy loop. Rejects for a process that hangs outside JavaScript. */
async function stackOf(pid: number): Promise<string[]> {
  process.kill(pid, 'SIGUSR1');
  await sleep(inspectorMs);
  const [target] = (await (await fetch(inspector, { signal: AbortSignal.timeout(inspectorMs) })).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const socket = new WebSocket(target!.webSocketDebuggerUrl);
  try {
    await once(socket, 'open', { signal: AbortSignal.timeout(inspectorMs) });
    for (const [id, method] of ['Debugger.enable', 'Debugger.pause'].entries())
      socket.send(JSON.stringify({ id, method }));
    const urls = new Map<string, string>();
    for await (const [data] of on(socket, 'message', { signal: AbortSignal.timeout(inspectorMs) })) {
      const { method, params } = JSON.parse(String(data)) as InspectorMessage;
      if (method === 'Debugger.scriptParsed') urls.set(params!.scriptId!, params!.url!);
      if (method !== 'Debugger.paused') continue;
      return params!.callFrames!.map(
        ({ functionName, location }) =>
          `  in ${functionName} ${urls.get(location.scriptId)}:${location.lineNumber + 1}`,
      );
    }
    return [];
  } finally {
    socket.terminate();
  }
}

/** A worker's file and for how long it has run; undefined for any other process, and before the worker's first file. */
function fileOf({ command, ageSeconds }: Process): { name: string; seconds: number } | undefined {
  const [, sinceSeconds, name] = /^vitest (\d+) (\S+)/.exec(command) ?? [];
  return name === undefined ? undefined : { name, seconds: ageSeconds - Number(sinceSeconds) };
}

async function describe(worker: Process): Promise<string> {
  const file = fileOf(worker);
  return [
    `=== a test file hangs: ${file?.name} has run for ${file?.seconds} s; its process ${worker.pid} is killed`,
    ...(await stackOf(worker.pid).catch((error: unknown) => [`  no stack: ${String(error)}`])),
    ...threads(worker.pid),
    ...below(worker.pid, processes()).map(
      ({ pid, ageSeconds, command }) => `  below it: ${pid} ${ageSeconds} s ${command}`,
    ),
  ].join('\n');
}

async function end(worker: Process): Promise<void> {
  try {
    console.error(await describe(worker));
  } finally {
    kill(worker.pid);
  }
}

/** It may have ended by itself meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone.
  }
}

export default function watch(): () => void {
  let ending: Promise<void> | undefined;
  const timer = setInterval(() => {
    if (ending) return;
    const hung = processes().find(
      (each) => each.parent === process.pid && (fileOf(each)?.seconds ?? 0) >= fileSecondsMax,
    );
    if (hung) ending = end(hung).finally(() => (ending = undefined));
  }, lookMs);
  return () => clearInterval(timer);
}
