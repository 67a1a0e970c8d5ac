/** The WebSocket door as its users see it, over real sockets, the same on both transports. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { codec } from '../../engine/records/batch.ts';
import { decodeBatch, recompressBatch } from '../../engine/records/decode.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Bench, type BenchTenant, type Driver, httpBench } from '../http/door-bench.suite.ts';

type Event = Record<string, unknown> & { readonly event?: string; readonly binary?: Buffer };

/** A client that keeps what it has received and can wait for more. */
class Client {
  readonly socket: WebSocket;
  readonly events: Event[] = [];
  closeCode: number | undefined;
  #wake: () => void = () => {};

  constructor(url: string, protocols: string[], headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, protocols, { headers });
    this.socket.on('error', () => {});
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.events.push(isBinary ? { binary: data } : (JSON.parse(data.toString()) as Event));
      this.#wake();
    });
    this.socket.on('close', (code: number) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  async opened(): Promise<this> {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
    return this;
  }

  send(command: unknown): void {
    this.socket.send(JSON.stringify(command));
  }

  /** Waits until `done` holds for what has arrived so far. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.closeCode !== undefined)
        throw new Error(`closed with ${this.closeCode}; got ${JSON.stringify(this.events).slice(0, 2000)}`);
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  async event(wanted: (event: Event) => boolean): Promise<Event> {
    await this.until(() => this.events.some(wanted));
    return this.events.find(wanted)!;
  }

  reply(id: unknown): Promise<Event> {
    return this.event((event) => event['id'] === id);
  }

  async closed(): Promise<number> {
    while (this.closeCode === undefined) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    return this.closeCode;
  }

  records(sub: number): Record<string, unknown>[] {
    return this.events
      .filter((event) => event.event === 'batch' && event['sub'] === sub)
      .flatMap((event) => event['records'] as Record<string, unknown>[]);
  }
}

let topics = 0;
const freshTopic = (): string => `ws-topic-${++topics}`;

export function websocketDoorSuite(driver: Driver): void {
  describe(`WebSockets over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    const clients: Client[] = [];
    beforeAll(async () => {
      bench = await httpBench(driver);
      tenant = await bench.tenant('acme');
    });
    afterAll(async () => {
      for (const client of clients) client.socket.terminate();
      await bench.close();
    });

    const connect = (protocols: string[] = [], query = '', headers?: Record<string, string>): Client => {
      const url = `${bench.base.replace('http', 'ws')}/v1/ws${query}`;
      const client = new Client(url, protocols, headers ?? { authorization: `Bearer ${tenant.apiKey}` });
      clients.push(client);
      return client;
    };
    const fill = async (topic: string, count: number, value: (i: number) => unknown = (i) => i): Promise<void> => {
      const records = Array.from({ length: count }, (_, i) => ({ value: value(i), partition: 0 }));
      const { status } = await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } });
      expect(status).toBe(200);
    };

    test('hello, produce and subscribe on one socket', async () => {
      const topic = freshTopic();
      const client = await connect(['headgate.v1.json']).opened();
      client.send({ op: 'hello', id: 'h' });
      expect(await client.reply('h')).toMatchObject({ event: 'ok', protocol: 'headgate.v1.json' });
      for (let i = 0; i < 20; i++)
        client.send({
          op: 'produce',
          id: i,
          topic,
          records: [
            { key: 'k', value: { i } },
            { value: 'x', partition: 0 },
          ],
        });
      for (let i = 0; i < 20; i++)
        expect(await client.reply(i)).toMatchObject({ event: 'ok', failed: 0, results: [{}, { partition: 0 }] });
      client.send({ op: 'subscribe', id: 's', sub: 7, topic });
      await client.until(() => client.records(7).length === 40);
      const keyed = client.records(7).filter((record) => record['key'] === 'k');
      expect(keyed.map((record) => record['value'])).toEqual(Array.from({ length: 20 }, (_, i) => ({ i })));
      client.send({ op: 'ping', id: 'p' });
      expect(await client.reply('p')).toMatchObject({ event: 'pong', subs: [{ sub: 7, lag: 0 }] });
    });

    test('numbers in records keep their digits; numbers of the command are doubles', async () => {
      const topic = freshTopic();
      const client = await connect().opened();
      const long = '12345678901234567890';
      client.socket.send(`{"op":"produce","id":7e0,"topic":"${topic}","records":[{"value":{"n":${long}}}]}`);
      expect(await client.reply(7)).toMatchObject({ event: 'ok', failed: 0 });
      const { text } = await tenant.call('GET', `/v1/topics/${topic}/records`, {});
      expect(text).toContain(`"value":{"n":${long}}`);
    });

    test('credit is exact, and more credit continues where delivery stopped', async () => {
      const topic = freshTopic();
      await fill(topic, 100);
      const client = await connect().opened();
      client.send({ op: 'subscribe', id: 1, sub: 1, topic, credit: { records: 10 } });
      await client.until(() => client.records(1).length >= 10);
      // A record after the tenth would arrive before the answer to a later command.
      client.send({ op: 'ping', id: 2 });
      expect(await client.reply(2)).toMatchObject({ subs: [{ lag: 90 }] });
      expect(client.records(1).length).toBe(10);
      client.send({ op: 'credit', id: 3, sub: 1, records: 5 });
      await client.until(() => client.records(1).length >= 15);
      client.send({ op: 'ping', id: 4 });
      await client.reply(4);
      expect(client.records(1).map((record) => record['value'])).toEqual(Array.from({ length: 15 }, (_, i) => i));
    });

    test('a cursor resumes on another socket without loss or repeat', async () => {
      const topic = freshTopic();
      await fill(topic, 50);
      const first = await connect().opened();
      first.send({ op: 'subscribe', sub: 1, topic, credit: { records: 20 } });
      await first.until(() => first.records(1).length === 20);
      first.send({ op: 'unsubscribe', id: 'u', sub: 1 });
      const { cursor } = await first.reply('u');
      const second = await connect().opened();
      second.send({ op: 'subscribe', sub: 9, topic, cursor });
      await second.until(() => second.records(9).length === 30);
      expect(second.records(9)[0]).toMatchObject({ offset: 20, value: 20 });
    });

    test('uses the first subprotocol that the client offers and the door knows', async () => {
      const client = await connect(['of-tomorrow', 'headgate.v1.bin', 'headgate.v1.json']).opened();
      expect(client.socket.protocol).toBe('headgate.v1.bin');
      client.send({ op: 'hello', id: 1 });
      expect(await client.reply(1)).toMatchObject({ protocol: 'headgate.v1.bin' });
    });

    test('binary: batches as stored in both directions', async () => {
      const topic = freshTopic();
      const client = await connect(['headgate.v1.bin']).opened();
      const batch = encodeBatch([
        { key: null, value: Buffer.from('a'), timestampMs: 1 },
        { key: null, value: Buffer.from('b'), timestampMs: 1 },
      ]);
      const name = Buffer.from(topic);
      client.socket.send(Buffer.concat([Buffer.from([2, 5, 1, name.length]), name, batch, batch]));
      expect(await client.reply(5)).toEqual({
        event: 'ok',
        id: 5,
        failed: 0,
        results: [
          { partition: 1, base_offset: 0, records: 2 },
          { partition: 1, base_offset: 2, records: 2 },
        ],
      });
      client.send({ op: 'subscribe', id: 6, sub: 300, topic, positions: [{ partition: 1, offset: 2 }] });
      const { binary } = await client.event((event) => event.binary !== undefined);
      expect([...binary!.subarray(0, 4)]).toEqual([1, 0xac, 0x02, 1]);
      const records = await decodeBatch(binary!.subarray(4));
      expect(records.map(({ offset, value }) => [offset, value?.toString()])).toEqual([
        [2, 'a'],
        [3, 'b'],
      ]);
    });

    test('binary: each batch is sent once and whole, whatever part of it the credit covers', async () => {
      const topic = freshTopic();
      const client = await connect(['headgate.v1.bin']).opened();
      const batch = encodeBatch(
        ['a', 'b', 'c'].map((text) => ({ key: null, value: Buffer.from(text), timestampMs: 1 })),
      );
      const name = Buffer.from(topic);
      client.socket.send(Buffer.concat([Buffer.from([2, 1, 0, name.length]), name, batch, batch]));
      await client.reply(1);
      const frames = (): number[] =>
        client.events.flatMap(({ binary }) => (binary ? [Number(binary.readBigInt64BE(3))] : []));
      client.send({ op: 'subscribe', id: 2, sub: 1, topic, partitions: [0], credit: { records: 1 } });
      await client.until(() => frames().length > 0);
      client.send({ op: 'ping', id: 3 });
      expect(await client.reply(3)).toMatchObject({ subs: [{ lag: 3 }] });
      client.send({ op: 'credit', id: 4, sub: 1, records: 2 });
      client.send({ op: 'ping', id: 5 });
      await client.reply(5);
      client.send({ op: 'credit', id: 6, sub: 1, records: 1 });
      await client.until(() => frames().length > 1);
      client.send({ op: 'ping', id: 7 });
      expect(await client.reply(7)).toMatchObject({ subs: [{ lag: 0 }] });
      expect(frames()).toEqual([0, 3]);
    });

    test('compressed batches reach JSON readers in order, and a cursor taken at any event misses none', async () => {
      const topic = freshTopic();
      const name = Buffer.from(topic);
      const writer = await connect(['headgate.v1.bin']).opened();
      for (let first = 0; first < 60; first += 20) {
        // The second is larger than a frame.
        const size = first === 20 ? 20_000 : 10;
        const records = Array.from({ length: 20 }, (_, i) => ({
          key: null,
          value: Buffer.from(`"${first + i} ${'x'.repeat(size)}"`),
          timestampMs: 1,
        }));
        const batch = await recompressBatch(Buffer.from(encodeBatch(records)), codec.gzip);
        writer.socket.send(Buffer.concat([Buffer.from([2, first, 0, name.length]), name, batch]));
        expect(await writer.reply(first)).toMatchObject({ failed: 0 });
      }
      const all = Array.from({ length: 60 }, (_, i) => i);
      const numbers = (client: Client, sub: number): number[] =>
        client.records(sub).map((record) => Number.parseInt(String(record['value']), 10));
      const client = await connect().opened();
      client.send({ op: 'subscribe', sub: 1, topic, partitions: [0] });
      await client.until(() => client.records(1).length === 60);
      expect(numbers(client, 1)).toEqual(all);
      const events = client.events.filter(({ event }) => event === 'batch');
      expect(events.length).toBeGreaterThan(3);
      for (const [i, event] of events.entries()) {
        const sub = 10 + i;
        client.send({ op: 'subscribe', sub, topic, cursor: event['next'] });
        const from = events.slice(0, i + 1).reduce((sum, { records }) => sum + (records as unknown[]).length, 0);
        await client.until(() => client.records(sub).length === 60 - from);
        expect(numbers(client, sub)).toEqual(all.slice(from));
      }
      // Within the second batch, while it is being decompressed or sent: the cursor is that of the last event.
      const leaver = await connect().opened();
      leaver.send({ op: 'subscribe', sub: 1, topic, partitions: [0], format: 'string' });
      leaver.send({ op: 'unsubscribe', id: 'bye', sub: 1 });
      const { cursor } = await leaver.reply('bye');
      const taken = leaver.records(1).length;
      leaver.send({ op: 'subscribe', sub: 2, topic, cursor, format: 'string' });
      await leaver.until(() => leaver.records(2).length === 60 - taken);
      expect(leaver.records(1)).toHaveLength(taken);
    });

    test('pause and resume', async () => {
      const topic = freshTopic();
      await fill(topic, 1);
      const client = await connect().opened();
      client.send({ op: 'subscribe', sub: 1, topic });
      await client.until(() => client.records(1).length === 1);
      client.send({ op: 'pause', id: 1, sub: 1 });
      await client.reply(1);
      await fill(topic, 5);
      client.send({ op: 'ping', id: 2 });
      await client.reply(2);
      expect(client.records(1).length).toBe(1);
      client.send({ op: 'resume', sub: 1 });
      await client.until(() => client.records(1).length === 6);
    });

    test('a reader that stops reading gets everything later, and the door holds little for it meanwhile', async () => {
      const topic = freshTopic();
      for (let i = 0; i < 40; i++) await fill(topic, 100, (n) => `${i * 100 + n}:${'x'.repeat(5_000)}`);
      const client = await connect().opened();
      client.socket.pause();
      client.send({ op: 'subscribe', sub: 1, topic });
      const asked = bench.engine.fetch.bind(bench.engine);
      let fetched = 0;
      bench.engine.fetch = async (partitions, options) => {
        const answer = await asked(partitions, options);
        for (const part of answer) for (const run of part.records) fetched += run.length;
        return answer;
      };
      // The feed has stopped when nothing more is fetched over many turns of the event loop.
      for (let last = -1, same = 0; same < 50; ) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        await tenant.call('GET', '/v1');
        same = fetched === last && fetched > 0 ? same + 1 : 0;
        last = fetched;
      }
      expect(fetched).toBeLessThan(16_000_000);
      client.socket.resume();
      await client.until(() => client.records(1).length === 4_000);
      expect(client.records(1).every((record, i) => record['offset'] === i)).toBe(true);
      bench.engine.fetch = asked;
    });

    test('wrong commands get an error answer; a message that is not JSON closes the socket', async () => {
      const client = await connect().opened();
      client.send({ op: 'nothing', id: 1 });
      expect(await client.reply(1)).toMatchObject({ event: 'error', error: { code: 'invalid-request', field: 'op' } });
      client.send({ op: 'subscribe', id: 2, sub: 1, topic: 'no-such-topic' });
      expect(await client.reply(2)).toMatchObject({ event: 'error', sub: 1, error: { code: 'not-found' } });
      client.send({ op: 'credit', id: 3, sub: 1, records: 1 });
      expect(await client.reply(3)).toMatchObject({ error: { code: 'not-found', kind: 'subscription' } });
      client.send({ op: 'produce', id: 4, topic: freshTopic(), records: [{ nonsense: 1 }] });
      expect(await client.reply(4)).toMatchObject({ error: { code: 'invalid-request', field: 'records[0].nonsense' } });
      client.send({ op: 'subscribe', id: 5, sub: 1, topic: freshTopic(), partition: 0 });
      expect(await client.reply(5)).toMatchObject({ error: { code: 'invalid-request', field: 'partition' } });
      client.send({ op: 'ping', id: 6, sub: 1 });
      expect(await client.reply(6)).toMatchObject({ error: { code: 'invalid-request', field: 'sub' } });
      client.socket.send(Buffer.from([9, 9]));
      await client.event((event) => event.event === 'error' && (event['error'] as { field?: string }).field === 'type');
      client.socket.send('{"op":');
      expect(await client.closed()).toBe(4400);
    });

    test('credentials: subprotocol, ticket used once, none', async () => {
      const bearer = await connect(['headgate.v1.json', `bearer.${tenant.apiKey}`], '', {}).opened();
      expect(bearer.socket.protocol).toBe('headgate.v1.json');
      const { json } = await tenant.call('POST', '/v1/ws-tickets');
      const ticket = String(json['ticket']);
      const first = await connect(['headgate.v1.json'], `?ticket=${ticket}`, {}).opened();
      first.send({ op: 'hello', id: 1 });
      await first.reply(1);
      expect(await connect(['headgate.v1.json'], `?ticket=${ticket}`, {}).closed()).toBe(4401);
      expect(await connect(['headgate.v1.json', 'bearer.wrong'], '', {}).closed()).toBe(4401);
      expect(await connect(['headgate.v1.json', `bearer.${tenant.apiKey}`], '?topic=t', {}).closed()).toBe(4400);
      expect(await connect(['headgate.v1.json', 'bearer.wrong'], '?topic=t', {}).closed()).toBe(4401);
      const refused = connect([], '', {});
      const [, response] = (await once(refused.socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(401);
      const unknown = connect([], '?topic=t', { authorization: `Bearer ${tenant.apiKey}` });
      const [, answer] = (await once(unknown.socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(answer.statusCode).toBe(400);
    });

    test('a revoked key closes its sockets, and the connection count drops', async () => {
      const other = await bench.tenant('revoked');
      const client = await connect([], '', { authorization: `Bearer ${other.apiKey}` }).opened();
      expect(bench.tenancy.cluster(other.clusterId)?.usage.connections).toBe(1);
      await bench.tenancy.revokeKey(other.clusterId, other.keyId);
      expect(await client.closed()).toBe(4401);
      expect(bench.tenancy.cluster(other.clusterId)?.usage.connections).toBe(0);
    });

    test('a suspended cluster closes its sockets with 4403, and new ones too', async () => {
      const other = await bench.tenant('suspended');
      const key = `bearer.${other.apiKey}`;
      const client = await connect(['headgate.v1.json', key], '', {}).opened();
      await bench.tenancy.updateCluster(other.clusterId, { state: 'suspended' });
      expect(await client.closed()).toBe(4403);
      expect(await connect(['headgate.v1.json', key], '', {}).closed()).toBe(4403);
      const refused = connect([], '', { authorization: `Bearer ${other.apiKey}` });
      const [, response] = (await once(refused.socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(403);
      expect(bench.tenancy.cluster(other.clusterId)?.usage.connections).toBe(0);
    });

    test('the connection quota', async () => {
      const other = await bench.tenant('small', { connectionsMax: 1 });
      const key = `bearer.${other.apiKey}`;
      await connect(['headgate.v1.json', key], '', {}).opened();
      expect(await connect(['headgate.v1.json', key], '', {}).closed()).toBe(4429);
    });

    test('JSON of a million values closes the socket and is not parsed', async () => {
      const client = await connect(['headgate.v1.json']).opened();
      client.socket.send(`{"op":"produce","id":1,"topic":"t","records":[${'{},'.repeat(300_000)}{}]}`);
      expect(await client.closed()).toBe(4413);
    });

    test('a query for hundreds of partitions is charged like hundreds of queries', async () => {
      const limits = { requestsPerSecondMax: 10, partitionMutationsPer5MinutesMax: 1_000 };
      const other = await bench.tenant('wide', limits);
      expect((await other.call('POST', '/v1/topics', { json: { name: 't', partitions: 600 } })).status).toBe(201);
      const client = await connect(['headgate.v1.json', `bearer.${other.apiKey}`], '', {}).opened();
      // All are admitted at the same moment, and run one after the other.
      client.send({ op: 'subscribe', id: 's', sub: 1, topic: 't', from: 'latest' });
      client.send({ op: 'ping', id: 'p' });
      expect(await client.reply('s')).toMatchObject({ event: 'ok' });
      expect(await client.reply('p')).toMatchObject({ event: 'error', error: { code: 'quota-exceeded' } });
    });

    test('another tenant can use neither the topic nor the cursor', async () => {
      const topic = freshTopic();
      await fill(topic, 3);
      const other = await bench.tenant('other');
      await other.call('POST', `/v1/topics/${topic}`, { body: '"theirs"' });
      const { json } = await tenant.call('GET', `/v1/topics/${topic}/records?max_records=1`);
      const client = await connect([], '', { authorization: `Bearer ${other.apiKey}` }).opened();
      client.send({ op: 'subscribe', id: 1, sub: 1, topic, cursor: json['next'] });
      expect(await client.reply(1)).toMatchObject({ error: { code: 'not-found' } });
      client.send({ op: 'subscribe', id: 2, sub: 2, topic });
      await client.until(() => client.records(2).length === 1);
      expect(client.records(2)[0]).toMatchObject({ value: 'theirs' });
    });

    test('records removed by retention are reported as a gap, and reading continues after it', async () => {
      const topic = freshTopic();
      await fill(topic, 6);
      const name = `${tenant.clusterId}.${topic}`;
      const deletion = { topics: [{ name, partitions: [{ partitionIndex: 0, offset: 4 }] }], timeoutMs: 1000 };
      await bench.engine.partitionRequest(21, deletion);
      const client = await connect().opened();
      client.send({ op: 'subscribe', sub: 1, topic, positions: [{ partition: 0, offset: 1 }] });
      await client.until(() => client.records(1).length === 2);
      expect(client.events[0]).toMatchObject({ event: 'gap', sub: 1, partition: 0, from: 1, earliest: 4 });
      expect(client.records(1).map((record) => record['offset'])).toEqual([4, 5]);
    });

    test('an unreadable partition is reported, and delivered once it is readable', async () => {
      const topic = freshTopic();
      await fill(topic, 3);
      const { engine } = bench;
      const asked = engine.fetch.bind(engine);
      engine.fetch = async (partitions, options) =>
        (await asked(partitions, options)).map((part) => ({
          ...part,
          records: [],
          errorCode: errorCode.kafkaStorageError,
        }));
      const client = await connect().opened();
      client.send({ op: 'subscribe', sub: 1, topic, partitions: [0] });
      await client.until(() => client.events.some(({ event }) => event === 'unavailable'));
      engine.fetch = asked;
      await client.until(() => client.records(1).length > 0);
      const told = client.events.filter(({ event }) => event === 'unavailable' || event === 'available');
      expect(told).toMatchObject([
        { event: 'unavailable', sub: 1, partition: 0, problem: { code: 'records-unavailable', retryable: true } },
        { event: 'available', sub: 1, partition: 0 },
      ]);
    });

    test('later commands wait for a produce that creates its topic', async () => {
      const topic = freshTopic();
      const client = await connect().opened();
      for (let i = 0; i < 5; i++) client.send({ op: 'produce', id: i, topic, records: [{ value: i, partition: 0 }] });
      for (let i = 0; i < 5; i++)
        expect(await client.reply(i)).toMatchObject({ results: [{ partition: 0, offset: i }] });
    });

    test('a deleted topic ends its subscription with an error', async () => {
      const topic = freshTopic();
      await fill(topic, 1);
      const client = await connect().opened();
      client.send({ op: 'subscribe', sub: 1, topic });
      await client.until(() => client.records(1).length === 1);
      await tenant.call('DELETE', `/v1/topics/${topic}`);
      expect(await client.event((event) => event.event === 'error')).toMatchObject({
        sub: 1,
        error: { code: 'not-found' },
      });
    });

    test('a closing door sends goaway with cursors, then closes with 4503', async () => {
      const own = await httpBench(driver);
      const leaving = await own.tenant('leaving');
      await leaving.call('POST', '/v1/topics/t', { body: '1' });
      const client = await new Client(`${own.base.replace('http', 'ws')}/v1/ws`, [], {
        authorization: `Bearer ${leaving.apiKey}`,
      }).opened();
      client.send({ op: 'subscribe', sub: 4, topic: 't' });
      await client.until(() => client.records(4).length === 1);
      const closing = own.door.close(1_000);
      const goaway = await client.event((event) => event.event === 'goaway');
      expect(goaway).toMatchObject({ subs: [{ sub: 4, cursor: expect.any(String) }] });
      expect(await client.closed()).toBe(4503);
      await closing;
      await own.tenancy.close();
    });

    test('after goaway new commands are refused, and those in flight are answered', async () => {
      const own = await httpBench(driver);
      const leaving = await own.tenant('leaving');
      await leaving.call('POST', '/v1/topics/t', { body: '1' });
      const url = `${own.base.replace('http', 'ws')}/v1/ws`;
      const headers = { authorization: `Bearer ${leaving.apiKey}` };
      const client = await new Client(url, ['headgate.v1.bin'], headers).opened();
      const { engine } = own;
      const appending = new Promise<() => void>((resolve) => (engine.holdAppends = resolve));
      const ask = engine.partitionRequest.bind(engine);
      engine.partitionRequest = (...asked) => released.then(() => ask(...asked));
      let release = (): void => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      client.send({ op: 'subscribe', id: 1, sub: 1, topic: 't', from: 'latest' });
      client.send({ op: 'produce', id: 2, topic: 't', records: [{ value: 'in flight' }] });
      const append = await appending;
      const closing = own.door.close(20_000);
      await client.event((event) => event.event === 'goaway');
      client.send({ op: 'produce', id: 3, topic: 't', records: [{ value: 'late' }] });
      const batch = encodeBatch([{ key: null, value: Buffer.from('late'), timestampMs: 1 }]);
      client.socket.send(Buffer.concat([Buffer.from([2, 4, 0, 1]), Buffer.from('t'), batch]));
      for (const id of [3, 4]) {
        expect(await client.reply(id)).toMatchObject({ event: 'error', error: { code: 'shutting-down' } });
      }
      release();
      expect(await client.reply(1)).toMatchObject({ event: 'error', error: { code: 'shutting-down' } });
      append();
      expect(await client.reply(2)).toMatchObject({ event: 'ok', failed: 0 });
      expect(await client.closed()).toBe(4503);
      // The first filled the topic.
      expect(engine.appended).toHaveLength(2);
      await closing;
      await own.tenancy.close();
    });
  });
}
