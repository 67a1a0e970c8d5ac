/** The door with so small a share of a turn that one large body of a cluster uses it up. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, type BenchTenant, type Driver, httpBench } from './door-bench.suite.ts';

export function clusterTurnsSuite(driver: Driver): void {
  describe(`shares of a turn, ${driver}`, () => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await httpBench(driver, { clusterTurnMsMax: 0.05 });
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

    const post = (list: readonly unknown[]): [start: string, type: string, body: string] => [
      'POST /v1/topics/t/records',
      '\r\nContent-Type: application/json',
      JSON.stringify({ records: list }),
    ];
    const get: [string, string, string] = ['GET /v1/topics/t/records?partition=0', '', ''];
    const small = post(records.slice(0, 1));
    it.each([
      ['large bodies', post(records.slice(0, 400)), small],
      ['small bodies', post(records.slice(0, 200)), small],
      ['pages', get, small],
      ['requests without a body', get, get],
    ])('a request is answered before the many %s that another cluster has sent', async (what, sent, sentByOther) => {
      const id = what.replaceAll(' ', '-');
      const [greedy, modest] = [await bench.tenant(`${id}-greedy`), await bench.tenant(`${id}-modest`)];
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
        [start, type, body]: readonly [string, string, string],
      ): Promise<() => Promise<void>> => {
        const socket = connect(bench.door.port, '127.0.0.1');
        sockets.push(socket);
        await once(socket, 'connect');
        const head = `${start} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiKey}${type}`;
        return async () => {
          socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
          const [text] = (await once(socket, 'data')) as [Buffer];
          expect(text.toString()).toMatch(/^HTTP\/1.1 200 /);
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

    it('a malformed large body is refused as ever, and lines keep their order', async () => {
      const tenant = await bench.tenant('odd');
      const broken = JSON.stringify({ records }).slice(0, -1);
      const headers = { 'content-type': 'application/json' };
      const refused = await Promise.all(
        Array.from({ length: 10 }, () => tenant.call('POST', '/v1/topics/t/records', { body: broken, headers })),
      );
      for (const { status, json } of refused) expect([status, json['code']]).toEqual([400, 'invalid-json']);
      const lines = Array.from({ length: 20_000 }, (_, i) => `{"value":${i},"partition":0}\n`).join('');
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
        expect(offsets).toHaveLength(20_000);
        const numbers = offsets.map((line) => (JSON.parse(line) as { offset: number }).offset);
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
      }
      expect(bench.door.requestBytesHeld).toBe(0);
    });
  });
}
