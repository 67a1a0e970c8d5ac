/** A member of the soak's group comes back: when its session ends in the middle of a run, and when kafkajs gives it up. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { doorBench } from '../../gateway/kafka/door.suite.ts';
import { freePorts } from '../../infra/network/free-ports.ts';
import { Connection } from '../differential/connection.ts';
import { Downtime } from './downtime.ts';
import { readGroup } from './group-member.ts';
import { valueText } from './history.ts';
import { HttpClient } from './http-client.ts';
import { Recorder } from './recorder.ts';
import { group, Site, topic } from './site.ts';
import { writeHttp } from './writers.ts';

const program = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist', 'bin', 'main.js');
const waitMsMax = 60_000;
const removals = 3;

it('rejoins when its commit is refused because the group does not know it', { timeout: 300_000 }, async () => {
  const recorder = new Recorder(waitMsMax);
  const site = await Site.start({ program, brokers: 1, partitions: 1 }, recorder);
  const stop = new AbortController();
  const load = { site, recorder, downtime: new Downtime(1), partitions: 1, paceMs: 5, signal: stop.signal };
  const clients = [writeHttp(load, 0), readGroup(load)];
  try {
    const { keyId: username, apiKey: password } = site.access;
    const connection = await Connection.open({ bootstrap: site.places().kafka[0]!, username, password });
    for (let removed = 0; removed < removals; removed++) {
      await commitsGoOn(recorder);
      const members = (await memberIds(site)).map((memberId) => ({ memberId, groupInstanceId: null, reason: null }));
      const left = await connection.ask(13, 3, { groupId: group, memberId: '', members });
      expect(left).toMatchObject({ kind: 'answer', body: { errorCode: 0, members: [{ errorCode: 0 }] } });
    }
    await commitsGoOn(recorder);
    connection.end();
    expect([...recorder.checker.crashes]).toEqual([]);
    expect(recorder.checker.anomalies).toEqual([]);
  } finally {
    stop.abort();
    await Promise.all(clients);
    await site.remove();
  }
});

async function commitsGoOn({ checker: { counts } }: Recorder): Promise<void> {
  const enough = counts.commits + 3;
  await vi.waitFor(() => expect(counts.commits).toBeGreaterThanOrEqual(enough), { timeout: waitMsMax });
}

async function memberIds(site: Site): Promise<string[]> {
  const client = new HttpClient(site.places().http, site.access.apiKey);
  const { body } = await client.ask('GET', `/v1/groups/${group}`);
  client.close();
  return (JSON.parse(body) as { members: { member_id: string }[] }).members.map(({ member_id: id }) => id);
}

const findCoordinator = 10;
const saslAuthenticate = 36;

// The second login is that of the connection for fetches, when the group has been joined.
it.each([
  [findCoordinator, 1, 'KafkaJSGroupCoordinatorNotFound'],
  [saslAuthenticate, 2, 'KafkaJSSASLAuthenticationError'],
])('starts over when its connection ends at request %i, time %i: %s', { timeout: 120_000 }, async (key, time, name) => {
  const [port = 0] = await freePorts(1);
  const bench = await doorBench({}, { advertisedPort: port });
  const { keyId, apiKey } = await bench.tenant('acme');
  const proxy = new Proxy(bench.door.port);
  await proxy.listen(port);
  const recorder = new Recorder(waitMsMax);
  const values = recorder.producer('plain', 'kafka').take(3);
  const producer = bench.kafka({ keyId, apiKey, clusterId: '' }).producer({ allowAutoTopicCreation: true });
  await producer.connect();
  recorder.add({ kind: 'sent', partition: 0, values });
  await producer.send({ topic, messages: values.map((value) => ({ value: valueText(value), partition: 0 })) });
  await producer.disconnect();
  proxy.cutAt(key, time);
  const stop = new AbortController();
  const site = { places: () => ({ kafka: [`127.0.0.1:${port}`] }), access: { keyId, apiKey } };
  const member = readGroup({ site, recorder, signal: stop.signal });
  try {
    await vi.waitFor(() => expect(recorder.checker.counts.commits).toBeGreaterThan(0), { timeout: waitMsMax });
    expect([...recorder.checker.crashes]).toEqual([[name, { count: 1, final: 1 }]]);
    expect(recorder.checker.anomalies).toEqual([]);
  } finally {
    stop.abort();
    await member;
    proxy.close();
    await bench.close();
  }
});

/** Passes everything on, and ends all connections in place of one request. */
class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #key = -1;
  #timesLeft = 0;

  constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect({ host: '127.0.0.1', port: target });
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => this.#sockets.delete(socket));
      }
      upstream.on('data', (chunk) => client.write(chunk));
      upstream.on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      let received = Buffer.alloc(0);
      client.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        while (received.length >= 6 && received.length >= 4 + received.readInt32BE(0)) {
          const end = 4 + received.readInt32BE(0);
          if (this.#isCut(received.readInt16BE(4))) return;
          upstream.write(received.subarray(0, end));
          received = received.subarray(end);
        }
      });
    });
  }

  async listen(port: number): Promise<void> {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening');
  }

  cutAt(key: number, time: number): void {
    this.#key = key;
    this.#timesLeft = time;
  }

  #isCut(key: number): boolean {
    if (key !== this.#key || --this.#timesLeft !== 0) return false;
    for (const socket of this.#sockets) socket.destroy();
    return true;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
