/** A user mistakes the folder of sockets for the remains of a dead process, and removes it under a live one. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000 });

let instance: Instance;
afterEach(() => instance.remove());

it('one process still serves the folder, and its brokers return', async () => {
  instance = await startInstallation();
  const access = demoAccess(instance);
  await createTopic(instance, access, 'kept', 6);
  rmSync(join(instance.data, 'run'), { recursive: true });
  await expect(startInstallation([], instance.data)).rejects.toThrow(/is served by another headgate/);

  const before = await instance.brokers();
  for (const { pid } of before) process.kill(pid, 'SIGKILL');
  const serving = async (): Promise<number> => {
    const now = await instance.brokers();
    return now.filter(({ state, pid }) => state === 'serving' && before.every((each) => each.pid !== pid)).length;
  };
  await expect.poll(serving, { timeout: 60_000 }).toBe(3);
  // A session comes before its socket.
  await expect.poll(() => existsSync(join(instance.data, 'run', 'broker-1.sock'))).toBe(true);
  const send = httpSender(instance, access, 'kept');
  for (const value of ['a', 'b', 'c']) await expect.poll(() => send(value, value), { timeout: 20_000 }).toBe(true);
  const values = (await readAll(instance, access, 'kept')).map(({ value }) => value);
  expect(values.sort()).toEqual(['a', 'b', 'c']);
});
