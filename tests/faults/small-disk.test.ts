/**
 * A whole installation, started as in production, on a file system that really fills up: below the floor at which
 * brokers refuse records, and down to the last byte, which another process takes. Observed over real sockets.
 */
import { mkdirSync } from 'node:fs';
import { type Admin, Kafka, type KafkaJSProtocolError, logLevel } from 'kafkajs';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { Instance } from '../../bin/demo/instance.ts';
import { logSettingsDefault } from '../../engine/log/settings.ts';
import { type Access, authorized, createTopic, demoAccess, readAll } from '../e2e/doors.ts';
import { startInstallation } from '../installation.ts';
import { until } from './installation.ts';
import { SmallDisk } from './small-disk.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const topic = 'small';
const leaseMs = 1_000;
const floorBytes = logSettingsDefault.freeBytesFloor;
/** Room for a hundred times what is written here, so that only the filler takes it below the floor. */
const diskBytes = floorBytes + 64 * 1024 * 1024;
const belowFloorBytes = 32 * 1024 * 1024;

const group = 'readers';
const idleGroup = 'idle';

/** Undefined: stored. */
type Send = (value: string) => Promise<string | undefined>;

const disk = await SmallDisk.mount(diskBytes);
if (typeof disk === 'string') {
  process.stderr.write(`headgate: no small file system can be mounted here, its tests are skipped: ${disk}\n`);
}

describe.skipIf(typeof disk === 'string')('a small file system', () => {
  const small = disk as SmallDisk;
  let instance: Instance;
  let kafka: Awaited<ReturnType<typeof plainProducer>>;
  const acknowledged: string[] = [];
  const unknown = new Set<string>();
  let sent = 0;

  async function start(): Promise<void> {
    const within = { entrance: small.entrance, data: `${small.inside}/data` };
    instance = await startInstallation(['--lease-ms', `${leaseMs}`], `${small.outside}/data`, within);
    kafka = await plainProducer(instance);
  }

  afterAll(async () => {
    await kafka?.close();
    await instance?.stop('SIGKILL');
    await small.remove();
  });

  const overHttp: Send = async (value) => {
    const response = await fetch(`${instance.http}/v1/topics/${topic}`, {
      method: 'POST',
      headers: authorized(demoAccess(instance), { 'record-key': 'k', 'content-type': 'application/octet-stream' }),
      body: value,
    });
    const answer = (await response.json()) as { code?: string; side_effects?: string };
    if (answer.side_effects === 'unknown') unknown.add(value);
    return response.ok ? undefined : `${response.status} ${answer.code}`;
  };

  async function send(door: Send): Promise<string | undefined> {
    const value = `${sent++}`;
    const error = await door(value);
    if (error === undefined) acknowledged.push(value);
    return error;
  }

  /**
   * Until then a broker takes what still fits in the page that it writes in, and each broker looks at the disk for itself: all
   * of them do before their next write when their last looks have lost their validity.
   */
  async function refuses(): Promise<void> {
    const filledMs = performance.now();
    await until('both doors refuse', async () => {
      const [ofKafka, ofHttp] = [await send(kafka.send), await send(overHttp)];
      if (ofKafka !== undefined) expect(ofKafka).toBe('KAFKA_STORAGE_ERROR');
      // A write that finds the disk full halfway has an unknown outcome.
      if (ofHttp !== undefined) expect(['507 storage-full', '504 outcome-unknown']).toContain(ofHttp);
      const areOld = performance.now() - filledMs > logSettingsDefault.freeSpaceIntervalMs;
      return areOld && ofKafka !== undefined && ofHttp === '507 storage-full';
    });
    await holdsExactly();
  }

  async function writesAgain(): Promise<void> {
    for (const door of [kafka.send, overHttp]) {
      await until('it takes writes again', async () => (await send(door)) === undefined);
    }
    await holdsExactly();
  }

  /** Everything that was acknowledged, in order, and nothing that was refused. */
  async function holdsExactly(): Promise<void> {
    const values = (await readAll(instance, demoAccess(instance), topic)).map(({ value }) => value);
    expect(values.filter((value) => !unknown.has(value))).toEqual(acknowledged);
  }

  const processes = async (): Promise<number[]> => (await instance.brokers()).map(({ pid }) => pid);

  it('that is full before the first start: the start is refused by name, and the next one can succeed', async () => {
    mkdirSync(`${small.outside}/data`);
    small.fill('all', 0);
    await expect(start()).rejects.toThrow(/metadata store in .*: its disk is full/);
    small.makeRoom();
  });

  it('that is nearly full: writes are refused, reads work, and writes resume in the same processes', async () => {
    await start();
    await createTopic(instance, demoAccess(instance), topic, 1);
    await writesAgain();
    const before = await processes();
    small.fill('most', belowFloorBytes);
    await refuses();
    // What is kept of topics and groups is small, and has its room.
    await createTopic(instance, demoAccess(instance), 'meanwhile', 3);
    small.makeRoom();
    await writesAgain();
    const said = instance.errors.join('\n');
    expect(said).toMatch(/data\/volumes\/\d has less than 256 MiB free: writes are refused/);
    expect(said).toMatch(/data\/volumes\/\d has room again/);
    expect(await processes()).toEqual(before);
  });

  it('without one byte left: leases are renewed, reads continue, and writes resume when there is room', async () => {
    const before = await processes();
    small.fill('all', 0);
    await refuses();
    const fullSinceMs = performance.now();
    await until('several leases would be over', async () => {
      expect((await instance.brokers()).map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
      await holdsExactly();
      return performance.now() - fullSinceMs > 3 * leaseMs;
    });
    const made = await fetch(`${instance.http}/v1/topics`, {
      method: 'POST',
      headers: authorized(demoAccess(instance), { 'content-type': 'application/json' }),
      body: JSON.stringify({ name: 'at-the-end', partitions: 1 }),
    });
    // Of the reserve, or a refusal that says why.
    expect([201, 503]).toContain(made.status);
    if (made.status === 503) {
      expect(await made.json()).toMatchObject({ code: 'store-unavailable', side_effects: 'none' });
    }
    small.makeRoom();
    await writesAgain();
    expect(await processes()).toEqual(before);
  });

  it('without one byte left: groups keep their members and offsets, and commits are refused by name', async () => {
    const neighbour = await otherTenant(instance);
    const admin = plainClient(instance).admin();
    await admin.connect();
    await admin.setOffsets({ groupId: idleGroup, topic, partitions: [{ partition: 0, offset: '1' }] });
    const reader = await startReader(instance);
    expect(await reader.commit('2')).toBeUndefined();

    small.fill('all', 0);
    await refuses();
    expect(await reader.commit('3')).toBe('GROUP_COORDINATOR_NOT_AVAILABLE');
    expect(await committed(admin)).toBe('2');
    expect(await ofGroup('GET', group)).toMatchObject([200, { state: 'Stable', offsets: [{ committed_offset: 2 }] }]);
    expect(await ofGroup('DELETE', idleGroup)).toMatchObject([507, { code: 'storage-full', side_effects: 'none' }]);
    expect(await ofGroup('GET', idleGroup)).toMatchObject([200, { offsets: [{ committed_offset: 1 }] }]);
    expect((await readAll(instance, neighbour, topic)).map(({ value }) => value)).toEqual(['theirs']);

    small.makeRoom();
    await writesAgain();
    await until('the same member commits', async () => (await reader.commit('4')) === undefined);
    expect(await committed(admin)).toBe('4');
    expect(reader.rejoins()).toBe(0);
    await reader.close();
    await admin.disconnect();
  });

  async function ofGroup(method: string, id: string): Promise<[number, unknown]> {
    const headers = authorized(demoAccess(instance));
    const response = await fetch(`${instance.http}/v1/groups/${id}`, { method, headers });
    const text = await response.text();
    return [response.status, text === '' ? undefined : JSON.parse(text)];
  }

  it('on which everything is killed: the next start has everything acknowledged, while it is still nearly full', async () => {
    small.fill('all', 0);
    await refuses();
    await kafka.close();
    await instance.stop('SIGKILL');
    small.makeRoom();
    small.fill('most', belowFloorBytes);
    await start();
    await refuses();
    expect(await ofGroup('GET', group)).toMatchObject([200, { offsets: [{ committed_offset: 4 }] }]);
    small.makeRoom();
    await writesAgain();
  });
});

/** One try for each request. */
function plainClient(instance: Instance): Kafka {
  const { keyId, apiKey } = demoAccess(instance);
  return new Kafka({
    brokers: [instance.kafka],
    sasl: { mechanism: 'plain', username: keyId, password: apiKey },
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  });
}

const told = (error: KafkaJSProtocolError & { readonly cause?: KafkaJSProtocolError }): string =>
  error.type ?? error.cause?.type ?? String(error);

/** Without an idempotent producer, which would repeat a refused record. */
async function plainProducer(instance: Instance): Promise<{ readonly send: Send; close(): Promise<void> }> {
  const producer = plainClient(instance).producer({ idempotent: false });
  await producer.connect();
  return {
    send: (value) => producer.send({ topic, acks: -1, messages: [{ key: 'k', value }] }).then(() => undefined, told),
    close: () => producer.disconnect(),
  };
}

interface Reader {
  /** Undefined: stored. */
  commit(offset: string): Promise<string | undefined>;
  rejoins(): number;
  close(): Promise<void>;
}

/** A member of the group that commits when told to. */
async function startReader(instance: Instance): Promise<Reader> {
  const consumer = plainClient(instance).consumer({ groupId: group });
  let joins = 0;
  const joined = new Promise<void>((resolve) => {
    consumer.on('consumer.group_join', () => {
      joins++;
      resolve();
    });
  });
  await consumer.connect();
  await consumer.subscribe({ topic });
  await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
  await joined;
  return {
    commit: (offset) => consumer.commitOffsets([{ topic, partition: 0, offset }]).then(() => undefined, told),
    rejoins: () => joins - 1,
    close: () => consumer.disconnect(),
  };
}

async function committed(admin: Admin): Promise<string> {
  const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  return offsets!.partitions[0]!.offset;
}

/** With one record in a topic of the same name. */
async function otherTenant(instance: Instance): Promise<Access> {
  const access = await instance.tenant('neighbour');
  await createTopic(instance, access, topic, 1);
  const stored = await fetch(`${instance.http}/v1/topics/${topic}`, {
    method: 'POST',
    headers: authorized(access, { 'content-type': 'application/octet-stream' }),
    body: 'theirs',
  });
  expect(stored.status).toBe(200);
  return access;
}
