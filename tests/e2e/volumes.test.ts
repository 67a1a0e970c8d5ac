/** Starts at which volumes or segments are not where they were, or volumes are more than brokers. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';

vi.setConfig({ testTimeout: 120_000 });

const partitions = [0, 1, 2, 3, 4, 5];
/** What `read` tells when nothing is lost. */
const whole = partitions.map((partition) => [{ $text: `value ${partition}` }]);
let instance: Instance;
afterEach(() => instance.remove());

function ask(path: string, method = 'GET', body?: string, more: Record<string, string> = {}): Promise<Response> {
  const headers = { ...more, authorization: `Bearer ${instance.environment['HEADGATE_API_KEY']}` };
  return fetch(`${instance.http}/v1${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
}

/** Of each partition the values of its records, or the code of the problem. */
function read(): Promise<(unknown[] | string)[]> {
  return Promise.all(
    partitions.map(async (partition) => {
      const response = await ask(`/topics/kept/records?partition=${partition}&from=earliest&wait=0ms`);
      const told = (await response.json()) as { records: { value: unknown }[]; code: string };
      return response.ok ? told.records.map(({ value }) => value) : told.code;
    }),
  );
}

/** Every partition has a record, and all processes are killed: it is in their logs alone. */
async function crashed(flags: readonly string[] = []): Promise<void> {
  instance = await startInstallation(flags);
  const made = await fetch(`${instance.http}/v1/topics`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${instance.environment['HEADGATE_API_KEY']}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ name: 'kept', partitions: partitions.length }),
  });
  expect(made.status).toBe(201);
  for (const partition of partitions) {
    const stored = await ask('/topics/kept', 'POST', `value ${partition}`, { 'Record-Partition': `${partition}` });
    expect(stored.status).toBe(200);
  }
  await instance.stop('SIGKILL');
}

it('partitions of a missing volume are not served as empty, and are whole when it is back', async () => {
  await crashed();
  const volume = join(instance.data, 'volumes', '2');
  renameSync(volume, `${volume}-elsewhere`);
  instance = await startInstallation([], instance.data);
  const served = async (): Promise<number> => (await read()).filter((each) => typeof each !== 'string').length;
  await expect.poll(served, { timeout: 60_000 }).toBe(4);
  expect((await read()).filter((each) => each === 'owner-unavailable')).toHaveLength(2);
  expect(instance.errors.join('\n')).toContain(`the volume is missing: ${volume}/wal does not exist`);

  renameSync(`${volume}-elsewhere`, volume);
  await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
});

it('a moved data folder is recovered in its new place', async () => {
  await crashed();
  const moved = `${instance.data}-moved`;
  renameSync(instance.data, moved);
  instance = await startInstallation([], moved);
  await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
});

it('starting a copy leaves the original unchanged', async () => {
  await crashed();
  const original = instance.data;
  const copy = mkdtempSync(join(tmpdir(), 'headgate-copy-'));
  const filesIn = (folder: string): Set<unknown> => new Set(readdirSync(folder, { encoding: 'utf8', recursive: true }));
  try {
    for (const part of ['meta', 'segments', 'volumes', 'demo.env']) {
      const filter = (path: string): boolean => !path.endsWith('.sock');
      cpSync(join(original, part), join(copy, part), { recursive: true, filter });
    }
    const before = filesIn(join(original, 'volumes'));
    instance = await startInstallation([], copy);
    await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
    expect(filesIn(join(original, 'volumes'))).toEqual(before);
    await instance.stop();
    instance = await startInstallation([], original);
    await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

it('volumes of more brokers than the fleet has now are recovered too', async () => {
  await crashed(['--brokers', '5']);
  instance = await startInstallation(['--brokers', '2'], instance.data);
  await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
  expect((await instance.brokers()).map(({ brokerId }) => brokerId)).toEqual([1, 2]);
});

it('an installation without any segment that its metadata names is refused; one with some serves those', async () => {
  await crashed();
  instance = await startInstallation([], instance.data);
  await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
  await instance.stop();
  const segments = join(instance.data, 'segments');
  const names = readdirSync(segments);
  renameSync(segments, `${segments}-elsewhere`);
  await expect(startInstallation([], instance.data)).rejects.toThrow(
    /segments\/.*\.seg is missing, and so is every other/,
  );

  mkdirSync(segments, { recursive: true });
  renameSync(join(`${segments}-elsewhere`, names[0]!), join(segments, names[0]!));
  instance = await startInstallation([], instance.data);
  await expect.poll(read, { timeout: 60_000 }).toContain('records-unavailable');
});

it('a volume of another installation is refused and keeps its contents', async () => {
  await crashed();
  const theirs = instance.data;
  await crashed();
  const [mine, other] = [instance.data, theirs].map((data) => join(data, 'volumes', '2')) as [string, string];
  const swap = (): void => {
    renameSync(mine, `${mine}-aside`);
    renameSync(other, mine);
    renameSync(`${mine}-aside`, other);
  };
  swap();
  instance = await startInstallation([], instance.data);
  const told = (): string => instance.errors.join('\n');
  await expect
    .poll(told, { timeout: 60_000 })
    .toMatch(/volumes\/2 is the volume of broker 2 of installation .*, not of/);
  await expect.poll(async () => (await read()).filter((each) => each === 'owner-unavailable').length).toBe(2);
  swap();
  await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
  await instance.remove();
  instance = await startInstallation([], theirs);
  await expect.poll(read, { timeout: 60_000 }).toEqual(whole);
});
