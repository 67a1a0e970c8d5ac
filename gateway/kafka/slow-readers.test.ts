/** Clients that ask for much and read nothing, over real sockets: the total that they are owed is bounded. */
import { afterEach, expect, it } from 'vitest';
import { type DoorBench, doorBench, type RawClient, type Tenant } from './door.suite.ts';

let bench: DoorBench;
afterEach(() => bench.close());

/** A topic with one record of nearly 1 MiB. */
async function largeTopic(tenant: Tenant): Promise<void> {
  const producer = bench.kafka(tenant).producer();
  await producer.connect();
  await producer.send({ topic: 'large', messages: [{ value: Buffer.alloc(1_000_000, 'x') }] });
  await producer.disconnect();
}

const largePartition = {
  partition: 0,
  currentLeaderEpoch: -1,
  fetchOffset: 0,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  partitionMaxBytes: 2_000_000,
  replicaDirectoryId: '\0'.repeat(16),
  highWatermark: Infinity,
};

function fetch(client: RawClient): void {
  client.send(1, 4, {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 2_000_000,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic: 'large', topicId: '\0'.repeat(16), partitions: [largePartition] }],
    forgottenTopicsData: [],
    rackId: '',
    readsSegments: false,
  });
}

it('are closed when memory for them runs out, the longest-waiting first; a client that reads is served', async () => {
  bench = await doorBench({ outboxesBytesMax: 24 * 1024 * 1024 });
  const [acme, other] = [await bench.tenant('acme'), await bench.tenant('other')];
  await largeTopic(acme);
  await largeTopic(other);
  const silent: RawClient[] = [];
  for (let i = 0; i < 4; i++) {
    const client = await bench.client(acme);
    silent.push(client);
    client.pause();
    for (let k = 0; k < 40; k++) fetch(client);
  }
  // Each is owed 8 MiB besides what the kernel holds for it, and their cluster may be owed 12 MiB.
  const ended = (): number => bench.logged.filter(({ event }) => event === 'kafka-slow-reader-ended').length;
  await expect.poll(ended, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  for (const tenant of [acme, other]) {
    const reader = await bench.client(tenant);
    for (let k = 0; k < 10; k++) {
      fetch(reader);
      expect((await reader.next())?.length).toBeGreaterThan(1_000_000);
    }
  }
  expect(bench.door.connections()).toBeLessThanOrEqual(2 + 2);
});

it('are not waited for indefinitely when their connections are closed', async () => {
  bench = await doorBench({ outboxBytesMax: 64 * 1024 * 1024, idleMsMax: 500, closeMsMax: 1 });
  const acme = await bench.tenant('acme');
  await largeTopic(acme);
  const client = await bench.client(acme);
  client.pause();
  // More than the kernel holds for it.
  for (let k = 0; k < 40; k++) fetch(client);
  await expect.poll(() => bench.door.connections(), { timeout: 20_000 }).toBe(0);
  client.resume();
  await client.closed;
  expect(client.frames.length).toBeLessThan(40);
});
