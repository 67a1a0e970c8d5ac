/**
 * A fleet that follows its load by itself, with real processes in three zones: it grows while much is written, shrinks when
 * little is, and then loses a zone and all its brokers one by one to an operator. Nothing acknowledged is lost or doubled.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Instance } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { createTopic, demoAccess, Doubts, httpSender, judgeRecords, readAll, type SendOne, sendKey } from './doors.ts';

// Whole installations on a busy machine: the bound is against hanging, nothing here is about speed.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const lanes = 8;
const valueBytes = 2048;

let instance: Instance;
beforeAll(async () => {
  // A broker counts as full at a very low load, and waits of minutes are cut to seconds.
  const capacity = ['--broker-bytes-in', '100000', '--broker-bytes-out', '1000000000', '--broker-requests', '1000000'];
  const pace = ['--load-interval-ms', '100', '--scale-in-after-ms', '1000'];
  instance = await startInstallation(['--brokers', '3', '--brokers-max', '6', ...capacity, ...pace]);
});
afterAll(() => instance.remove());

/** Writes until told to stop, each lane one record at a time; every record ends up acknowledged. */
class Load {
  readonly acknowledged: string[] = [];
  #stopped = false;
  readonly #lanes: Promise<unknown>[] = [];

  constructor(send: SendOne, label: string, pauseMs: number) {
    for (let lane = 0; lane < lanes; lane++) this.#lanes.push(this.#run(send, `${label}-${lane}`, pauseMs));
  }

  async #run(send: SendOne, label: string, pauseMs: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      await sendKey(send, `${label}-${i}`, 1, this.acknowledged);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }
}

async function untilServing(count: number): Promise<void> {
  for (;;) {
    const brokers = await instance.brokers();
    if (brokers.length === count && brokers.every(({ state }) => state === 'serving')) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const zones = async (): Promise<string[]> => (await instance.brokers()).map(({ zone }) => zone).sort();
const pad = (value: string): string => value.padStart(valueBytes, '.');
const padded =
  (send: SendOne): SendOne =>
  (key, value) =>
    send(key, pad(value));

it('the fleet grows and shrinks with the load by planned moves, without losing a record', async () => {
  const access = demoAccess(instance);
  await createTopic(instance, access, 'scaled', 12);
  const doubts = new Doubts();
  const send = padded(httpSender(instance, access, 'scaled', doubts));
  const acknowledged: string[] = [];
  expect(await zones()).toEqual(['a', 'b', 'c']);

  const much = new Load(send, 'much', 10);
  await untilServing(6);
  expect(await zones()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  await much.stop();
  const little = new Load(send, 'little', 1500);
  await untilServing(3);
  expect(await zones()).toEqual(['a', 'b', 'c']);

  const evacuated = await instance.admin<{ partitionsLeft: number }>('POST', '/zones/b/evacuate');
  expect(evacuated.partitionsLeft).toBe(0);
  const inB = (await instance.brokers()).filter(({ zone }) => zone === 'b');
  expect(inB.map(({ partitions }) => partitions)).toEqual([0]);
  await instance.admin('POST', '/zones/b/restore');
  const before = new Set((await instance.brokers()).map(({ pid }) => pid));
  await instance.admin('POST', '/fleet/restart');
  await instance.admin('POST', '/brokers/1/replace');
  await untilServing(3);
  for (const { pid } of await instance.brokers()) expect(before).not.toContain(pid);
  await little.stop();

  acknowledged.push(...much.acknowledged, ...little.acknowledged);
  const read = await readAll(instance, access, 'scaled');
  expect(judgeRecords(read, acknowledged.map(pad), doubts)).toEqual({ lost: [], duplicates: [], disordered: [] });
  const { items } = await instance.admin<{ items: { kind: string; reason: string }[] }>('GET', '/events?limit=1000');
  const sizes = items
    .filter(({ kind }) => kind.startsWith('fleet-scales'))
    .map(({ kind, reason }) => `${kind}: ${reason}`);
  expect(sizes[0]).toBe('fleet-scales-out: bytes-in above the target');
  expect(sizes.at(-1)).toBe('fleet-scales-in: fewer do for long enough');
});
