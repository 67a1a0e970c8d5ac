import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ProcessState, processStateNow, signalProcess } from './process-state.ts';

describe.skipIf(!existsSync('/proc/self/stat'))('ProcessState', () => {
  it('reports the current state at each read, and none for a process that is gone', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000); console.log("up")'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    const state = new ProcessState(child.pid!);
    expect(['R', 'S', 'D']).toContain(await state.read());
    child.kill('SIGSTOP');
    const untilMs = performance.now() + 10_000;
    let letter: string | undefined;
    while (letter !== 'T' && performance.now() < untilMs) letter = await state.read();
    expect(letter).toBe('T');
    expect(processStateNow(child.pid!)).toBe('T');
    expect(signalProcess(child.pid!, 'SIGKILL')).toBe(true);
    await once(child, 'exit');
    expect(signalProcess(child.pid!, 'SIGKILL')).toBe(false);
    expect(await state.read()).toBeUndefined();
    state.close();
  });

  it('lets a read in progress end, and then reads no more', async () => {
    const state = new ProcessState(process.pid);
    const reading = state.read();
    state.close();
    expect(await reading).toMatch(/^[A-Z]$/);
    expect(await state.read()).toBeUndefined();
    const nobody = new ProcessState(2 ** 30);
    expect(await nobody.read()).toBeUndefined();
    nobody.close();
  });
});
