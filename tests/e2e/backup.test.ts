/** `headgate backup` of an installation that takes records, rolls up and deletes meanwhile, and starts from what it made. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { type Access, createTopic, demoAccess, httpSender, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 180_000 });

const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist', 'bin', 'main.js');
const lanes = 8;
/** Large ones, so that logs are rolled up several times. */
const padding = 'x'.repeat(150_000);

let folder: string;
const instances: Instance[] = [];
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'backup-'))));
afterEach(async () => {
  for (const instance of instances.splice(0)) await instance.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function start(data?: string): Promise<Instance> {
  const instance = await startInstallation([], data);
  instances.push(instance);
  return instance;
}

async function backUp(data: string, name: string): Promise<string> {
  const target = join(folder, name);
  await promisify(execFile)(process.execPath, [main, 'backup', target, '--data', data]);
  return target;
}

/** Goes on until it is stopped; `acknowledged` grows meanwhile. */
function writing(instance: Instance, access: Access): { acknowledged: string[]; stop(): Promise<void> } {
  const send = httpSender(instance, access, 'kept');
  const acknowledged: string[] = [];
  let isStopped = false;
  const all = Array.from({ length: lanes }, async (_, lane) => {
    for (let i = 0; !isStopped; i++) {
      const value = `${lane}.${i}`;
      if (await send(`lane ${lane}`, `${value} ${padding}`)) acknowledged.push(value);
    }
  });
  return {
    acknowledged,
    async stop() {
      isStopped = true;
      await Promise.all(all);
    },
  };
}

async function read(instance: Instance, access: Access): Promise<string[]> {
  return (await readAll(instance, access, 'kept')).map(({ value }) => value.split(' ')[0]!);
}

it('a backup has everything acknowledged before it began, in order, and serves beside the original', async () => {
  const original = await start();
  const access = demoAccess(original);
  await createTopic(original, access, 'kept', 6);
  const load = writing(original, access);
  const enough = (count: number) =>
    expect.poll(() => load.acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(count);
  const segments = (): number => readdirSync(join(original.data, 'segments')).length;
  await expect.poll(segments, { timeout: 60_000 }).toBeGreaterThan(2);
  const known: string[][] = [];
  const copies: string[] = [];
  for (let i = 0; i < 2; i++) {
    await enough(load.acknowledged.length + 100);
    expect(segments()).toBeGreaterThan(2);
    known.push([...load.acknowledged]);
    copies.push(await backUp(original.data, `copy ${i}`));
  }
  await load.stop();

  for (const [i, copy] of copies.entries()) {
    expect(readdirSync(copy).sort()).toEqual(['demo.env', 'format', 'meta', 'segments', 'volumes']);
    const restored = await start(copy);
    const values = await read(restored, demoAccess(restored));
    const there = new Set(values);
    expect(there.size).toBe(values.length);
    expect(known[i]!.filter((value) => !there.has(value))).toEqual([]);
    for (let lane = 0; lane < lanes; lane++) {
      const numbers = values
        .filter((value) => value.startsWith(`${lane}.`))
        .map((value) => Number(value.split('.')[1]));
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => at));
    }
    const send = httpSender(restored, demoAccess(restored), 'kept');
    expect(await send('new', 'new one')).toBe(true);
    // Both kinds of age are those of one installation, also after a crash.
    await restored.stop('SIGKILL');
    const again = await start(copy);
    expect(await read(again, demoAccess(again))).toHaveLength(values.length + 1);
    await again.stop();
  }
  expect(new Set(await read(original, access))).toEqual(new Set(load.acknowledged));
});

it('a folder that nobody serves can be backed up, but nothing that is not a data folder', async () => {
  const original = await start();
  const access = demoAccess(original);
  await createTopic(original, access, 'kept', 6);
  const send = httpSender(original, access, 'kept');
  for (const value of ['a', 'b', 'c']) expect(await send(value, value)).toBe(true);
  await original.stop('SIGKILL');
  const copy = await backUp(original.data, 'copy');
  await expect(backUp(original.data, 'copy')).rejects.toThrow(/copy already exists/);
  await expect(backUp(folder, 'other')).rejects.toThrow(/has no metadata/);
  writeFileSync(join(original.data, 'format'), '7\n');
  await expect(backUp(original.data, 'later')).rejects.toThrow(/has format 7/);
  expect(existsSync(join(folder, 'later'))).toBe(false);
  rmSync(original.data, { recursive: true });
  const restored = await start(copy);
  expect((await read(restored, demoAccess(restored))).sort()).toEqual(['a', 'b', 'c']);
});

it('a backup leaves the store usable for a process that opens it as the backup ends, like a server that shuts down', async () => {
  const original = await start();
  const { data } = original;
  await original.stop();
  // The header of LMDB's lock file, and the mutexes that all processes share.
  const mutexes = (): Buffer => readFileSync(join(data, 'meta', 'lock.mdb')).subarray(0, 192);
  expect(mutexes().includes(0xff)).toBe(false);
  await backUp(data, 'copy');
  expect(mutexes().includes(0xff)).toBe(false);
});
