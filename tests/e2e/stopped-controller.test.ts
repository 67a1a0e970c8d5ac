/** Controllers that are stopped (SIGSTOP) and continue after others have taken over. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isGone } from '../../infra/fleet/process-state.ts';
import { Apart } from './apart.ts';
import { stopWithoutLock } from './stop-process.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let apart: Apart;
beforeEach(async () => {
  apart = await Apart.start(1);
});
afterEach(() => apart.remove());

it('stopped controllers lose the fleet at once, however long their lease is, and leave it alone when they resume', async () => {
  const values = await apart.fill();
  const [first] = apart.controllers;
  const patient = apart.controller(['--lease-ms', '60000']);
  await patient.works;
  expect(await first!.end('SIGTERM')).toBe(0);
  const pids = await apart.brokerPids();
  const next = apart.controller();
  await next.works;
  expect(await apart.keeper()).toBe(patient);
  const isReplaced = (pid: number) =>
    apart.until('the broker is replaced', ({ brokers }) =>
      brokers.every(({ state, pid: now }) => state === 'serving' && now !== pid),
    );

  await stopWithoutLock(apart.data, patient.child.pid!);
  process.kill(pids[0]!, 'SIGKILL');
  // By the other one, a minute before the lease lapses.
  await isReplaced(pids[0]!);
  process.kill(pids[1]!, 'SIGKILL');
  patient.child.kill('SIGCONT');
  await isReplaced(pids[1]!);
  await apart.until('both share the shards again', ({ controllers }) =>
    controllers.filter(({ alive }) => alive).every(({ shards }) => shards === 32),
  );
  expect(await apart.keeper()).toBe(next);
  expect(isGone(pids[2]!)).toBe(false);
  expect(await apart.filled()).toEqual(values);
});
