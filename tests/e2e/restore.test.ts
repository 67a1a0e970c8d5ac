/** Copies of a data folder, or of a part of it, that are put back. */
import { cpSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
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

async function read(): Promise<string[]> {
  return (await readAll(instance, demoAccess(instance), 'kept')).map(({ value }) => value).sort();
}

async function started(): Promise<string[]> {
  instance = await startInstallation();
  await createTopic(instance, demoAccess(instance), 'kept', 6);
  return write(0, 20);
}

it('metadata of an earlier copy is refused beside volumes that went on, and served when their marks are removed', async () => {
  await started();
  const meta = join(instance.data, 'meta');
  cpSync(meta, `${meta}-copy`, { recursive: true });
  const later = await write(20, 40);
  await instance.stop();
  rmSync(meta, { recursive: true });
  renameSync(`${meta}-copy`, meta);
  await expect(startInstallation([], instance.data)).rejects.toThrow(
    /meta\/data\.mdb is an earlier copy than the volumes/,
  );
  // A controller is no wiser, and a second attempt finds the same.
  await expect(startInstallation(['--role', 'gateway'], instance.data)).rejects.toThrow(/is an earlier copy/);
  await expect(startInstallation([], instance.data)).rejects.toThrow(/is an earlier copy/);

  const volumes = join(instance.data, 'volumes');
  for (const name of readdirSync(volumes)) rmSync(join(volumes, name, 'metadata-mark'), { force: true });
  instance = await startInstallation([], instance.data);
  expect(await read()).not.toEqual(expect.arrayContaining(later));
});

it('a whole folder that is copied after an orderly stop is put back as it was', async () => {
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
