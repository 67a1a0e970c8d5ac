/** The door with so small a share of a turn that one large body of a cluster uses it up. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Bench, type BenchTenant, type Driver, heldReads, httpBench } from './door-bench.suite.ts';

/** For the cluster that sends much: its turns shall hold it back, and not its rates. */
const unlimited = {
  requestsPerSecondMax: Infinity,
  ingressBytesPerSecondMax: Infinity,
  egressBytesPerSecondMax: Infinity,
  partitionIngressBytesPerSecondMax: Infinity,
  partitionEgressBytesPerSecondMax: Infinity,
};

type Sent = readonly [start: string, type: string, body: string | Buffer];

export function clusterTurnsSuite(driver: Driver): void {
  describe(`shares of a turn, ${driver}`, () => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await httpBench(driver, {}, { clusterTurnMsMax: 0.2 });
    });
    afterAll(() => bench.close());

    const records = Array.from({ length: 3_000 }, (_, i) => ({ key: `k${i}`, value: { i, text: 'x'.repeat(20) } }));

    it('large JSON bodies are stored one in each turn, and what they hold meanwhile is given back', async () => {
      const tenant = await bench.tenant('greedy');
      await tenant.call('POST', '/v1/topics', { json: { name: 't', partitions: 2 } });
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => tenant.call('POST', '/v1/topics/t/records', { json: { records } })),
      );
      for (const { status, json } of answers) {
        expect(status).toBe(200);
        expect(json['failed']).toBe(0);
      }
      const { json } = await tenant.call('GET', '/v1/usage');
      expect(json['totals']!['produced_records']).toBe(20 * records.length);
      expect(bench.door.requestBytesHeld).toBe(0);
    });

    const post = (type: string, body: string | Buffer, query = ''): Sent => [
      `POST /v1/topics/t/records${query}`,
      `\r\nContent-Type: ${type}`,
      body,
    ];
    const postJson = (list: readonly unknown[]): Sent => post('application/json', JSON.stringify({ records: list }));
    const get: Sent = ['GET /v1/topics/t/records?partition=0', '', ''];
    const small = postJson(records.slice(0, 1));
    const batch = encodeBatch([{ key: null, value: Buffer.from('value'), timestampMs: 5 }]);
    const batches = Buffer.concat(Array.from({ length: 200 }, () => batch));
    it.each<[string, Sent, Sent]>([
      ['large bodies', postJson(records.slice(0, 400)), small],
      ['small bodies', postJson(records.slice(0, 200)), small],
      ['lines', post('application/x-ndjson', '{"value":1,"partition":0}\n'.repeat(500)), small],
      ['record batches', post('application/vnd.kafka.recordbatch', batches, '?partition=0'), small],
      ['pages', get, small],
      ['requests without a body', get, get],
    ])('a request is answered before the many %s that another cluster has sent', async (what, sent, sentByOther) => {
      const id = what.replaceAll(' ', '-');
      const [greedy, modest] = [await bench.tenant(`${id}-greedy`, unlimited), await bench.tenant(`${id}-modest`)];
      for (const tenant of [greedy, modest]) {
        await tenant.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
        // Small: a large body that a busy machine interrupts would use up the shares of the turns after it.
        await tenant.call('POST', '/v1/topics/t/records', { json: { records: records.slice(0, 200) } });
      }
      const answered: string[] = [];
      const sockets: Socket[] = [];
      const ask = async (
        name: string,
        { apiKey }: BenchTenant,
        [start, type, body]: Sent,
      ): Promise<() => Promise<void>> => {
        const socket = connect(bench.door.port, '127.0.0.1');
        sockets.push(socket);
        await once(socket, 'connect');
        const head = `${start} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiKey}${type}`;
        return async () => {
          socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`);
          socket.write(body);
          let text = '';
          const isWhole = (): boolean => !type.endsWith('ndjson') || text.includes('"records":');
          do text += ((await once(socket, 'data')) as [Buffer])[0].toString();
          while (!isWhole());
          expect(text).toMatch(/^HTTP\/1.1 200 /);
          answered.push(name);
        };
      };
      const asked: (() => Promise<void>)[] = [];
      for (let i = 0; i < 80; i++) asked.push(await ask('greedy', greedy, sent));
      asked.push(await ask('modest', modest, sentByOther));
      await Promise.all(asked.map((send) => send()));
      for (const socket of sockets) socket.destroy();
      expect(answered).toHaveLength(81);
      // Usually among the first few; when its bytes arrive a few turns later, a few more of the others are done.
      expect(answered.indexOf('modest')).toBeLessThan(40);
    });

    it('a request is answered before the records of many event streams that another cluster reads', async () => {
      const [greedy, modest] = [await bench.tenant('streams-greedy', unlimited), await bench.tenant('streams-modest')];
      for (const tenant of [greedy, modest]) {
        await tenant.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
        await tenant.call('POST', '/v1/topics/t/records', { json: { records: records.slice(0, 200) } });
      }
      const reads = heldReads(bench.engine);
      const answered: string[] = [];
      const streams: ReadableStreamDefaultReader<Uint8Array>[] = [];
      for (let i = 0; i < 40; i++) {
        const { body } = await greedy.fetch('/v1/topics/t/records', { headers: { accept: 'text/event-stream' } });
        const reader = body!.getReader();
        streams.push(reader);
        // Where it begins: it reads from now on.
        await reader.read();
      }
      const read = streams.map((reader) => reader.read().then(() => answered.push('greedy')));
      const asked = modest.call('GET', '/v1/topics').then(() => answered.push('modest'));
      reads.release();
      await Promise.all([...read, asked]);
      expect(answered.indexOf('modest')).toBeLessThan(20);
      for (const reader of streams) await reader.cancel();
    });

    it('a malformed large body is refused as ever, and lines keep their order', async () => {
      const tenant = await bench.tenant('odd');
      const broken = JSON.stringify({ records }).slice(0, -1);
      const headers = { 'content-type': 'application/json' };
      const refused = await Promise.all(
        Array.from({ length: 10 }, () => tenant.call('POST', '/v1/topics/t/records', { body: broken, headers })),
      );
      for (const { status, json } of refused) expect([status, json['code']]).toEqual([400, 'invalid-json']);
      const lines = Array.from({ length: 5_000 }, (_, i) => `{"value":${i},"partition":0}\n`).join('');
      const stored = await Promise.all(
        [0, 1, 2].map(() =>
          tenant.call('POST', '/v1/topics/t/records', {
            body: lines,
            headers: { 'content-type': 'application/x-ndjson' },
          }),
        ),
      );
      for (const { text } of stored) {
        const offsets = text.trimEnd().split('\n').slice(0, -1);
        expect(offsets).toHaveLength(5_000);
        const numbers = offsets.map((line) => (JSON.parse(line) as { offset: number }).offset);
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
      }
      expect(bench.door.requestBytesHeld).toBe(0);
    });
  });
}
