/** The door with so small a share of a turn that one request of a cluster uses it up. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { make } from '../../engine/protocol/make.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
beforeAll(async () => {
  bench = await doorBench({}, { clusterTurnMsMax: 0.2 });
});
afterAll(() => bench.close());

const topics = Array.from({ length: 2_000 }, (_, i) => ({ name: `no-${i}` }));
const large = make(apiByKey.get(3)!.request, { topics, allowAutoTopicCreation: false }) as RequestOf<3>;
const small = make(apiByKey.get(3)!.request, { topics: [] }) as RequestOf<3>;

it('serves a cluster before the requests that another one has sent on many connections', async () => {
  const greedy = await bench.tenant('greedy');
  const modest = await bench.client(await bench.tenant('modest'));
  const clients: RawClient[] = [];
  for (let i = 0; i < 60; i++) clients.push(await bench.client(greedy));
  const answered: string[] = [];
  const asked = clients.map((client) => client.ask(3, 9, large).then(() => answered.push('greedy')));
  await Promise.all([...asked, modest.ask(3, 9, small).then(() => answered.push('modest'))]);
  expect(answered).toHaveLength(61);
  // Usually among the first three; when its bytes arrive a few turns later, a few more of the others are done.
  expect(answered.indexOf('modest')).toBeLessThan(30);
});

it('serves a cluster before it has put together all the long polls of another one that end at the same time', async () => {
  const greedy = await bench.tenant('reader');
  const modest = await bench.client(await bench.tenant('asker'));
  await modest.ask(3, 9, small);
  const clients: RawClient[] = [];
  for (let i = 0; i < 40; i++) clients.push(await bench.client(greedy));
  const topics = [{ name: 'many', numPartitions: 200, replicationFactor: 1 }];
  const created = await clients[0]!.ask(19, 5, make(apiByKey.get(19)!.request, { topics }) as RequestOf<19>);
  expect(created.topics[0]!.errorCode).toBe(0);
  const fetch = bench.engine.fetch.bind(bench.engine);
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let waiting = 0;
  let allWait = (): void => {};
  const waits = new Promise<void>((resolve) => (allWait = resolve));
  bench.engine.fetch = async (...asked) => {
    if (++waiting === clients.length) allWait();
    await released;
    return fetch(...asked);
  };
  const partitions = Array.from({ length: 200 }, (_, partition) => ({ partition, partitionMaxBytes: 1_000 }));
  const read = make(apiByKey.get(1)!.request, { topics: [{ topic: 'many', partitions }] }) as RequestOf<1>;
  const answered: string[] = [];
  const asked = clients.map((client) => client.ask(1, 11, read).then(() => answered.push('greedy')));
  await waits;
  release();
  await Promise.all([...asked, modest.ask(3, 9, small).then(() => answered.push('modest'))]);
  bench.engine.fetch = fetch;
  expect(answered).toHaveLength(41);
  expect(answered.indexOf('modest')).toBeLessThan(20);
});

it('answers the requests of one connection in their order, small and large', async () => {
  const client = await bench.client(await bench.tenant('pipelined'));
  const answered: number[] = [];
  await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const { topics: shown } = await client.ask(3, 9, i % 50 === 7 ? large : small);
      expect(shown).toHaveLength(i % 50 === 7 ? 2_000 : 0);
      answered.push(i);
    }),
  );
  expect(answered).toEqual(answered.toSorted((one, other) => one - other));
  expect(answered).toHaveLength(300);
});
