/** Event streams: the same on both transports. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { decodeCursor } from '../operations/cursor.ts';
import { type Bench, type BenchTenant, type Driver, httpBench, type Json } from './door-bench.suite.ts';

let topics = 0;
const freshTopic = (): string => `stream-${++topics}`;

/** Reads server-sent events from a response until `count` of them have arrived. */
async function events(response: Response, count: number): Promise<Record<string, string>[]> {
  const reader = response.body!.getReader();
  let text = '';
  const found: Record<string, string>[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += Buffer.from(value).toString();
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const fields = part
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
      const event = Object.fromEntries(fields) as Record<string, string>;
      if (event['data'] !== undefined) found.push(event);
    }
    if (found.length >= count) break;
  }
  await reader.cancel();
  return found;
}

export function eventStreamSuite(driver: Driver): void {
  describe(`event streams over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    beforeAll(async () => {
      bench = await httpBench(driver, { eventStreamHeartbeatMs: 50 });
      tenant = await bench.tenant('acme');
    });
    afterAll(() => bench.close());

    const accept = { accept: 'text/event-stream' };
    const fill = async (topic: string, count: number, partition = 0): Promise<void> => {
      const records = Array.from({ length: count }, (_, i) => ({ value: i, partition }));
      const { status } = await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } });
      expect(status).toBe(200);
    };

    test('an event stream resumes by lastEventId in the query too, where polyfills put it', async () => {
      const topic = freshTopic();
      await fill(topic, 3);
      const accept = { accept: 'text/event-stream' };
      const path = `/v1/topics/${topic}/records?from=earliest`;
      const [first] = await events(await tenant.fetch(path, { headers: accept }), 1);
      const resume = `${path}&lastEventId=${encodeURIComponent(first!['id']!)}`;
      const following = await events(await tenant.fetch(resume, { headers: accept }), 2);
      expect(following.map(({ data }) => (JSON.parse(data!) as Json)['offset'])).toEqual([1, 2]);
      const refused = { status: 400, json: { code: 'invalid-request', field: 'lastEventId' } };
      expect(await tenant.call('GET', resume)).toMatchObject(refused);
    });

    test('an event stream follows the log and resumes by Last-Event-ID', async () => {
      const topic = freshTopic();
      await fill(topic, 3);
      const accept = { accept: 'text/event-stream' };
      const first = await tenant.fetch(`/v1/topics/${topic}/records?from=earliest`, { headers: accept });
      expect([first.status, first.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
      const [, second] = await events(first, 2);
      expect(JSON.parse(second!['data']!)).toMatchObject({ offset: 1, value: 1 });
      const resumed = await tenant.fetch(`/v1/topics/${topic}/records?from=earliest`, {
        headers: { ...accept, 'last-event-id': second!['id']! },
      });
      const following = events(resumed, 3);
      await fill(topic, 2);
      expect((await following).map(({ data }) => (JSON.parse(data!) as Json)['offset'])).toEqual([2, 3, 4]);
    });

    test('a revoked key ends its event streams, and its next request is refused', async () => {
      const other = await bench.tenant('revoked');
      await other.call('POST', '/v1/topics/t', { body: '1' });
      const stream = await other.fetch('/v1/topics/t/records', { headers: { accept: 'text/event-stream' } });
      await bench.tenancy.revokeKey(other.clusterId, other.keyId);
      expect(await stream.text()).toContain('"value":1');
      expect((await other.call('GET', '/v1/topics')).status).toBe(401);
    });

    test('an event stream is refused once all streams together read as many partitions as allowed', async () => {
      const small = await httpBench(driver, {}, { subscribedPartitionsMax: 2 });
      try {
        const own = await small.tenant('small');
        await own.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
        const headers = { accept: 'text/event-stream' };
        const stream = await own.fetch('/v1/topics/t/records', { headers });
        const { status, json } = await own.call('GET', '/v1/topics/t/records', { headers });
        expect([status, json['code']]).toEqual([503, 'overloaded']);
        expect(small.tenancy.cluster(own.clusterId)?.usage.connections).toBe(1);
        await stream.body!.cancel();
      } finally {
        await small.close();
      }
    });

    test('an event stream reports an unreadable partition and continues with the others', async () => {
      const { engine } = bench;
      await tenant.call('POST', '/v1/topics', { body: JSON.stringify({ name: 'half-streamed', partitions: 2 }) });
      for (const partition of [0, 1])
        await tenant.call('POST', '/v1/topics/half-streamed', {
          body: `"of ${partition}"`,
          headers: { 'record-partition': String(partition) },
        });
      const asked = engine.fetch.bind(engine);
      engine.fetch = async (partitions, options) =>
        (await asked(partitions, options)).map((part) =>
          part.partition === 1 ? { ...part, records: [], errorCode: errorCode.kafkaStorageError } : part,
        );
      const headers = { accept: 'text/event-stream' };
      const stream = await tenant.fetch('/v1/topics/half-streamed/records?from=earliest', { headers });
      let text = '';
      for await (const chunk of stream.body!) {
        text += Buffer.from(chunk).toString();
        if (text.includes('event: unavailable') && text.includes('of 0')) engine.fetch = asked;
        if (text.includes('of 1')) break;
      }
      const [, data] = /event: unavailable\ndata: (.*)\n/.exec(text) ?? [];
      expect(JSON.parse(data!)).toMatchObject({
        partition: 1,
        problem: { status: 503, code: 'records-unavailable', partition: 1, retryable: true },
      });
      expect(text.split('event: unavailable')).toHaveLength(2);
      expect(text).toContain('event: available\ndata: {"partition":1}\n\n');
    });

    test('a stream over many partitions carries an id with the last record of a batch, behind all of them', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', { json: { name: topic, partitions: 40 } });
      const path = `/v1/topics/${topic}/records?from=earliest`;
      const streams = [await tenant.fetch(path, { headers: accept }), await tenant.fetch(path, { headers: accept })];
      await fill(topic, 3, 7);
      for (const stream of streams) {
        const found = await events(stream, 3);
        expect(found.map(({ id }) => id === undefined)).toEqual([true, true, false]);
        const { positions } = decodeCursor(found[2]!['id']!);
        const ends = Array.from({ length: 40 }, (_, partition) => ({ partition, offset: partition === 7 ? 3 : 0 }));
        expect(positions).toEqual(ends);
      }
    });

    test('streams in step share their events, and the ids of each are its own cursors', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', { json: { name: topic, partitions: 3 } });
      await fill(topic, 2, 2);
      const open = async (query: string, partitions: readonly number[], start: number): Promise<Followed> => {
        const response = await tenant.fetch(`/v1/topics/${topic}/records?${query}`, { headers: accept });
        return { query, partitions, start, response };
      };
      const streams = [
        await open('from=latest', [0, 1, 2], 2),
        await open('from=latest', [0, 1, 2], 2),
        await open('from=latest&partitions=0,1,2', [0, 1, 2], 2),
        await open('from=earliest', [0, 1, 2], 0),
        await open('from=latest&partitions=2', [2], 2),
        await open('from=earliest&partition=2', [2], 0),
        await open('from=earliest&partitions=0,1&format=base64', [0, 1], 0),
      ];
      for (const partition of [0, 2, 1, 2, 0]) await fill(topic, 2, partition);
      const ends = [4, 2, 6];
      for (const stream of streams) {
        const count = stream.partitions.reduce((sum, partition) => sum + ends[partition]!, -stream.start);
        const found = await events(stream.response, count);
        expect(found, stream.query).toHaveLength(count);
        expectOwnCursors(stream, found);
      }
    });
  });
}

interface Followed {
  readonly query: string;
  readonly partitions: readonly number[];
  /** In partition 2; the others begin empty. */
  readonly start: number;
  readonly response: Response;
}

/** Each id is the place behind its record, and behind all that came before it on this stream. */
function expectOwnCursors(stream: Followed, found: readonly Record<string, string>[]): void {
  const places = new Map(stream.partitions.map((partition) => [partition, partition === 2 ? stream.start : 0]));
  for (const { id, data } of found) {
    const { partition, offset, value } = JSON.parse(data!) as Record<string, number>;
    expect(offset, stream.query).toBe(places.get(partition!));
    places.set(partition!, offset! + 1);
    const { positions, wholeTopic } = decodeCursor(id!);
    expect(positions, stream.query).toEqual([...places].map(([index, next]) => ({ partition: index, offset: next })));
    expect(wholeTopic).toBe(!stream.query.includes('partition'));
    expect(typeof value).toBe(stream.query.includes('base64') ? 'string' : 'number');
  }
}
