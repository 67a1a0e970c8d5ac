/** Copies of a data folder, or of a part of it, that are put back. */
import { cpSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { brokerLeaseKey, decodeLease } from '../../engine/controller/rows/lease.ts';
import { systemClock } from '../../engine/kernel/clock.ts';
import { openLmdbStore } from '../../tenancy/store/lmdb.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000 });

let instance: Instance;
afterEach(() => instance.remove());

async function write(from: number, to: number): Promise<string[]> {
  const send = httpSender(instance, demoAccess(instance), 'kept');
  const values = Array.from({ length: to - from }, (_, at) => `value ${from + at}`);
  for (const value of values) await expect.poll(() => send(value, value)).toBe(true);
  return values.sort();
}

async function read(retriesMax?: number): Promise<string[]> {
  return (await readAll(instance, demoAccess(instance), 'kept', retriesMax)).map(({ value }) => value).sort();
}

async function started(): Promise<string[]> {
  instance = await startInstallation();
  await createTopic(instance, demoAccess(instance), 'kept', 6);
  return write(0, 20);
}

it('metadata of an earlier copy is refused beside newer volumes, and served once an operator gives those up', async () => {
  await started();
  const meta = join(instance.data, 'meta');
  cpSync(meta, `${meta}-copy`, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  const later = await write(20, 40);
  await instance.stop();
  rmSync(meta, { recursive: true });
  renameSync(`${meta}-copy`, meta);
  await expect(startInstallation([], instance.data)).rejects.toThrow(/meta\/data\.mdb is older than the volumes/);
  // A controller is no wiser, and a second attempt finds the same.
  await expect(startInstallation(['--role', 'gateway'], instance.data)).rejects.toThrow(/is older than the volumes/);
  await expect(startInstallation([], instance.data)).rejects.toThrow(/is older than the volumes/);

  const volumes = join(instance.data, 'volumes');
  for (const name of readdirSync(volumes)) writeFileSync(join(volumes, name, 'given-up'), '');
  instance = await startInstallation([], instance.data);
  expect(await read()).not.toEqual(expect.arrayContaining(later));
});

it('a whole folder copied after an orderly stop can be restored', async () => {
  const first = await started();
  await instance.stop();
  const { data } = instance;
  cpSync(data, `${data}-copy`, { recursive: true });
  instance = await startInstallation([], data);
  await write(20, 40);
  await instance.stop('SIGKILL');
  rmSync(data, { recursive: true });
  renameSync(`${data}-copy`, data);
  instance = await startInstallation([], data);
  expect(await read()).toEqual(first);
  const later = await write(40, 60);
  await instance.stop();
  instance = await startInstallation([], data);
  expect(await read()).toEqual([...first, ...later].sort());
});

/** Writes until every broker has records in the log of its present session, and its lease tells of them. Partitions may be on their way. */
async function noted(more: () => Promise<void>): Promise<void> {
  const store = openLmdbStore({ directory: join(instance.data, 'meta'), clock: systemClock, warn: () => undefined });
  try {
    for (const brokerId of [1, 2, 3]) {
      const syncedLsn = async (): Promise<number> => {
        await more();
        const row = await store.get(brokerLeaseKey(brokerId));
        const serving = (await instance.brokers()).find(
          (each) => each.brokerId === brokerId && each.state === 'serving',
        );
        const lease = row && decodeLease(row);
        return (lease && lease.epoch === serving?.sessionEpoch && lease.syncedLsn) || 0;
      };
      await expect.poll(syncedLsn, { timeout: 20_000 }).toBeGreaterThan(0);
    }
  } finally {
    await store.close();
  }
}

it('a volume of an earlier copy is refused until the newer one is back or an operator gives up what is missing', async () => {
  const first = await started();
  const { data } = instance;
  const volume = join(data, 'volumes', '2');
  await instance.stop('SIGKILL');
  cpSync(volume, `${volume}-copy`, { recursive: true });
  instance = await startInstallation([], data);
  const later: string[] = [];
  await noted(async () => void later.push(...(await write(20 + later.length, 30 + later.length))));
  await instance.stop('SIGKILL');
  renameSync(volume, `${volume}-right`);
  cpSync(`${volume}-copy`, volume, { recursive: true });

  instance = await startInstallation([], data);
  const told = (): string => instance.errors.join('\n');
  await expect.poll(told, { timeout: 60_000 }).toContain('the volume is an older copy, or has lost data');
  expect(told()).toContain(`, or create an empty file ${volume}/given-up to give up what is missing`);
  await expect(read(0)).rejects.toThrow(/owner-unavailable/);

  rmSync(volume, { recursive: true });
  renameSync(`${volume}-right`, volume);
  const all = [...first, ...later].sort();
  await expect.poll(() => read(0), { timeout: 60_000 }).toEqual(all);
  const last: string[] = [];
  await noted(async () => void last.push(...(await write(60 + last.length, 70 + last.length))));
  await instance.stop('SIGKILL');
  rmSync(volume, { recursive: true });
  renameSync(`${volume}-copy`, volume);
  writeFileSync(join(volume, 'given-up'), '');
  instance = await startInstallation([], data);
  // What was on the other two volumes is there, what the earlier one did not have is not.
  const isRead = (): Promise<boolean> =>
    read(0).then(
      () => true,
      () => false,
    );
  await expect.poll(isRead, { timeout: 60_000 }).toBe(true);
  const left = await read();
  expect(left).toEqual(expect.arrayContaining(all));
  expect(left.length).toBeLessThan(all.length + last.length);
});
