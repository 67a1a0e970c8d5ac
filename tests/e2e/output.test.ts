/** What an installation says goes nowhere: the disk of its log is full, or who read it has gone. */
import { afterEach, expect, it, vi } from 'vitest';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000 });

let instance: Instance;
afterEach(() => instance.remove());

it.each([
  ['on a full disk', 'exec "$@" 2>/dev/full'],
  ['into a pipe that nobody reads any more', 'exec "$@" 2>"$0"'],
])('serves, and replaces a broker, with its log %s', async (_, script) => {
  const data = mkdtempSync(join(tmpdir(), 'headgate-output-'));
  // $0 of the second: a pipe whose only reader ends with its first line.
  const pipe = join(data, 'log.pipe');
  const prepared = `mkfifo "$0"; head -n 1 <"$0" >/dev/null & ${script}`;
  const entrance = ['/bin/sh', '-c', script.includes('$0') ? prepared : script, pipe];
  instance = await startInstallation([], data, { entrance, data });
  const access = demoAccess(instance);
  await createTopic(instance, access, 'kept', 6);
  process.kill((await instance.brokers())[0]!.pid, 'SIGKILL');
  const send = httpSender(instance, access, 'kept');
  const values = Array.from({ length: 20 }, (__, number) => `value ${number}`);
  for (const value of values) await expect.poll(() => send(value, value), { timeout: 60_000 }).toBe(true);
  expect((await readAll(instance, access, 'kept')).map(({ value }) => value).sort()).toEqual([...values].sort());
  expect(instance.isRunning).toBe(true);
});
