/** LMDB refuses a process for good (MDB_PANIC): the process ends by itself, so that its supervisor starts another. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000 });

let instance: Instance;
afterEach(() => instance.remove());

/** On SIGUSR2: a disk that takes nothing under the descriptor by which LMDB writes the page that makes a commit visible. */
const breaksOnSignal = `
import fs from 'node:fs';
const isMetaPage = (fd) => {
  try {
    if (!fs.readlinkSync('/proc/self/fd/' + fd).endsWith('/meta/data.mdb')) return false;
    return (parseInt(/^flags:\\s*(\\d+)/m.exec(fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1], 8) & 0o10000) !== 0;
  } catch { return false; }
};
process.on('SIGUSR2', () => {
  for (const fd of fs.readdirSync('/proc/self/fd').map(Number).filter(isMetaPage)) {
    fs.closeSync(fd);
    while (fs.openSync('/dev/full', 'r+') !== fd);
  }
});`;

it('a gateway whose metadata store panics logs the reason and ends; a broker is replaced', async () => {
  const data = mkdtempSync(join(tmpdir(), 'headgate-panic-'));
  const preload = `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(breaksOnSignal)}`;
  instance = await startInstallation([], data, { entrance: ['/usr/bin/env', preload], data });
  const access = demoAccess(instance);
  await createTopic(instance, access, 'kept', 6);
  const send = httpSender(instance, access, 'kept');
  const values = Array.from({ length: 20 }, (_, number) => `value ${number}`);
  for (const value of values) await expect.poll(() => send(value, value), { timeout: 60_000 }).toBe(true);

  const [broker] = await instance.brokers();
  process.kill(broker!.pid, 'SIGUSR2');
  await expect
    .poll(async () => (await instance.brokers())[0], { timeout: 60_000 })
    .toMatchObject({ state: 'serving', sessionEpoch: broker!.sessionEpoch + 1 });
  expect(instance.isRunning).toBe(true);

  process.kill(instance.pid, 'SIGUSR2');
  // A corrupt heap may end it first, behind what it says.
  await expect.poll(() => instance.isRunning, { timeout: 60_000 }).toBe(false);
  await expect
    .poll(() => instance.errors.filter((line) => line.startsWith('headgate: ')))
    .toEqual([expect.stringContaining('(MDB_PANIC): this process exits so that it can be started again')]);

  instance = await startInstallation([], data);
  const kept = (await readAll(instance, demoAccess(instance), 'kept')).map(({ value }) => value);
  expect([...new Set(kept)].sort()).toEqual([...values].sort());
});
