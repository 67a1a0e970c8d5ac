/** The limits of one WebSocket, tested over real sockets and on both transports alike. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { type Bench, type BenchTenant, type Driver, httpBench } from '../http/door-bench.suite.ts';

const waiting = { timeout: 20_000 };
const overloaded = { event: 'error', error: { code: 'overloaded' } };

class Client {
  readonly socket: WebSocket;
  readonly answers = new Map<unknown, Record<string, unknown>>();
  closeCode: number | undefined;

  constructor(bench: Bench, tenant: BenchTenant) {
    this.socket = new WebSocket(`${bench.base.replace('http', 'ws')}/v1/ws`, ['headgate.v1.json'], {
      headers: { authorization: `Bearer ${tenant.apiKey}` },
    });
    this.socket.on('error', () => {});
    this.socket.on('message', (data: Buffer) => {
      const event = JSON.parse(data.toString()) as Record<string, unknown>;
      this.answers.set(event['id'], event);
    });
    this.socket.on('close', (code: number) => (this.closeCode = code));
  }

  async opened(): Promise<this> {
    await once(this.socket, 'open');
    return this;
  }

  send(command: unknown): void {
    this.socket.send(JSON.stringify(command));
  }

  produce(id: number, text = 'x'): void {
    this.send({ op: 'produce', id, topic: 't', records: [{ value: text, partition: 0 }] });
  }

  /** Waits for the answer to the command with this id. */
  answered(id: number, what: object): Promise<void> {
    return expect.poll(() => this.answers.get(id), waiting).toMatchObject(what);
  }
}

export function websocketLimitsSuite(driver: Driver): void {
  describe(`limits of a WebSocket over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    const clients: Client[] = [];
    const limits = {
      subscriptionsMax: 2,
      producesInFlightMax: 3,
      produceBytesInFlightMax: 10_000,
      outboxBytesMax: 400_000,
    };
    beforeAll(async () => {
      bench = await httpBench(driver, {}, {}, limits);
      tenant = await bench.tenant('acme', { requestsPerSecondMax: Infinity });
      await tenant.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
    });
    afterAll(async () => {
      for (const { socket } of clients) socket.terminate();
      await bench.close();
    });

    const connect = (of = tenant): Promise<Client> => {
      const client = new Client(bench, of);
      clients.push(client);
      return client.opened();
    };
    /** Appends wait until the returned function is called. */
    const holdAppends = (): (() => void) => {
      const held: (() => void)[] = [];
      bench.engine.holdAppends = (proceed) => void held.push(proceed);
      return () => {
        bench.engine.holdAppends = undefined;
        for (const proceed of held) proceed();
      };
    };

    test('produce commands beyond the number in flight are refused, and answers make room', async () => {
      const client = await connect();
      const release = holdAppends();
      for (const id of [1, 2, 3, 4]) client.produce(id);
      await client.answered(4, overloaded);
      expect(client.answers.size).toBe(1);
      release();
      for (const id of [1, 2, 3]) await client.answered(id, { event: 'ok', failed: 0 });
      client.produce(5);
      await client.answered(5, { event: 'ok', failed: 0 });
      expect(bench.door.requestBytesHeld).toBe(0);
    });

    test('so are those beyond the bytes in flight, except a large one alone', async () => {
      const client = await connect();
      const release = holdAppends();
      client.produce(1, 'x'.repeat(12_000));
      client.produce(2);
      await client.answered(2, overloaded);
      release();
      await client.answered(1, { event: 'ok', failed: 0 });
      client.produce(3, 'x'.repeat(9_000));
      await client.answered(3, { event: 'ok', failed: 0 });
      expect(bench.door.requestBytesHeld).toBe(0);
    });

    test('a refused produce command leaves nothing in flight', async () => {
      const client = await connect();
      for (let id = 1; id <= 5; id++) {
        const records = [{ value: 'x' }];
        client.send({ op: 'produce', id, topic: 'not a name', records });
        await client.answered(id, { event: 'error', error: { code: 'invalid-request' } });
      }
      client.produce(6);
      await client.answered(6, { event: 'ok', failed: 0 });
      expect(bench.door.requestBytesHeld).toBe(0);
    });

    test('subscriptions have numbers of their own, and a limit that an ended one does not count for', async () => {
      const client = await connect();
      const subscribe = (id: number, sub: number): void => client.send({ op: 'subscribe', id, sub, topic: 't' });
      subscribe(1, 10);
      subscribe(2, 11);
      await client.answered(2, { event: 'ok', sub: 11 });
      subscribe(3, 11);
      await client.answered(3, { event: 'error', error: { code: 'already-exists' } });
      subscribe(4, 12);
      await client.answered(4, { event: 'error', error: { code: 'invalid-request', field: 'sub' } });
      client.send({ op: 'unsubscribe', id: 5, sub: 10 });
      subscribe(6, 12);
      await client.answered(6, { event: 'ok', sub: 12 });
      client.send({ op: 'unsubscribe', id: 7, sub: 10 });
      await client.answered(7, { event: 'error', error: { code: 'not-found' } });
    });

    test('commands beyond a thousand that wait for an earlier one are refused', async () => {
      const client = await connect();
      const ask = bench.engine.partitionRequest.bind(bench.engine);
      let release = (): void => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      bench.engine.partitionRequest = (...asked) => released.then(() => ask(...asked));
      client.send({ op: 'subscribe', id: 1, sub: 1, topic: 't', from: 'latest' });
      for (let id = 2; id <= 1_001; id++) client.send({ op: 'hello', id });
      await client.answered(1_001, overloaded);
      expect(client.answers.size).toBe(1);
      bench.engine.partitionRequest = ask;
      release();
      await client.answered(1_000, { event: 'ok' });
      client.send({ op: 'hello', id: 1_002 });
      await client.answered(1_002, { event: 'ok' });
    });

    test('a client that reads no answers is closed', async () => {
      const other = await bench.tenant('slow', { requestsPerSecondMax: Infinity });
      await other.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
      const client = await connect(other);
      const connections = (): number | undefined => bench.tenancy.cluster(other.clusterId)?.usage.connections;
      expect(connections()).toBe(1);
      client.socket.pause();
      // Each record is refused in many more bytes than it has; together they exceed what the kernel takes.
      const records = Array.from({ length: 200 }, () => ({ value: 1, partition: 9 }));
      const command = JSON.stringify({ op: 'produce', id: 1, topic: 't', records });
      for (let sent = 0; connections() === 1 && sent < 1_000; sent++) {
        client.socket.send(command);
        await new Promise((resolve) => {
          client.socket.ping(undefined, undefined, resolve);
        });
      }
      // Commands may still be waiting for a turn.
      await expect.poll(connections, waiting).toBe(0);
      client.socket.resume();
      // A client that is slow even now may be cut before it comes to the close frame.
      await expect.poll(() => client.closeCode, waiting).toBeOneOf([4408, 1006]);
    });
  });
}
