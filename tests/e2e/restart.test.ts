/** Stored records survive every kind of end: a requested stop, or a kill that leaves all brokers behind. */
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { isGone } from '../../infra/fleet/process-state.ts';
import { startInstallation } from '../installation.ts';
import { demoAccess, httpSender, readAll, sendKey } from './doors.ts';

// Whole installations on a busy machine: the bound is against hanging, nothing here is about speed.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe('the next start', () => {
  let instance: Instance | undefined;
  let data = '';
  afterEach(async () => {
    await instance?.stop();
    if (data) rmSync(data, { recursive: true, force: true });
  });

  async function startWith(existing?: string, flags: readonly string[] = []): Promise<Instance> {
    instance = await startInstallation(flags, existing);
    data = instance.data;
    return instance;
  }

  async function fill(
    flags: readonly string[] = [],
  ): Promise<{ acknowledged: string[]; environment: Readonly<Record<string, string>> }> {
    const running = await startWith(undefined, flags);
    const acknowledged: string[] = [];
    const send = httpSender(running, demoAccess(running), 'kept');
    await Promise.all(Array.from({ length: 20 }, (_, i) => sendKey(send, `key-${i}`, 10, acknowledged)));
    return { acknowledged, environment: running.environment };
  }

  async function sameData(acknowledged: readonly string[], before: Readonly<Record<string, string>>): Promise<void> {
    const again = await startWith(data);
    const values = (await readAll(again, demoAccess(again), 'kept')).map(({ value }) => value);
    expect(values.toSorted()).toEqual(acknowledged.toSorted());
    for (const name of ['HEADGATE_API_KEY', 'HEADGATE_ADMIN_KEY', 'HEADGATE_CLUSTER']) {
      expect(again.environment[name]).toBe(before[name]);
    }
    const more: string[] = [];
    await sendKey(httpSender(again, demoAccess(again), 'kept'), 'after', 5, more);
    expect(await readAll(again, demoAccess(again), 'kept')).toHaveLength(acknowledged.length + 5);
  }

  it('serves the same data after Ctrl-C', async () => {
    const { acknowledged, environment } = await fill();
    expect(await instance!.stop('SIGINT')).toBe(0);
    await sameData(acknowledged, environment);
  });

  it('serves the same data after SIGKILL of the parent', async () => {
    const { acknowledged, environment } = await fill();
    const brokers = await instance!.brokers();
    await instance!.stop('SIGKILL');
    await sameData(acknowledged, environment);
    const old = brokers.map(({ pid }) => pid);
    // The data may be served before the last broker is started again; until then its row names the dead one.
    const hasOld = async (): Promise<boolean> => (await instance!.brokers()).some(({ pid }) => old.includes(pid));
    await expect.poll(hasOld, { timeout: 20_000 }).toBe(false);
  });

  it('does not wait for the lease of a broker that was stopped when its parent was killed', async () => {
    const { acknowledged, environment } = await fill(['--lease-ms', '60000']);
    const stopped = (await instance!.brokers()).map(({ pid }) => pid);
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    await instance!.stop('SIGKILL');
    expect(stopped.some(isGone)).toBe(false);
    // The test waits for an instance as long as such a lease lasts; an instance that waited for the lease would fail
    // it.
    await sameData(acknowledged, environment);
    expect(stopped.every(isGone)).toBe(true);
  });

  /** A request that its sender has numbered, as often as it likes. */
  async function numbered(sequence: number): Promise<{ status: number; offset?: number; code?: string }> {
    const { apiKey } = demoAccess(instance!);
    const response = await fetch(`${instance!.http}/v1/topics/numbered`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'producer-id': '900001',
        'producer-sequence': String(sequence),
        'record-partition': '0',
      },
      body: `number ${sequence}`,
    });
    return { status: response.status, ...((await response.json()) as { offset?: number; code?: string }) };
  }

  it('serves the same data with the brokers moved into the gateway, and out of it', async () => {
    const inProcess = ['--broker-mode', 'in-process'];
    const { acknowledged, environment } = await fill(inProcess);
    expect((await instance!.brokers()).map(({ pid }) => pid)).toEqual(Array(3).fill(instance!.pid));
    expect([await numbered(0), await numbered(1), await numbered(0)]).toMatchObject([
      { offset: 0 },
      { offset: 1 },
      { offset: 0 },
    ]);
    await instance!.stop('SIGKILL');
    await sameData(acknowledged, environment);
    // The broker that serves the partition now still knows the numbers that a sender used.
    expect(await numbered(1)).toMatchObject({ status: 200, offset: 1 });
    expect(await numbered(5)).toMatchObject({ status: 409, code: 'sequence-conflict' });
    expect(await instance!.stop('SIGINT')).toBe(0);
    const inside = await startWith(data, inProcess);
    await inside.admin('POST', '/brokers/2/restart');
    expect([await numbered(1), await numbered(2)]).toMatchObject([{ offset: 1 }, { offset: 2 }]);
    expect(await readAll(inside, demoAccess(inside), 'kept')).toHaveLength(acknowledged.length + 5);
    const more: string[] = [];
    await sendKey(httpSender(inside, demoAccess(inside), 'kept'), 'inside', 5, more);
    expect(more).toHaveLength(5);
    expect(await inside.stop('SIGINT')).toBe(0);
  });

  it('keeps the key in a file that its owner alone can read', async () => {
    const running = await startWith();
    const path = join(running.data, 'demo.env');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const names = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names).toEqual([
      'HEADGATE_KAFKA',
      'HEADGATE_HTTP',
      'HEADGATE_ADMIN',
      'HEADGATE_ADMIN_KEY',
      'HEADGATE_API_KEY',
      'HEADGATE_SASL_USERNAME',
      'HEADGATE_SASL_PASSWORD',
      'HEADGATE_CLUSTER',
    ]);
  });

  it('is refused while another one serves the folder, and two folders serve side by side', async () => {
    const first = await startWith();
    await expect(startInstallation([], first.data)).rejects.toThrow(/served by another headgate/);
    const second = await startInstallation();
    expect((await fetch(`${second.environment['HEADGATE_ADMIN']}/readyz`)).status).toBe(200);
    expect((await fetch(`${first.environment['HEADGATE_ADMIN']}/readyz`)).status).toBe(200);
    await second.remove();
    expect(existsSync(second.data)).toBe(false);
  });
});
