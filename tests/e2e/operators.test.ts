/**
 * What operators ask at a gateway that has no controller in it: written there, done by whoever keeps the fleet, and gone on
 * with by the next one when that dies in the middle. Records are written all the while.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Apart } from './apart.ts';
import { createTopic, demoAccess, Doubts, httpSender, judgeRecords, readAll } from './doors.ts';

// Whole installations on a busy machine: the bound is against hanging, nothing here is about speed.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const lanes = 4;
/** So many logs that a drain takes several releases, and that there is a middle of it. */
const partitions = 600;

let apart: Apart;
beforeAll(async () => {
  apart = await Apart.start(2);
});
afterAll(() => apart.remove());

interface Broker {
  readonly brokerId: number;
  readonly state: string;
  readonly partitions: number;
  readonly pid: number;
  readonly wish?: string;
}

const brokers = async (): Promise<Broker[]> =>
  (await apart.gateway.admin<{ items: Broker[] }>('GET', '/brokers')).items;
const broker = async (brokerId: number): Promise<Broker> =>
  (await brokers()).find((each) => each.brokerId === brokerId)!;
/** Asks until what is shown of a broker holds. */
const brokerUntil = (brokerId: number, holds: (shown: Broker) => boolean): Promise<Broker> =>
  vi.waitUntil(() => broker(brokerId).then((shown) => holds(shown) && shown), { timeout: 60_000, interval: 1 });

it('a request of an operator at a gateway is done even if the controller that keeps the fleet dies half way', async () => {
  const access = demoAccess(apart.gateway);
  await apart.until('two share the shards', ({ controllers }) => {
    const shares = controllers.filter(({ alive }) => alive).map(({ shards }) => shards);
    return shares.length === 2 && shares.every((count) => count === 32);
  });
  await createTopic(apart.gateway, access, 'asked', partitions);
  const doubts = new Doubts();
  const send = httpSender(apart.gateway, access, 'asked', doubts);
  const acknowledged: string[] = [];
  let isOver = false;
  const writing = Array.from({ length: lanes }, async (_, lane) => {
    for (let i = 0; !isOver; ) {
      const value = `k${lane}:${i}`;
      if (!(await send(`k${lane}`, value).catch(() => false))) continue;
      acknowledged.push(value);
      i++;
    }
  });

  const before = await broker(1);
  expect(before.partitions).toBeGreaterThan(partitions / 4);
  const draining = apart.gateway.admin<{ partitionsLeft: number }>('POST', '/brokers/1/drain');
  await brokerUntil(1, (now) => now.partitions !== before.partitions);
  await (await apart.keeper()).end('SIGKILL');
  expect(await draining).toMatchObject({ partitionsLeft: 0 });
  expect(await broker(1)).toMatchObject({ state: 'draining', partitions: 0, wish: 'drain', pid: before.pid });

  const third = apart.controller();
  await third.works;
  await apart.gateway.admin('POST', '/brokers/1/undrain');
  await brokerUntil(1, (now) => now.partitions > 0);

  const { pid } = await broker(2);
  const restarting = apart.gateway.admin('POST', '/brokers/2/restart');
  await brokerUntil(2, (now) => now.wish !== undefined || now.pid !== pid);
  await (await apart.keeper()).end('SIGKILL');
  expect(await restarting).toMatchObject({ brokerId: 2, state: 'serving' });
  const restarted = await broker(2);
  expect(restarted.pid).not.toBe(pid);
  expect(restarted).not.toHaveProperty('wish');

  const scaled = await apart.gateway.admin('POST', '/fleet/scale', { brokers: 3 });
  expect(scaled).toMatchObject({ brokers: 3, override: 3, reason: 'set by an operator' });
  expect(await apart.gateway.admin('GET', '/fleet')).toMatchObject({ override: 3 });
  isOver = true;
  await Promise.all(writing);
  const outcome = judgeRecords(await readAll(apart.gateway, access, 'asked'), acknowledged, doubts);
  expect(outcome).toEqual({ lost: [], duplicates: [], disordered: [] });
});
