/** The door with so small a share of a turn that one large body of a cluster uses it up. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, type Driver, httpBench } from './door-bench.suite.ts';

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
