/** Processes that are the first on a data folder, all at the same moment; and one that is refused. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { freePorts } from '../../infra/network/free-ports.ts';
import { program, startInstallation } from '../installation.ts';
import { ControllerProcess } from '../soak/controller-process.ts';

vi.setConfig({ testTimeout: 120_000 });

it('gateways that start first at the same time have one admin key, one demo tenant and one key for it', async () => {
  const data = mkdtempSync(join(tmpdir(), 'headgate-first-'));
  // The last to be called.
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const controller = new ControllerProcess(program, data, []);
  onTestFinished(async () => void (await controller.end('SIGTERM')));
  const ports = await freePorts(3);
  const gateways = await Promise.all(
    ports.map((port) => startInstallation(['--role', 'gateway', '--admin-port', String(port)], data)),
  );
  onTestFinished(async () => void (await Promise.all(gateways.map((gateway) => gateway.stop()))));
  const kept = new Map(
    readFileSync(join(data, 'demo.env'), 'utf8')
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  );
  const ask = async (port: number, path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${kept.get('HEADGATE_ADMIN_KEY')}` };
    const response = await fetch(`http://127.0.0.1:${port}/admin/v1${path}`, { headers });
    return response.ok ? ((await response.json()) as { items: unknown[] }).items : response.status;
  };
  for (const port of ports) {
    await expect.poll(() => ask(port, '/tenants')).toEqual([expect.objectContaining({ name: 'demo' })]);
    await expect
      .poll(() => ask(port, `/clusters/${kept.get('HEADGATE_CLUSTER')}/keys`))
      .toEqual([expect.objectContaining({ keyId: kept.get('HEADGATE_SASL_USERNAME') })]);
  }
});

it('a start that is refused leaves no folder of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-first-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(startInstallation(['--no-such-flag'])).rejects.toThrow(/did not start/);
  expect(readdirSync(folder)).toEqual([]);
});
