/** Brokers that outlive controller and gateway, and the processes that are started over them. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isGone } from '../../infra/fleet/process-state.ts';
import { startInstallation } from '../installation.ts';
import { Apart } from './apart.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let apart: Apart;
beforeEach(async () => {
  apart = await Apart.start(1);
});
afterEach(() => apart.remove());

/** Writes, and kills everything but the brokers. */
async function outlived(): Promise<{ readonly values: string[]; readonly pids: number[] }> {
  const values = await apart.fill();
  const pids = await apart.brokerPids();
  await apart.controllers[0]!.end('SIGKILL');
  await apart.gateway.stop('SIGKILL');
  return { values, pids };
}

it.each(['which serves', 'which is stopped'])(
  'brokers of a dead parent are ended by a process with all roles, one of them %s',
  async (state) => {
    const { values, pids } = await outlived();
    if (state === 'which is stopped') process.kill(pids[0]!, 'SIGSTOP');
    apart.gateway = await startInstallation([], apart.data);
    expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
    expect(await apart.filled()).toEqual(values);
  },
);

it('brokers of a dead parent are adopted by a controller whose zones have other names', async () => {
  const { pids } = await outlived();
  const controller = apart.controller(['--zones', 'x,y']);
  await controller.works;
  apart.gateway = await startInstallation(['--role', 'gateway', '--zones', 'x,y'], apart.data);
  expect(await apart.brokerPids()).toEqual(pids);
});

it('brokers of a killed controller get a new one at once, however long its lease is', async () => {
  const [first] = apart.controllers;
  const patient = apart.controller(['--lease-ms', '60000']);
  await patient.works;
  expect(await first!.end('SIGTERM')).toBe(0);
  const [killed] = await apart.brokerPids();
  await patient.end('SIGKILL');
  process.kill(killed!, 'SIGKILL');
  const next = apart.controller();
  // It works once it keeps the fleet, or has waited for that for half a lease.
  await next.works;
  await expect.poll(() => next.lines.join('\n'), { timeout: 20_000 }).toContain('fleet-kept');
  await apart.until('the broker is replaced', (engine) =>
    engine.brokers.every(({ state, pid }) => state === 'serving' && pid !== killed),
  );
});
