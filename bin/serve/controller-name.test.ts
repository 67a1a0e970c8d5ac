import { spawn, spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { controllerName, controllersHere, isControllerGone } from './controller-name.ts';

it('a controller counts as stopped while its process is stopped', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  const isStopped = (): boolean => controllersHere.isNameStopped!(`${hostname()}-${child.pid}`);
  try {
    expect(isStopped()).toBe(false);
    child.kill('SIGSTOP');
    await expect.poll(isStopped).toBe(true);
    child.kill('SIGCONT');
    await expect.poll(isStopped).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
  expect(controllersHere.isNameStopped!('controller')).toBe(false);
});

it('a controller counts as gone once its process on this machine has ended', () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  expect(isControllerGone(`${hostname()}-${pid}`)).toBe(true);
  expect(isControllerGone(`${hostname()}-${process.ppid}`)).toBe(false);
  // Somebody had our id before us.
  expect(isControllerGone(controllerName())).toBe(true);
  // In a container with a name of its own, and the same process ids.
  expect(isControllerGone(`another-${pid}`)).toBe(true);
  expect(isControllerGone(`another-${process.ppid}`)).toBe(false);
  expect(isControllerGone(`${hostname()}-${pid}x`)).toBe(false);
  expect(isControllerGone('controller')).toBe(false);
});
