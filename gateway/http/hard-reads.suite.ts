/** Reads that meet slow clients, batches that cannot be read, and retention: the same on both transports. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32c } from '../../engine/kernel/crc32c.ts';
import { batchField, codec } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type Answer, type Bench, type BenchTenant, type Driver, httpBench } from './door-bench.suite.ts';

let topics = 0;
const freshTopic = (): string => `hard-${++topics}`;

export function hardReadsSuite(driver: Driver): void {
  describe(`reads under difficulties over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    beforeAll(async () => {
      // A heartbeat may come at any moment of a stream.
      bench = await httpBench(driver, { eventStreamHeartbeatMs: 50 });
      tenant = await bench.tenant('acme');
    });
    afterAll(() => bench.close());

    test('HEAD of an event stream answers with its head alone, and holds nothing', async () => {
      const other = await bench.tenant('head');
      await other.call('POST', '/v1/topics/t', { body: '1' });
      for (let i = 0; i < 3; i++) {
        const headers = { accept: 'text/event-stream' };
        const { status, headers: told, text } = await other.call('HEAD', '/v1/topics/t/records', { headers });
        expect([status, told.get('content-type'), text]).toEqual([200, 'text/event-stream', '']);
      }
      expect(bench.tenancy.cluster(other.clusterId)?.usage.connections).toBe(0);
    });

    test('an event stream whose client reads slowly is held back, and loses nothing', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', { json: { name: topic, partitions: 1 } });
      const records = Array.from({ length: 80 }, (_, i) => ({ value: `${i} ${'x'.repeat(95_000)}` }));
      // More than the kernel takes.
      for (let i = 0; i < 2; i++)
        expect((await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } })).status).toBe(200);
      const { engine } = bench;
      const fetch = engine.fetch.bind(engine);
      const reads: number[] = [];
      engine.fetch = (asked, options) => {
        reads.push(...asked.map(({ offset }) => offset));
        return fetch(asked, options);
      };
      const stream = await tenant.fetch(`/v1/topics/${topic}/records?partition=0`, {
        headers: { accept: 'text/event-stream' },
      });
      await expect.poll(() => reads.length, { timeout: 20_000 }).toBeGreaterThan(3);
      for (let i = 0; i < 30; i++) expect((await tenant.call('GET', '/v1/topics')).status).toBe(200);
      // The log is not read to its end for a client that takes nothing.
      expect(reads).not.toContain(160);
      const reader = stream.body!.getReader();
      let text = '';
      let seen = 0;
      while (seen < 160) {
        const { value: bytes, done } = await reader.read();
        expect(done, `after ${seen} events`).toBe(false);
        text += Buffer.from(bytes!).toString();
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^data: .*?"value":"(\d+) x/m.exec(text.slice(0, Math.min(end, 1_000)));
          if (data) expect(Number(data[1])).toBe(seen++ % 80);
          text = text.slice(end + 2);
        }
      }
      await expect.poll(() => reads, { timeout: 20_000 }).toContain(160);
      engine.fetch = fetch;
      await reader.cancel();
    });

    test('a batch that cannot be read ends its partition in a page, is reported when its turn comes, and can be skipped', async () => {
      await tenant.call('POST', '/v1/topics', { json: { name: 'broken', partitions: 2 } });
      const batch = (value: string, isBroken = false): Buffer => {
        const record = { key: null, value: Buffer.from(value), timestampMs: 5 };
        const bytes = encodeBatch([record, record]);
        // It says that it is compressed, and is not.
        if (isBroken) bytes.writeInt16BE(codec.gzip, batchField.attributes);
        bytes.writeUInt32BE(crc32c(bytes.subarray(batchField.attributes)), batchField.crc);
        return bytes;
      };
      const headers = { 'content-type': 'application/vnd.kafka.recordbatch' };
      const append = async (partition: number, ...batches: Buffer[]): Promise<void> => {
        const path = `/v1/topics/broken/records?partition=${partition}`;
        expect((await tenant.call('POST', path, { headers, body: Buffer.concat(batches) })).json).toMatchObject({
          failed: 0,
        });
      };
      await append(0, batch('1'), batch('2', true), batch('3'));
      await append(1, batch('4'));
      const read = (query: string): Promise<Answer> => tenant.call('GET', `/v1/topics/broken/records?${query}`);
      const offsets = ({ json }: Answer): unknown =>
        (json['records'] as unknown as { partition: number; offset: number }[])
          .map(({ partition, offset }) => `${partition}:${offset}`)
          .sort();
      const first = await read('from=earliest');
      expect(offsets(first)).toEqual(['0:0', '0:1', '1:0', '1:1']);
      const second = await read(`cursor=${String(first.json['next'])}`);
      expect(second.json).toMatchObject({ code: 'records-unreadable', partition: 0, offset: 2, next_offset: 4 });
      expect(offsets(await read('partition=0&from=4'))).toEqual(['0:4', '0:5']);
      expect((await read('partition=0&from=3')).json).toMatchObject({
        code: 'records-unreadable',
        offset: 2,
        next_offset: 4,
      });
    });

    test('a start by name moves along when retention passes it, and an offset does not', async () => {
      const { engine } = bench;
      const topic = freshTopic();
      await tenant.call('POST', `/v1/topics/${topic}/records`, {
        json: { records: Array.from({ length: 6 }, (_, i) => ({ value: i, partition: 0 })) },
      });
      const name = `${tenant.clusterId}.${topic}`;
      const asked = engine.fetch.bind(engine);
      let offset = 0;
      const retentionAtNextRead = (): void => {
        offset += 2;
        engine.fetch = async (partitions, options) => {
          engine.fetch = asked;
          const deletion = { topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }], timeoutMs: 1000 };
          await engine.partitionRequest(21, deletion);
          return asked(partitions, options);
        };
      };
      retentionAtNextRead();
      const page = await tenant.call('GET', `/v1/topics/${topic}/records?partition=0&from=earliest`);
      expect((page.json['records'] as unknown as { offset: number }[]).map((record) => record.offset)).toEqual([
        2, 3, 4, 5,
      ]);
      retentionAtNextRead();
      const { status, json } = await tenant.call('GET', `/v1/topics/${topic}/records?partition=0&from=2`);
      expect([status, json]).toMatchObject([410, { earliest: [{ partition: 0, offset: 4 }] }]);
    });
  });
}
