/**
 * Batches of a few kilobytes that decompress to 64 MiB, under every codec, looked into by many at once: by brokers, for the
 * record of a time, and by the gateway, for records as JSON.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Instance, TenantAccess } from '../../bin/demo/instance.ts';
import { RawClient } from '../../gateway/kafka/door.suite.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { codec } from '../../engine/records/batch.ts';
import { compress } from '../../engine/records/compression.ts';
import { encodeBatch, withRecordsSection } from '../../engine/records/encode.ts';
import { whole } from '../fuzz/world.ts';
import { startInstallation } from '../installation.ts';
import { authorized, createTopic } from './doors.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const mebi = 1024 * 1024;
/** 60 to 110 MiB of a gateway or broker that does nothing, two bombs at once, and what zstd's library takes while it works. */
const residentBytesMax = 512 * mebi;
const codecs = Object.entries({ gzip: codec.gzip, snappy: codec.snappy, lz4: codec.lz4, zstd: codec.zstd });
const connections = 8;

let instance: Instance;
let tenant: TenantAccess;

beforeAll(async () => {
  instance = await startInstallation();
  tenant = await instance.tenant('bombs');
  const client = await connected();
  for (const [topic, codecId] of codecs) {
    await createTopic(instance, tenant, topic, 1);
    // Snappy takes a twentieth; a batch has 1 MiB at most.
    const packed = await compress(codecId, Buffer.alloc((codecId === codec.snappy ? 16 : 64) * mebi));
    const batch = encodeBatch([{ key: null, value: Buffer.from('x'), timestampMs: Date.now() }]);
    const records = withRecordsSection(batch, packed, codecId);
    const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
    const answer = await client.ask(0, 9, whole(0, { acks: -1, timeoutMs: 30_000, topicData }));
    expect(answer.responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 0 });
  }
  client.end();
});
afterAll(() => instance.remove());

async function connected(): Promise<RawClient> {
  const client = await RawClient.connect(Number(instance.kafka.split(':')[1]));
  await client.login(tenant);
  return client;
}

/** The most that the system has ever seen of each process. */
async function peaks(): Promise<number[]> {
  const pids = [instance.pid, ...(await instance.brokers()).map(({ pid }) => pid)];
  return pids.map((pid) => {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
  });
}

/** On a busy machine an owner may be slower than the gateway waits for it, and a page leaves it out. */
const patience = new Set<number>([errorCode.none, errorCode.requestTimedOut, errorCode.notLeaderOrFollower]);

async function lookForTimes(): Promise<void> {
  const client = await connected();
  const topics = codecs.map(([name]) => ({ name, partitions: [{ partitionIndex: 0, timestamp: 1 }] }));
  const answer = await client.ask(2, 7, whole(2, { replicaId: -1, topics }));
  for (const { partitions } of answer.topics) expect(patience).toContain(partitions[0]?.errorCode);
  client.end();
}

async function readAsJson(topic: string): Promise<void> {
  const path = `/v1/topics/${topic}/records?from=earliest`;
  const response = await fetch(`${instance.http}${path}`, { headers: authorized(tenant) });
  const page = (await response.json()) as { code?: string; records?: unknown[] };
  if (page.records) expect(page.records).toEqual([]);
  else expect(page.code).toBe('records-unreadable');
}

it('40 readers of bombs leave every process below 512 MiB', async () => {
  const lanes = Array.from({ length: connections }, () => [
    lookForTimes(),
    ...codecs.map(([topic]) => readAsJson(topic)),
  ]);
  await Promise.all(lanes.flat());
  for (const bytes of await peaks()) expect(bytes).toBeLessThan(residentBytesMax);
});
