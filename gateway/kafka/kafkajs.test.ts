/** A real, unmodified client against the door. */
import { CompressionTypes, type KafkaMessage } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DoorBench, doorBench, type Tenant } from './door.suite.ts';

let bench: DoorBench;
let acme: Tenant;

beforeAll(async () => {
  bench = await doorBench();
  acme = await bench.tenant('acme');
});
afterAll(() => bench.close());

/** Reads `topic` with the group until `count` messages have arrived. */
async function consume(groupId: string, topic: string, count: number): Promise<KafkaMessage[]> {
  const consumer = bench.kafka(acme).consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages: KafkaMessage[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: ({ message }) => {
          messages.push(message);
          if (messages.length === count) resolve();
          return Promise.resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return messages;
}

describe('kafkajs', () => {
  it('produces with and without compression and consumes in a group', async () => {
    const producer = bench.kafka(acme).producer({ allowAutoTopicCreation: true });
    await producer.connect();
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
      await producer.send({ topic: 'plain', compression, messages: [{ key: 'k', value: `v${compression}` }] });
    }
    await producer.disconnect();
    const messages = await consume('readers', 'plain', 2);
    expect(messages.map(({ value }) => String(value)).sort()).toEqual(['v0', 'v1']);
  });

  it('produces idempotently', async () => {
    const producer = bench.kafka(acme).producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let i = 0; i < 5; i++) await producer.send({ topic: 'once', messages: [{ value: String(i), partition: 0 }] });
    await producer.disconnect();
    const messages = await consume('once-readers', 'once', 5);
    expect(messages.map(({ value }) => String(value))).toEqual(['0', '1', '2', '3', '4']);
  });

  it('keeps committed offsets', async () => {
    const admin = bench.kafka(acme).admin();
    await admin.connect();
    const [offsets] = await admin.fetchOffsets({ groupId: 'once-readers', topics: ['once'] });
    expect(offsets!.partitions.find(({ partition }) => partition === 0)!.offset).toBe('5');
    const { groups } = await admin.listGroups();
    expect(groups.map(({ groupId }) => groupId)).toContain('once-readers');
    const described = await admin.describeGroups(['once-readers']);
    expect(described.groups[0]).toMatchObject({ groupId: 'once-readers', state: 'Empty' });
    await admin.deleteGroups(['once-readers']);
    await admin.disconnect();
  });

  it('is shown one broker, because kafkajs confuses brokers that share an address', async () => {
    const admin = bench.kafka(acme).admin();
    await admin.connect();
    const cluster = await admin.describeCluster();
    expect(cluster.clusterId).toBe(acme.clusterId);
    expect(cluster.brokers.map(({ nodeId }) => nodeId)).toEqual([1]);
    expect(cluster.brokers[0]!.port).toBe(bench.door.port);
    await admin.disconnect();
  });
});
