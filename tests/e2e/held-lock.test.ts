/** Brokers that are stopped in the middle of a commit, with the lock of the metadata store in their hands. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startInstallation } from '../installation.ts';
import { stopInCommit } from '../soak/stop-in-commit.ts';
import { Apart } from './apart.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** They renew their leases. */
const commitWaitMsMax = 20_000;

let apart: Apart;
beforeEach(async () => {
  apart = await Apart.start(1);
});
afterEach(() => apart.remove());

it.each(['a controller', 'a process that is everything'])('do not keep %s from its start', async (next) => {
  const values = await apart.fill();
  const pids = await apart.brokerPids();
  await apart.controllers[0]!.end('SIGKILL');
  await apart.gateway.stop('SIGKILL');
  await stopInCommit(apart.data, pids, commitWaitMsMax);
  const isApart = next === 'a controller';
  if (isApart) await apart.controller().works;
  apart.gateway = await startInstallation(isApart ? ['--role', 'gateway'] : [], apart.data);
  expect(await apart.filled()).toEqual(values);
});

it('do not keep a gateway from its start while no controller is alive', async () => {
  const values = await apart.fill();
  const pids = await apart.brokerPids();
  await apart.controllers[0]!.end('SIGKILL');
  await apart.gateway.stop('SIGKILL');
  await stopInCommit(apart.data, pids, commitWaitMsMax);
  apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
  await apart.controller().works;
  expect(await apart.filled()).toEqual(values);
});

it('are killed by a controller that cannot write either', async () => {
  const values = await apart.fill();
  const pids = await apart.brokerPids();
  await stopInCommit(apart.data, pids, commitWaitMsMax);
  await apart.until('others serve', (engine) =>
    engine.brokers.every(({ state, pid }) => state === 'serving' && !pids.includes(pid)),
  );
  expect(await apart.filled()).toEqual(values);
});
