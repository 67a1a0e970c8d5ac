/** The WebSocket door with so small a share of a turn that one large command of a cluster uses it up. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { type Bench, type BenchTenant, type Driver, heldReads, httpBench } from '../http/door-bench.suite.ts';

type Answer = Record<string, unknown> & { readonly id?: number };

const partitionsMany = 240;

export function websocketTurnsSuite(driver: Driver): void {
  describe(`shares of a turn over WebSockets, ${driver}`, () => {
    let bench: Bench;
    const sockets: WebSocket[] = [];
    beforeAll(async () => {
      bench = await httpBench(driver, {}, { clusterTurnMsMax: 0.2 }, { messagesWaitingMax: 250 });
    });
    afterAll(async () => {
      for (const socket of sockets) socket.terminate();
      await bench.close();
    });

    const open = async (tenant: BenchTenant, onAnswer: (answer: Answer) => void): Promise<WebSocket> => {
      const socket = new WebSocket(`${bench.base.replace('http', 'ws')}/v1/ws`, ['headgate.v1.json'], {
        headers: { authorization: `Bearer ${tenant.apiKey}` },
      });
      sockets.push(socket);
      await once(socket, 'open');
      socket.on('message', (data: Buffer) => onAnswer(JSON.parse(data.toString()) as Answer));
      return socket;
    };
    const twoTenants = async (name: string): Promise<{ greedy: BenchTenant; modest: BenchTenant }> => {
      const limits = { requestsPerSecondMax: Infinity };
      const greedy = await bench.tenant(`${name}-greedy`, limits);
      const modest = await bench.tenant(`${name}-modest`, limits);
      for (const tenant of [greedy, modest]) {
        const { status } = await tenant.call('POST', '/v1/topics', { json: { name: 't', partitions: partitionsMany } });
        expect(status).toBe(201);
        const { json } = await tenant.call('POST', '/v1/topics/t/records', {
          json: { records: [{ value: 0, partition: 0 }] },
        });
        expect(json['failed']).toBe(0);
      }
      return { greedy, modest };
    };
    /** Sends on all sockets of one cluster, then on one of another, and returns who was answered in which order. */
    const race = async (name: string, sent: string, sentByModest: string): Promise<string[]> => {
      const { greedy, modest } = await twoTenants(name);
      const answered: string[] = [];
      let done = (): void => {};
      const all = new Promise<void>((resolve) => (done = resolve));
      const from = (who: string) => (answer: Answer) => {
        if (answer.id === undefined) return;
        expect(answer).toMatchObject({ event: 'ok' });
        if (answered.push(who) === 41) done();
      };
      const crowd: WebSocket[] = [];
      for (let i = 0; i < 40; i++) crowd.push(await open(greedy, from('greedy')));
      const one = await open(modest, from('modest'));
      for (const socket of crowd) socket.send(sent);
      one.send(sentByModest);
      await all;
      return answered;
    };

    test('a command is answered before the subscriptions to many partitions that another cluster asked for', async () => {
      const subscribe = JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic: 't', from: 'latest' });
      const answered = await race('subscribe', subscribe, JSON.stringify({ op: 'hello', id: 1 }));
      // Usually among the first three; when its bytes arrive a few turns later, a few more of the others are done.
      expect(answered.indexOf('modest')).toBeLessThan(20);
    });

    test.each([
      ['large', 400],
      ['small', 150],
    ])('a record is stored before the many that another cluster sent in %s commands', async (size, count) => {
      const records = Array.from({ length: count }, (_, i) => ({ partition: 0, value: { i, text: 'x'.repeat(20) } }));
      const produce = (list: readonly unknown[]): string =>
        JSON.stringify({ op: 'produce', id: 1, topic: 't', records: list });
      const answered = await race(`produce-${size}`, produce(records), produce(records.slice(0, 1)));
      expect(answered.indexOf('modest')).toBeLessThan(20);
    });

    test('a command is answered before the records of the many sockets of another cluster', async () => {
      const limits = { egressBytesPerSecondMax: Infinity, partitionEgressBytesPerSecondMax: Infinity };
      const [greedy, modest] = [await bench.tenant('readers-greedy', limits), await bench.tenant('readers-modest')];
      // The greedy one is not alone.
      await modest.call('GET', '/v1/topics');
      const values = Array.from({ length: 200 }, (_, i) => ({ value: { i, text: 'x'.repeat(20) }, partition: 0 }));
      const { json } = await greedy.call('POST', '/v1/topics/t/records', { json: { records: values } });
      expect(json['failed']).toBe(0);
      const reads = heldReads(bench.engine);
      const told: string[] = [];
      let done = (): void => {};
      const all = new Promise<void>((resolve) => (done = resolve));
      const hear = (who: string): void => {
        if (told.push(who) === 41) done();
      };
      const crowd = await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          let subscribed = (): void => {};
          const ready = new Promise<void>((resolve) => (subscribed = resolve));
          let isTold = false;
          const socket = await open(greedy, ({ id, event }) => {
            if (id !== undefined) subscribed();
            if (event !== 'batch' || isTold) return;
            isTold = true;
            hear('greedy');
          });
          // Each from another place: its records are rendered for it alone.
          socket.send(JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic: 't', partitions: [0], from: i }));
          await ready;
          return socket;
        }),
      );
      const one = await open(modest, ({ id }) => void (id === undefined || hear('modest')));
      one.send(JSON.stringify({ op: 'hello', id: 1 }));
      reads.release();
      await all;
      expect(told.indexOf('modest')).toBeLessThan(20);
      for (const socket of crowd) socket.terminate();
    });

    test('the commands of one socket are taken up in their order, and what waits is given back', async () => {
      const { greedy } = await twoTenants('order');
      const answered: number[] = [];
      let done = (): void => {};
      const all = new Promise<void>((resolve) => (done = resolve));
      const count = 100;
      const socket = await open(greedy, ({ id, event, results }) => {
        expect(event).toBe('ok');
        answered.push(id!);
        const [{ offset }] = results as [{ offset: number }];
        expect(offset).toBe(id! + 1);
        if (answered.length === count) done();
      });
      const text = 'x'.repeat(20_000);
      for (let id = 0; id < count; id++) {
        const records = [{ value: id % 7 === 3 ? text : id, partition: 0 }];
        socket.send(JSON.stringify({ op: 'produce', id, topic: 't', records }));
      }
      await all;
      expect(answered).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(bench.door.requestBytesHeld).toBe(0);
    });

    test('messages beyond those that may wait are refused, and what waits is forgotten with its socket', async () => {
      const { greedy } = await twoTenants('many');
      const refused: Answer[] = [];
      const crowd = await open(greedy, (answer) => answer['event'] === 'error' && refused.push(answer));
      const other = await open(greedy, () => {});
      const produce = (id: number, value: string): string =>
        JSON.stringify({ op: 'produce', id, topic: 't', records: [{ value, partition: 0 }] });
      for (let id = 1; id <= 50; id++) other.send(produce(id, 'x'.repeat(20_000)));
      for (let id = 1; id <= 500; id++) crowd.send(produce(id, ''));
      await expect.poll(() => refused.length, { timeout: 20_000 }).toBeGreaterThan(0);
      const detail = expect.stringContaining('too many messages are waiting') as string;
      expect(refused[0]).toMatchObject({ event: 'error', error: { code: 'overloaded', detail } });
      expect(refused[0]!.id).toBeGreaterThan(250);
      expect(bench.door.requestBytesHeld).toBeGreaterThan(0);
      crowd.terminate();
      other.terminate();
      await expect.poll(() => bench.door.requestBytesHeld, { timeout: 20_000 }).toBe(0);
    });
  });
}
