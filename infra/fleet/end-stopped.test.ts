import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../engine/kernel/clock.ts';
import { endStopped } from './end-stopped.ts';
import { noteProcess } from './notes.ts';
import { isGone, processStateNow } from './process-state.ts';

const waitMsMax = 20_000;
let folder: string;
let program: string;
const processes: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'end-stopped-'));
  program = join(folder, 'program.mjs');
  writeFileSync(program, `console.log('up'); setInterval(() => undefined, 1000);`);
});
afterEach(() => {
  for (const each of processes.splice(0)) each.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A noted process that says it serves `data`. */
async function start(data: string): Promise<number> {
  const child = spawn(process.execPath, [program, `--data=${data}`, '--brokers=3'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  processes.push(child);
  await once(child.stdout!, 'data');
  noteProcess(folder, 'detached', child.pid!);
  return child.pid!;
}

async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const deadlineMs = performance.now() + waitMsMax;
  while (processStateNow(pid) !== 'T' && performance.now() < deadlineMs) await new Promise(setImmediate);
}

const end = (clock: Clock = systemClock): Promise<number[]> =>
  endStopped({ data: folder, notes: folder }, program, clock);

describe.skipIf(!existsSync('/proc/self/stat'))('endStopped', () => {
  it('kills a broker that stays stopped, and resolves when it is gone', async () => {
    const [stopped, serving] = [await start(folder), await start(folder)];
    await stop(stopped);
    expect(await end()).toEqual([stopped]);
    expect([stopped, serving].map(isGone)).toEqual([true, false]);
    expect(await end()).toEqual([]);
    expect(readdirSync(folder).filter((name) => name.startsWith('detached-'))).toEqual([`detached-${serving}`]);
  });

  it('leaves a broker of another folder alone, and a process that reuses the id of a broker', async () => {
    const other = await start(`${folder}-2`);
    const child = spawn(process.execPath, ['-e', `console.log('up'); setInterval(() => undefined, 1000);`, folder]);
    processes.push(child);
    await once(child.stdout, 'data');
    noteProcess(folder, 'detached', child.pid!);
    await Promise.all([stop(other), stop(child.pid!)]);
    expect(await end()).toEqual([]);
    expect([other, child.pid!].map(isGone)).toEqual([false, false]);
  });

  it('leaves a broker alone that resumes meanwhile', async () => {
    const pid = await start(folder);
    await stop(pid);
    const clock: Clock = {
      ...systemClock,
      monotonicMs: () => systemClock.monotonicMs(),
      after(...asked) {
        process.kill(pid, 'SIGCONT');
        return systemClock.after(...asked);
      },
    };
    expect(await end(clock)).toEqual([]);
    expect(isGone(pid)).toBe(false);
  });
});
