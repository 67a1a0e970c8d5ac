/**
 * Faults of the disk under real broker processes, seen from real sockets: each is refused with the right error or survived,
 * and what was acknowledged is there afterwards, once and in order.
 */
import { logLevel, Kafka, type KafkaJSProtocolError } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { authorized, createTopic, demoAccess, judgeRecords, kafkaSender, readAll, sendKey } from '../e2e/doors.ts';
import { findRecords } from './bit-rot.ts';
import { FaultyInstallation, until } from './installation.ts';
import { type DiskRule, wasMet } from './rule.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const keys = 12;
const perKey = 12;

/**
 * Longer than a busy machine delays a broker: these tests are about disk faults, and a broker that counts as dead
 * meanwhile is replaced, correctly, without any fault. A broker that ends by itself is noticed at once, whatever its
 * lease.
 */
const leaseMs = 15_000;

describe('the disk of a broker', () => {
  let site: FaultyInstallation;
  beforeAll(async () => {
    site = await FaultyInstallation.start(['--lease-ms', `${leaseMs}`]);
  });
  afterEach(() => site.rule(undefined));
  afterAll(() => site.remove());

  const access = () => demoAccess(site.instance);

  /** One attempt, without an idempotent producer, which would repeat a refused record. */
  async function plainProducer(topic: string) {
    const { keyId, apiKey } = access();
    const kafka = new Kafka({
      brokers: [site.instance.kafka],
      sasl: { mechanism: 'plain', username: keyId, password: apiKey },
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    });
    const producer = kafka.producer({ idempotent: false });
    await producer.connect();
    return {
      /** The name of Kafka's error; undefined when it was stored. */
      send: (key: string, value: string): Promise<string | undefined> =>
        producer.send({ topic, acks: -1, messages: [{ key, value }] }).then(
          () => undefined,
          (error: KafkaJSProtocolError & { readonly cause?: KafkaJSProtocolError }) =>
            error.type ?? error.cause?.type ?? String(error),
        ),
      close: () => producer.disconnect(),
    };
  }

  it.each<[string, (path: string) => DiskRule]>([
    ['is full before a write', (path) => ({ on: ['write'], path, error: 'full' })],
    ['is full in the middle of a record', (path) => ({ on: ['write'], path, error: 'full', afterBytes: 100 })],
    ['is nearly full', (path) => ({ on: ['measure'], path, error: 'full' })],
  ])('%s: writes are refused, reads work, and writes resume without a restart', async (name, rule) => {
    const topic = name.replaceAll(' ', '-');
    await createTopic(site.instance, access(), topic, 1);
    const producer = await plainProducer(topic);
    const stored: string[] = [];
    const refused: string[] = [];
    for (let n = 0; n < 5; n++) {
      expect(await producer.send('k', `k:${n}`)).toBeUndefined();
      stored.push(`k:${n}`);
    }
    const owner = await site.ownerOf(topic);
    site.rule(rule(`/volumes/${owner.brokerId}`));
    let n = 5;
    await until('the broker refuses', async () => {
      const value = `k:${n++}`;
      const error = await producer.send('k', value);
      if (error === undefined) stored.push(value);
      else {
        expect(error).toBe('KAFKA_STORAGE_ERROR');
        refused.push(value);
      }
      return refused.length === 3;
    });
    expect((await readAll(site.instance, access(), topic)).map(({ value }) => value)).toEqual(stored);
    site.rule(undefined);
    await until('it takes writes again', async () => {
      const value = `k:${n++}`;
      const error = await producer.send('k', value);
      if (error === undefined) stored.push(value);
      return error === undefined;
    });
    await producer.close();
    expect((await readAll(site.instance, access(), topic)).map(({ value }) => value)).toEqual(stored);
    expect((await site.ownerOf(topic)).pid).toBe(owner.pid);
  });

  it.each<[string, DiskRule['on'][number], string]>([
    ['fails to sync its log', 'datasync', '/wal/'],
    ['fails to write its log', 'write', '/wal/'],
  ])('%s: the broker stops acknowledging and ends, and another takes over', async (name, on, path) => {
    const topic = name.replaceAll(' ', '-');
    await createTopic(site.instance, access(), topic, 3);
    const sender = await kafkaSender(site.instance, access(), topic);
    const acknowledged: string[] = [];
    const all = Array.from({ length: keys }, (_, key) => sendKey(sender.send, `${key}`, perKey, acknowledged));
    await until('some are acknowledged', () => acknowledged.length >= keys);
    const owner = await site.ownerOf(topic);
    site.rule({ on: [on], path: `/volumes/${owner.brokerId}${path}`, error: 'io', once: true });
    await Promise.all(all);
    await until('the fault is met', async () => {
      await sendKey(sender.send, 'more', 1, []);
      return wasMet(site.folder);
    });
    await sender.close();
    await until('the broker has ended', async () =>
      (await site.instance.brokers()).every(({ pid }) => pid !== owner.pid),
    );
    expect(judgeRecords(await readAll(site.instance, access(), topic), acknowledged)).toMatchObject({
      lost: [],
      disordered: [],
    });
    await site.allServe();
  });

  it.each<[string, DiskRule]>([
    ['fails a sync of a segment', { on: ['datasync'], path: '/segments/', error: 'io', once: true }],
    ['fails a write of a segment', { on: ['write'], path: '/segments/', error: 'io', once: true }],
    [
      'is full in the middle of a segment',
      { on: ['write'], path: '/segments/', error: 'full', afterBytes: 50, once: true },
    ],
  ])('%s: nothing is lost', async (name, rule) => {
    const topic = name.replaceAll(' ', '-');
    await createTopic(site.instance, access(), topic, 1);
    const sender = await kafkaSender(site.instance, access(), topic);
    const acknowledged: string[] = [];
    await sendKey(sender.send, 'before', 10, acknowledged);
    const owner = await site.ownerOf(topic);
    site.rule(rule);
    // Its partitions are rolled up before another broker gets them.
    await site.instance.admin('POST', `/brokers/${owner.brokerId}/drain`).catch(() => undefined);
    await until('the fault is met', () => wasMet(site.folder));
    await sendKey(sender.send, 'after', 10, acknowledged);
    await sender.close();
    const records = await readAll(site.instance, access(), topic);
    expect(judgeRecords(records, acknowledged)).toEqual({ lost: [], duplicates: [], disordered: [] });
    expect(records).toHaveLength(acknowledged.length);
    await site.instance.admin('POST', `/brokers/${owner.brokerId}/undrain`);
    await site.allServe();
  });

  it('has a flipped bit in a segment: the bit is never served', async () => {
    const topic = 'bit-rot';
    await createTopic(site.instance, access(), topic, 1);
    const sender = await kafkaSender(site.instance, access(), topic);
    const values = Array.from({ length: 40 }, (_, n) => `value:${n}`);
    for (const value of values) await sender.send('k', value);
    await sender.close();
    const owner = await site.ownerOf(topic);
    await site.instance.admin('POST', `/brokers/${owner.brokerId}/drain`);
    await site.instance.admin('POST', `/brokers/${owner.brokerId}/undrain`);
    const read = async (from = 0): Promise<string[] | number> => {
      // An owner that is still opening its log is left out of a page that does not wait.
      const query = `from=${from}&max_records=1000&format=string&wait=10s`;
      const url = `${site.instance.http}/v1/topics/${topic}/records?${query}`;
      const response = await fetch(url, { headers: authorized(access(), { accept: 'application/json' }) });
      if (!response.ok) return response.status;
      return ((await response.json()) as { records: { value: string }[] }).records.map(({ value }) => value);
    };
    expect(await read()).toEqual(values);
    const rot = findRecords(site.instance.data, 'value:17');
    let told = 0;
    for (const at of rot.positions(60)) {
      rot.flip(at);
      const got = await read();
      // Records before the damage are served; a reader that continues from there gets an error.
      const before = typeof got === 'number' ? [] : got;
      expect(values.slice(0, before.length)).toEqual(before);
      if (before.length < values.length) {
        expect(await read(before.length)).toBeTypeOf('number');
        told++;
      }
      rot.flip(at);
    }
    expect(told).toBeGreaterThan(0);
    await site.allServe();
    expect(await read()).toEqual(values);
  });
});
