/** Processes that are stopped in the middle of a commit, with the lock of the metadata store in their hands. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startInstallation } from '../installation.ts';
import { stopInCommit } from '../soak/stop-in-commit.ts';
import { Apart } from './apart.ts';
import { createTopic, demoAccess } from './doors.ts';
import { stopWithLock } from './stop-process.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** They renew their leases. */
const commitWaitMsMax = 20_000;

let apart: Apart;
beforeEach(async () => {
  apart = await Apart.start(1);
});
afterEach(() => apart.remove());

describe('brokers', () => {
  it.each(['a controller', 'a process that is everything'])('do not prevent %s from starting', async (next) => {
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

  it('do not prevent a gateway from starting while no controller is alive', async () => {
    const values = await apart.fill();
    const pids = await apart.brokerPids();
    await apart.controllers[0]!.end('SIGKILL');
    await apart.gateway.stop('SIGKILL');
    await stopInCommit(apart.data, pids, commitWaitMsMax);
    apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
    await apart.controller().works;
    expect(await apart.filled()).toEqual(values);
  });

  it('are killed even by a controller that cannot write either', async () => {
    const values = await apart.fill();
    const pids = await apart.brokerPids();
    await stopInCommit(apart.data, pids, commitWaitMsMax);
    await apart.until('others serve', (engine) =>
      engine.brokers.every(({ state, pid }) => state === 'serving' && !pids.includes(pid)),
    );
    expect(await apart.filled()).toEqual(values);
  });
});

describe('one of several that share the folder, whom everybody waits for', () => {
  let topics = 0;
  const makesTopic = (): Promise<void> => createTopic(apart.gateway, demoAccess(apart.gateway), `made-${++topics}`, 1);

  it('is killed if it is a controller, and its work continues', async () => {
    const values = await apart.fill();
    const [controller] = apart.controllers;
    await apart.controller().works;
    const ended = new Promise((done) => controller!.child.once('exit', (_code, signal) => done(signal)));
    // It renews its lease.
    await stopWithLock(apart.data, controller!.child.pid!, async () => undefined);
    expect(await ended).toBe('SIGKILL');
    await makesTopic();
    expect(await apart.filled()).toEqual(values);
    const told = [...apart.gateway.errors, ...apart.controllers[1]!.lines].join('\n');
    expect(told).toContain(
      `killed process ${controller!.child.pid}: it was suspended while holding the lock of the metadata store`,
    );
  });

  it('is killed if it is a gateway, and another one serves', async () => {
    const values = await apart.fill();
    const stopped = apart.gateway;
    await stopWithLock(apart.data, stopped.pid, () => makesTopic().catch(() => undefined));
    await vi.waitUntil(() => !stopped.isRunning, { timeout: 60_000 });
    apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
    expect(await apart.filled()).toEqual(values);
  });

  it('prevents no process from starting', async () => {
    const values = await apart.fill();
    const [controller] = apart.controllers;
    await apart.gateway.stop('SIGKILL');
    await stopWithLock(apart.data, controller!.child.pid!, async () => undefined);
    apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
    await apart.controller().works;
    expect(await apart.filled()).toEqual(values);
  });
});
