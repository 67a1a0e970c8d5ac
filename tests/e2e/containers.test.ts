/** Starts in another namespace of process ids than the brokers that outlived their controllers, as in another container. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { compiledPrograms } from '../../bin/compiled-programs.ts';
import { notedBrokers } from '../../infra/fleet/noted-brokers.ts';
import { isGone } from '../../infra/fleet/process-state.ts';
import { startInstallation } from '../installation.ts';
import { Apart } from './apart.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const entrance = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync(entrance[0]!, [...entrance.slice(1), 'true']).status === 0;

let apart: Apart;
beforeEach(async () => {
  if (canUnshare) apart = await Apart.start(1);
});
afterEach(() => apart?.remove());

it.runIf(canUnshare)(
  'starts in another container are refused while the brokers serve, which lose nothing',
  async () => {
    const values = await apart.fill();
    const pids = await apart.brokerPids();
    await apart.controllers[0]!.end('SIGKILL');
    await apart.gateway.stop('SIGKILL');
    const within = { entrance, data: apart.data };
    const refusal = /broker \d of this data folder already serves at .*, but its process \d+ is not visible from here/;
    await expect(startInstallation([], apart.data, within)).rejects.toThrow(refusal);
    await expect(startInstallation(['--role', 'gateway'], apart.data, within)).rejects.toThrow(refusal);
    const controller = apart.controller([], entrance);
    await once(controller.child, 'close');
    expect(controller.lines.join('\n')).toMatch(refusal);
    // Where they are found when they are stopped, or have no session yet.
    const { notes, program } = { notes: join(apart.data, 'run'), program: compiledPrograms.detachedBroker };
    expect(new Set(notedBrokers({ data: apart.data, notes }, program))).toEqual(new Set(pids));

    await apart.controller().works;
    apart.gateway = await startInstallation(['--role', 'gateway'], apart.data);
    expect(await apart.brokerPids()).toEqual(pids);
    expect(pids.filter(isGone)).toEqual([]);
    expect(await apart.filled()).toEqual(values);
  },
);
