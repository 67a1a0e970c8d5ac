/**
 * Batches of a few kilobytes that decompress to 64 MiB, under every codec, looked into by many at once: by brokers, for the
 * record of a time, and by the gateway, for records as JSON.
 */
import { readFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Instance, TenantAccess } from '../../bin/demo/instance.ts';
import { RawClient } from '../../gateway/kafka/door.suite.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { codec } from '../../engine/records/batch.ts';
import { compress } from '../../engine/records/compression.ts';
import { recompressBatch } from '../../engine/records/decode.ts';
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

/** A bomb of good records. */
const readable = 'readable';
const readableRecords = 2_000;
const readableBytes = 64 * 1_000 * 1_000;
const deafReaders = 20;

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
    await store(client, topic, withRecordsSection(batch, packed, codecId));
  }
  await createTopic(instance, tenant, readable, 1);
  const value = Buffer.alloc(readableBytes / readableRecords, 'x');
  // With today's time: records older than retention.ms are deleted within a minute.
  const timestampMs = Date.now();
  const batch = encodeBatch(Array.from({ length: readableRecords }, () => ({ key: null, value, timestampMs })));
  await store(client, readable, await recompressBatch(batch, codec.gzip));
  client.end();
});
afterAll(() => instance.remove());

async function store(client: RawClient, topic: string, records: Buffer): Promise<void> {
  const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
  const answer = await client.ask(0, 9, whole(0, { acks: -1, timeoutMs: 30_000, topicData }));
  expect(answer.responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 0 });
}

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

/** False: there was no answer about the bomb. */
async function readAsJson(topic: string): Promise<boolean> {
  const path = `/v1/topics/${topic}/records?from=earliest`;
  const response = await fetch(`${instance.http}${path}`, { headers: authorized(tenant) });
  const page = (await response.json()) as { code?: string; records?: unknown[] };
  if (page.records) expect(page.records).toEqual([]);
  else expect(['records-unreadable', 'owner-unavailable']).toContain(page.code);
  return page.code === 'records-unreadable';
}

it('40 readers of bombs keep every process below 512 MiB', async () => {
  const lanes = Array.from({ length: connections }, () => codecs.map(([topic]) => readAsJson(topic)));
  const looks = Array.from({ length: connections }, () => lookForTimes());
  const [read] = await Promise.all([Promise.all(lanes.flat()), Promise.all(looks)]);
  expect(read).toContain(true);
  for (const bytes of await peaks()) expect(bytes).toBeLessThan(residentBytesMax);
});

/** Resolves when its first records are here, and then takes no more. */
function deafReader(streams: ClientRequest[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = authorized(tenant, { accept: 'text/event-stream' });
    const path = `${instance.http}/v1/topics/${readable}/records?from=earliest`;
    const asked = request(path, { headers, agent: false }, (response) => {
      response.on('data', (part: Buffer) => {
        if (!part.includes('data: ')) return;
        response.pause();
        resolve();
      });
    });
    streams.push(asked);
    asked.on('error', reject).end();
  });
}

it('event stream readers that stop reading do not hold a decompressed bomb each', async () => {
  const streams: ClientRequest[] = [];
  await Promise.all(Array.from({ length: deafReaders }, () => deafReader(streams)));
  expect((await peaks())[0]).toBeLessThan(residentBytesMax);
  for (const stream of streams) stream.on('error', () => undefined).destroy();
});

it('a reader that continues gets everything, once and in order', async () => {
  const got: number[] = [];
  const path = `/v1/topics/${readable}/records?from=earliest`;
  const ending = new AbortController();
  const headers = authorized(tenant, { accept: 'text/event-stream' });
  const response = await fetch(`${instance.http}${path}`, { headers, signal: ending.signal });
  const text = new TextDecoder();
  let rest = '';
  for await (const part of response.body!) {
    const lines = (rest + text.decode(part, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const offset = /^data: \{"partition":0,"offset":(\d+)/.exec(line.slice(0, 60))?.[1];
      if (offset !== undefined) got.push(Number(offset));
    }
    if (got.length >= readableRecords) break;
  }
  ending.abort();
  expect(got).toEqual(Array.from({ length: readableRecords }, (_, i) => i));
});

it('a WebSocket reader gets everything, once and in order', async () => {
  const got: number[] = [];
  const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, { headers: authorized(tenant) });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('close', (code, why) => reject(new Error(`closed with ${code}: ${String(why)}`)));
    socket.once('open', () =>
      socket.send(JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic: readable, from: 'earliest' })),
    );
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { event?: string; records?: { offset: number }[] };
      if (message.event === 'error') reject(new Error(data.toString()));
      if (message.event !== 'batch') return;
      for (const { offset } of message.records!) got.push(offset);
      if (got.length >= readableRecords) resolve();
    });
  });
  socket.removeAllListeners('close');
  socket.terminate();
  expect(got).toEqual(Array.from({ length: readableRecords }, (_, i) => i));
});
