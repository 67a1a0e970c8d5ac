/** Brokers that are stopped in the middle of a commit, with the lock of the metadata store in their hands. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startInstallation } from '../installation.ts';
import { stopInCommit } from '../soak/stop-in-commit.ts';
import { Apart } from './apart.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** They renew their leases. */
const commitWaitMsMax = 20_000;

let apart: Apart;
beforeEach(async () => {
  apart = await Apart.start(1);
});
afterEach(() => apart.remove());

async function written(): Promise<{ readonly values: string[]; readonly pids: number[] }> {
  const access = demoAccess(apart.gateway);
  await createTopic(apart.gateway, access, 'kept', 6);
  const send = httpSender(apart.gateway, access, 'kept');
  const values = Array.from({ length: 20 }, (_, number) => `value ${number}`);
  for (const value of values) await expect.poll(() => send(value, value)).toBe(true);
  const { brokers } = await apart.until('all serve', (engine) =>
    engine.brokers.every(({ state }) => state === 'serving'),
  );
  return { values, pids: brokers.map(({ pid }) => pid) };
}

async function expectAll(values: readonly string[]): Promise<void> {
  const { gateway } = apart;
  const read = await readAll(gateway, demoAccess(gateway), 'kept');
  expect(read.map(({ value }) => value).sort()).toEqual([...values].sort());
}

it.each(['a controller', 'a process that is everything'])('do not keep %s from its start', async (next) => {
  const { values, pids } = await written();
  await apart.controllers[0]!.end('SIGKILL');
  await apart.gateway.stop('SIGKILL');
  await stopInCommit(apart.data, pids, commitWaitMsMax);
  const isApart = next === 'a controller';
  if (isApart) await apart.controller().works;
  apart.gateway = await startInstallation(isApart ? ['--role', 'gateway'] : [], apart.data);
  await expectAll(values);
});

it('do not keep a gateway from its start while no controller is alive', async () => {
  const { values, pids } = await written();
  await apart.controllers[0]!.end('SIGKILL');
  await apart.gateway.stop('SIGKILL');
  await stopInCommit(apart.data, pids, commitWaitMsMax);
  apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
  await apart.controller().works;
  await expectAll(values);
});

it('are killed by a controller that cannot write either', async () => {
  const { values, pids } = await written();
  await stopInCommit(apart.data, pids, commitWaitMsMax);
  await apart.until('others serve', (engine) =>
    engine.brokers.every(({ state, pid }) => state === 'serving' && !pids.includes(pid)),
  );
  await expectAll(values);
});
