/** Virtual brokers with ports of their own: what clients see, and which groups each broker lists. */
import { createServer, type Server } from 'node:net';
import type { Admin } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ApiKey, apiByKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { make } from '../../engine/protocol/make.ts';
import { type DoorBench, doorBench, type RawClient, type Tenant } from './door.suite.ts';

const groups = Array.from({ length: 12 }, (_, i) => `group-${i}`);
let bench: DoorBench;
let acme: Tenant;
let admin: Admin;

beforeAll(async () => {
  bench = await doorBench({}, {}, { brokerPorts: [0, 0, 0] });
  acme = await bench.tenant('acme');
  admin = bench.kafka(acme).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'spread', numPartitions: 6 }], waitForLeaders: true });
});
afterAll(async () => {
  await admin.disconnect();
  await bench.close();
});

it('shows three brokers with three ports to a client of the old protocol', async () => {
  const { brokers } = await admin.describeCluster();
  expect(new Set(brokers.map(({ nodeId }) => nodeId))).toEqual(new Set([1, 2, 3]));
  const ports = new Set(brokers.map(({ port }) => port));
  expect(ports.size).toBe(3);
  expect(ports).not.toContain(bench.door.port);
});

it('lists each group once, at its coordinator, and all groups at the shared port', async () => {
  const client = await bench.client(acme);
  const commit = { name: 'spread', partitions: [{ partitionIndex: 0, committedOffset: 0 }] };
  for (const groupId of groups) {
    await ask(client, 8, 5, { groupId, generationIdOrMemberEpoch: -1, topics: [commit] });
  }
  const { brokers } = await admin.describeCluster();
  const told: string[] = [];
  for (const { nodeId, port } of brokers) {
    const own = await listed(await bench.client(acme, port));
    expect(own.length).toBeLessThan(groups.length);
    for (const groupId of own) {
      const { coordinators } = await ask(client, 10, 4, { keyType: 0, coordinatorKeys: [groupId] });
      expect(coordinators[0]).toMatchObject({ nodeId, port });
      expect(await ask(client, 10, 1, { key: groupId })).toMatchObject({ nodeId, port });
    }
    told.push(...own);
  }
  expect(told.sort()).toEqual([...groups].sort());
  expect((await listed(client)).sort()).toEqual([...groups].sort());
});

it('lists a log at the brokers that have a replica of it, and all logs at the shared port', async () => {
  const client = await bench.client(acme);
  await ask(client, 19, 7, { topics: [{ name: 'once', numPartitions: 3, replicationFactor: 1 }] });
  const logsAt = async (port?: number): Promise<Record<string, number[]>> => {
    const { results } = await ask(await bench.client(acme, port), 35, 5, { topics: null });
    const { topics } = results[0]!;
    return Object.fromEntries(topics.map((t) => [t.name, t.partitions.map((each) => each.partitionIndex)]));
  };
  const { brokers } = await admin.describeCluster();
  const seen = await Promise.all(brokers.map(({ port }) => logsAt(port)));
  for (const { spread } of seen) expect(spread).toEqual([0, 1, 2, 3, 4, 5]);
  expect(seen.flatMap(({ once = [] }) => once).sort((a, b) => a - b)).toEqual([0, 1, 2]);
  expect(seen.every(({ once = [] }) => once.length === 1)).toBe(true);
  expect(await logsAt()).toEqual({ spread: [0, 1, 2, 3, 4, 5], once: [0, 1, 2] });
});

it('stores what kafkajs sends to partitions of three leaders', async () => {
  const producer = bench.kafka(acme).producer();
  await producer.connect();
  const messages = Array.from({ length: 60 }, (_, i) => ({ value: String(i), partition: i % 6 }));
  await producer.send({ topic: 'spread', messages });
  await producer.disconnect();
  const offsets = await admin.fetchTopicOffsets('spread');
  expect(offsets.map(({ high }) => high)).toEqual(Array.from({ length: 6 }, () => '10'));
});

it('listens on none of its ports when one of them is taken', async () => {
  const taken = createServer();
  const takenPort = await listen(taken, 0);
  const free = createServer();
  const freePort = await listen(free, 0);
  await new Promise((resolve) => free.close(resolve));

  await expect(doorBench({}, {}, { brokerPorts: [freePort, takenPort, 0] })).rejects.toThrow('EADDRINUSE');
  const again = createServer();
  await listen(again, freePort);
  await Promise.all([taken, again].map((server) => new Promise((resolve) => server.close(resolve))));
});

function ask<K extends ApiKey>(client: RawClient, key: K, version: number, part: object): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

async function listed(client: RawClient): Promise<string[]> {
  return (await ask(client, 16, 4, {})).groups.map(({ groupId }) => groupId);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}
