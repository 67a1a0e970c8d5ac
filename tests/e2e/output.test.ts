/** What an installation or a command says goes nowhere: the disk of its log is full, or who read it has gone. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000 });

let instance: Instance | undefined;
afterEach(async () => {
  await instance?.remove();
  instance = undefined;
});

it.each([
  ['a full disk', '>/dev/full', 1, /^headgate: cannot write the output: ENOSPC[^\n]*\n$/],
  ['a pipe that nobody reads', '| true', 0, /^$/],
])('a command whose output goes to %s ends without a stack trace', (_, where, code, told) => {
  const program = fileURLToPath(new URL('../../bin/headgate.mjs', import.meta.url));
  const script = `set -o pipefail 2>/dev/null; "$0" "$1" completion bash ${where}`;
  const ended = spawnSync('/bin/bash', ['-c', script, process.execPath, program], { encoding: 'utf8' });
  expect(ended).toMatchObject({ status: code, stdout: '' });
  expect(ended.stderr).toMatch(told);
});

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
