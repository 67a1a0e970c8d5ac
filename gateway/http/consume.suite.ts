/** Reading, topics, groups, and what applies to all routes: the same on both transports. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { innerName } from '../../tenancy/naming.ts';
import { answerOf, type Bench, type BenchTenant, type Driver, type Json, httpBench } from './door-bench.suite.ts';

let topics = 0;
const freshTopic = (): string => `read-${++topics}`;

export function consumeSuite(driver: Driver): void {
  describe(`reading over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    beforeAll(async () => {
      bench = await httpBench(driver, { eventStreamHeartbeatMs: 50 });
      tenant = await bench.tenant('acme');
    });
    afterAll(() => bench.close());

    const fill = async (topic: string, count: number, partition = 0): Promise<void> => {
      const records = Array.from({ length: count }, (_, i) => ({
        value: i,
        partition,
        timestamp: 1_700_000_000_000 + i * 1000,
      }));
      const { status } = await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } });
      expect(status).toBe(200);
    };
    const read = async (topic: string, query: string): Promise<{ status: number; json: Json; values: unknown[] }> => {
      const { status, json } = await tenant.call('GET', `/v1/topics/${topic}/records?${query}`);
      const records = (json['records'] ?? []) as unknown as { value: unknown }[];
      return { status, json, values: records.map(({ value }) => value) };
    };
    const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

    test('cursors lead through everything, page by page, across partitions', async () => {
      const topic = freshTopic();
      await fill(topic, 25, 0);
      await fill(topic, 25, 1);
      const seen = new Map<number, number[]>();
      let query = 'max_records=7';
      for (let pages = 0; pages < 20; pages++) {
        const { json } = await read(topic, query);
        for (const { partition, offset } of json['records'] as unknown as { partition: number; offset: number }[]) {
          seen.set(partition, [...(seen.get(partition) ?? []), offset]);
        }
        query = `max_records=7&cursor=${String(json['next'])}`;
        if (json['up_to_date'] as unknown as boolean) break;
      }
      expect(new Set(seen.keys())).toEqual(new Set([0, 1]));
      for (const offsets of seen.values()) expect(offsets).toEqual(range(0, 25));
      await fill(topic, 1, 1);
      expect((await read(topic, query)).json['records']).toMatchObject([{ partition: 1, offset: 25 }]);
    });

    test('starts: earliest, latest, offset, last N, time', async () => {
      const topic = freshTopic();
      // One batch per record: a time lookup is exact to the batch at least.
      for (let i = 0; i < 10; i++) {
        const record = { value: i, partition: 0, timestamp: 1_700_000_000_000 + i * 1000 };
        await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records: [record] } });
      }
      expect((await read(topic, 'from=earliest')).values).toEqual(range(0, 10));
      expect((await read(topic, 'from=latest')).values).toEqual([]);
      expect((await read(topic, 'from=4&partition=0')).values).toEqual(range(4, 10));
      expect((await read(topic, 'from=-3')).values).toEqual(range(7, 10));
      expect((await read(topic, `from=${new Date(1_700_000_006_000).toISOString()}`)).values).toEqual(range(6, 10));
      for (const time of ['0001-01-01T00:00:00Z', '1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.997Z']) {
        expect((await read(topic, `from=${time}`)).values, time).toEqual(range(0, 10));
      }
      expect((await read(topic, 'from=yesterday')).json).toMatchObject({ code: 'invalid-request', field: 'from' });
      expect((await read(topic, 'partitions=0,9')).json).toMatchObject({
        code: 'invalid-request',
        field: 'partitions',
      });
    });

    test('a long poll is woken by a record', async () => {
      const topic = freshTopic();
      await fill(topic, 1);
      const polled = read(topic, 'from=latest&wait=20s');
      const isWaiting = async (): Promise<void> => {
        await tenant.call('GET', '/v1');
      };
      await isWaiting();
      // If this record lands before the poll looks up the end, from=latest starts after it; so another record follows.
      let done = false;
      void polled.then(() => {
        done = true;
      });
      while (!done) await fill(topic, 1);
      expect((await polled).values.length).toBeGreaterThan(0);
    });

    test('headers: cursor, watermark, up-to-date; the same page as NDJSON', async () => {
      const topic = freshTopic();
      await fill(topic, 3);
      const answer = await tenant.call('GET', `/v1/topics/${topic}/records?partition=0&max_records=2`, {
        headers: { accept: 'application/x-ndjson' },
      });
      expect(
        answer.text
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as Json)['value']),
      ).toEqual([0, 1]);
      expect([answer.headers.get('high-watermark'), answer.headers.get('up-to-date')]).toEqual(['3', 'false']);
      expect((await read(topic, `cursor=${answer.headers.get('next-cursor')}`)).values).toEqual([2]);
      expect(
        (await tenant.call('GET', `/v1/topics/${topic}/records`, { headers: { accept: 'image/png' } })).status,
      ).toBe(406);
      const head = await tenant.fetch(`/v1/topics/${topic}/records`, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'application/json', '']);
    });

    test('a cursor over many partitions may come as a header', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', { json: { name: topic, partitions: 200 } });
      await fill(topic, 3);
      const path = `/v1/topics/${topic}/records`;
      const { headers } = await tenant.call('GET', `${path}?from=earliest&max_records=2`);
      const cursor = headers.get('next-cursor')!;
      const page = await tenant.call('GET', `${path}?max_records=5`, { headers: { cursor } });
      expect(page.json['records']).toMatchObject([{ value: 2 }]);
      expect(await tenant.call('GET', `${path}?cursor=${cursor}`, { headers: { cursor } })).toMatchObject({
        status: 400,
        json: { code: 'invalid-request', field: 'cursor' },
      });
    });

    test('positions outside the log: 410 with earliest, 416 or clamp', async () => {
      const topic = freshTopic();
      await fill(topic, 10);
      const name = `${tenant.clusterId}.${topic}`;
      await bench.engine.partitionRequest(21, {
        topics: [{ name, partitions: [{ partitionIndex: 0, offset: 5 }] }],
        timeoutMs: 1000,
      });
      const expired = await read(topic, 'from=2&partition=0');
      expect([expired.status, expired.json['code']]).toEqual([410, 'offset-expired']);
      expect(expired.json['earliest']).toEqual([{ partition: 0, offset: 5 }]);
      expect((await read(topic, 'from=earliest')).values).toEqual(range(5, 10));
      expect((await read(topic, 'from=99&partition=0')).status).toBe(416);
      const clamped = await read(topic, 'from=99&partition=0&clamp=true');
      expect([clamped.status, clamped.values]).toEqual([200, []]);
      expect((await read(topic, 'from=99&partition=0&clamp=yes')).json).toMatchObject({ status: 400, field: 'clamp' });
      await fill(topic, 1);
      expect((await read(topic, `cursor=${String(clamped.json['next'])}`)).values).toEqual([0]);
    });

    test('cursors of another topic, cursors of a deleted topic, and damaged cursors are refused', async () => {
      const [topic, other] = [freshTopic(), freshTopic()];
      await fill(topic, 1);
      await fill(other, 1);
      const { json } = await read(topic, '');
      const cursor = String(json['next']);
      expect((await read(other, `cursor=${cursor}`)).json).toMatchObject({ status: 404, kind: 'cursor' });
      expect((await read(topic, `cursor=${cursor.slice(0, -3)}`)).json).toMatchObject({
        status: 400,
        code: 'cursor-invalid',
      });
      await tenant.call('DELETE', `/v1/topics/${topic}`);
      expect((await read(topic, `cursor=${cursor}`)).status).toBe(404);
      await fill(topic, 1);
      expect((await read(topic, `cursor=${cursor}`)).json).toMatchObject({ status: 409, code: 'epoch-mismatch' });
    });

    test('a cursor over the whole topic includes partitions that are added later', async () => {
      const topic = freshTopic();
      await fill(topic, 1);
      const whole = String((await read(topic, '')).json['next']);
      const one = String((await read(topic, 'partition=0')).json['next']);
      expect((await tenant.call('PATCH', `/v1/topics/${topic}`, { json: { partitions: 3 } })).status).toBe(200);
      await fill(topic, 2, 2);
      expect((await read(topic, `cursor=${whole}`)).values).toEqual([0, 1]);
      expect((await read(topic, `cursor=${one}`)).values).toEqual([]);
    });

    test('tenants have names, cursors and groups of their own', async () => {
      const [a, b] = [await bench.tenant('a'), await bench.tenant('b')];
      await a.call('POST', '/v1/topics/same', { body: '"a"' });
      expect((await b.call('GET', '/v1/topics')).json).toEqual({ topics: [] });
      expect((await b.call('GET', '/v1/topics/same/records')).status).toBe(404);
      await b.call('POST', '/v1/topics/same', { body: '"b"' });
      const { json } = await a.call('GET', '/v1/topics/same/records');
      expect(json['records']).toMatchObject([{ value: 'a' }]);
      expect((await b.call('GET', `/v1/topics/same/records?cursor=${String(json['next'])}`)).status).toBe(404);
      expect((await b.call('DELETE', '/v1/topics/same')).status).toBe(204);
      expect((await a.call('GET', '/v1/topics/same')).status).toBe(200);
      expect((await b.call('GET', '/v1/groups/none')).json).toMatchObject({ status: 404, kind: 'group' });
      expect((await b.call('GET', '/v1/groups')).json).toEqual({ groups: [] });
      for (const { text } of [
        await a.call('GET', '/v1/topics'),
        await a.call('GET', '/v1/topics/same'),
        await a.call('GET', '/v1/usage'),
      ]) {
        expect(text).not.toContain(a.clusterId);
      }
    });

    test.each(['/v1/topics/t', '/v1/topics/t/records', '/v1/topics/t/records?from=2026-01-01T00:00:00Z&partitions=0'])(
      'partitions that %s is asked about are charged',
      async (path) => {
        const limits = { requestsPerSecondMax: 10, partitionMutationsPer5MinutesMax: 1_000 };
        const wide = await bench.tenant(`wide-${path.length}`, limits);
        expect((await wide.call('POST', '/v1/topics', { json: { name: 't', partitions: 600 } })).status).toBe(201);
        expect((await wide.call('GET', path)).status).toBe(200);
        const isOne = path.endsWith('=0');
        expect(await wide.call('GET', path)).toMatchObject(isOne ? { status: 200 } : { status: 429 });
      },
    );

    test('JSON of a million values is refused before it is parsed', async () => {
      const body = `{"records":[${'{},'.repeat(400_000)}{}]}`;
      const headers = { 'content-type': 'application/json' };
      const { status, json } = await tenant.call('POST', `/v1/topics/${freshTopic()}/records`, { body, headers });
      expect(status).toBe(413);
      expect(json['detail']).toContain('the body has more than 1000000 values');
    });

    test('thousands of topics are listed over several turns, in order and complete', async () => {
      const many = await bench.tenant('many-topics');
      const names = Array.from({ length: 3_500 }, (_, i) => `t${String(i).padStart(4, '0')}`);
      for (const name of names) {
        const spec = { name: innerName(many.clusterId, name), clusterId: many.clusterId, partitions: 1, configs: {} };
        await bench.engine.createTopic(spec);
      }
      const lists = Array.from({ length: 5 }, () => many.call('GET', '/v1/topics'));
      for (const { status, json } of await Promise.all(lists)) {
        expect(status).toBe(200);
        expect((json['topics'] as unknown as { name: string }[]).map(({ name }) => name)).toEqual(names);
      }
    });

    test('topics: create, look, change, delete, and what is refused', async () => {
      const name = freshTopic();
      const made = await tenant.call('POST', '/v1/topics', {
        json: { name, partitions: 3, configs: { 'retention.ms': 1000 } },
      });
      expect([made.status, made.headers.get('location')]).toEqual([201, `/v1/topics/${name}`]);
      expect((await tenant.call('POST', '/v1/topics', { json: { name } })).json).toMatchObject({
        status: 409,
        code: 'already-exists',
      });
      expect((await tenant.call('POST', '/v1/topics', { json: { name: 'a b' } })).json).toMatchObject({
        status: 400,
        field: 'name',
      });
      expect(
        (await tenant.call('POST', '/v1/topics', { json: { name: 'x', configs: { 'no.such': 1 } } })).json,
      ).toMatchObject({ field: 'configs.no.such' });
      await fill(name, 2, 1);
      const { json } = await tenant.call('GET', `/v1/topics/${name}`);
      expect(json).toMatchObject({
        name,
        partitions: [
          { end_offset: 0, size_bytes: 0 },
          { start_offset: 0, end_offset: 2, size_bytes: expect.toSatisfy((bytes: number) => bytes > 61) },
          {},
        ],
        configs: { 'retention.ms': { value: '1000', is_default: false } },
      });
      const patched = await tenant.call('PATCH', `/v1/topics/${name}`, { json: { configs: { 'retention.ms': null } } });
      for (const json of [{ configs: null }, { configs: null, partitions: 2 }]) {
        const refused = await tenant.call('PATCH', `/v1/topics/${name}`, { json });
        expect(refused).toMatchObject({ status: 400, json: { code: 'invalid-request', field: 'configs' } });
      }
      expect(patched.json).toMatchObject({ configs: { 'retention.ms': { is_default: true } } });
      expect((await tenant.call('PATCH', `/v1/topics/${name}`, { json: { partitions: 2 } })).json).toMatchObject({
        status: 400,
        field: 'partitions',
      });
      for (const json of [{ name: 'x', partition_count: 3 }, { topic: 'x' }]) {
        expect((await tenant.call('POST', '/v1/topics', { json })).status).toBe(400);
      }
      expect((await tenant.call('DELETE', `/v1/topics/${name}`)).status).toBe(204);
      expect((await tenant.call('DELETE', `/v1/topics/${name}`)).status).toBe(404);
    });

    test('a refused change of a topic changes nothing, and a repeated change succeeds', async () => {
      const few = await bench.tenant('few', { partitionsMax: 4 });
      await few.call('POST', '/v1/topics', { json: { name: 't', partitions: 3 } });
      const change = async (json: unknown): Promise<unknown[]> => {
        const { status } = await few.call('PATCH', '/v1/topics/t', { json });
        const { configs } = (await few.call('GET', '/v1/topics/t')).json;
        return [status, (configs as unknown as Record<string, { readonly value: string }>)['retention.ms']!.value];
      };
      const configs = { 'retention.ms': 1000 };
      const before = '604800000';
      expect(await change({ partitions: 2, configs })).toEqual([400, before]);
      expect(await change({ partitions: 5, configs })).toEqual([429, before]);
      expect(await change({ partitions: 4, configs: { ...configs, 'no.such': 1 } })).toEqual([400, before]);
      expect(await change({ partitions: 4, configs })).toEqual([200, '1000']);
      expect(await change({ partitions: 4, configs })).toEqual([200, '1000']);
      expect(await change({ partitions: 4 })).toEqual([200, '1000']);
    });

    test('without auto-creation a topic must exist', async () => {
      const strict = await bench.tenant('strict', {}, false);
      expect((await strict.call('POST', '/v1/topics/t', { body: 'x' })).json).toMatchObject({
        status: 404,
        kind: 'topic',
      });
      expect((await strict.call('POST', '/v1/topics/t/records', { json: { records: [{ value: 1 }] } })).status).toBe(
        404,
      );
    });

    test('credentials: bearer, basic, none, wrong', async () => {
      const basic = `Basic ${Buffer.from(`${tenant.keyId}:${tenant.apiKey}`).toString('base64')}`;
      const call = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(`${bench.base}/v1/topics`, { headers })).status;
      expect(await call({ authorization: basic })).toBe(200);
      expect(await call({ authorization: `bearer ${tenant.apiKey}` })).toBe(200);
      for (const [detail, headers] of [
        ['names no API key', {}],
        ['names no API key', { authorization: tenant.apiKey }],
        ['is unknown', { authorization: 'Bearer nonsense' }],
        ['is unknown', { authorization: 'Basic !!' }],
      ] as [string, Record<string, string>][]) {
        const answer = await answerOf(await fetch(`${bench.base}/v1/topics`, { headers }));
        expect(answer).toMatchObject({
          status: 401,
          json: {
            code: 'unauthenticated',
            type: '/problems/unauthenticated',
            detail: expect.stringContaining(detail) as string,
          },
        });
        expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      }
    });

    test('a suspended cluster serves nobody, says so to holders of its keys alone, and ends what is under way', async () => {
      const other = await bench.tenant('suspended');
      const { clusterId } = other;
      await other.call('POST', '/v1/topics', { json: { name: 't' } });
      const events = await other.fetch('/v1/topics/t/records', { headers: { accept: 'text/event-stream' } });
      const sent: ReadableStreamDefaultController<Uint8Array>[] = [];
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void sent.push(controller) });
      const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/x-ndjson' } };
      const lines = other.fetch('/v1/topics/t/records', init as RequestInit);
      sent[0]!.enqueue(Buffer.from('{"value":1,"partition":0}\n'));
      const { text, json } = await other.call('GET', '/v1/topics/t/records?wait=20s&partition=0');
      expect(json['records'], text).toHaveLength(1);
      await bench.tenancy.updateCluster(clusterId, { state: 'suspended' });
      const refused = { code: 'forbidden', detail: 'the cluster is suspended' };
      const reader = (await lines).body!.getReader();
      let told = '';
      while (!told.includes('"records"')) told += Buffer.from((await reader.read()).value!).toString();
      // The reply ends no later than the body.
      sent[0]!.close();
      expect(told).toContain(JSON.stringify(refused.detail));
      await events.text();
      for (const call of [other.call('GET', '/v1/topics'), other.call('POST', '/v1/topics/t', { body: '1' })]) {
        expect(await call).toMatchObject({ status: 403, json: refused });
      }
      const wrong = { authorization: `Bearer ${other.apiKey}x` };
      expect((await other.call('GET', '/v1/topics', { headers: wrong })).status).toBe(401);
      await bench.tenancy.updateCluster(clusterId, { state: 'serving' });
      expect((await other.call('GET', '/v1/topics')).status).toBe(200);
      expect(bench.tenancy.cluster(clusterId)?.usage.connections).toBe(0);
    });

    test('over the request quota: 429 with the name of the quota and when to retry', async () => {
      const other = await bench.tenant('slow', { requestsPerSecondMax: 2 });
      const answers = await Promise.all(Array.from({ length: 12 }, () => other.call('GET', '/v1/topics')));
      const refused = answers.find(({ status }) => status === 429);
      expect(refused?.json).toMatchObject({
        code: 'quota-exceeded',
        quota: 'requestsPerSecondMax',
        retryable: true,
        side_effects: 'none',
      });
      expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused?.headers.get('ratelimit-policy')).toBe('"requestsPerSecondMax";q=2;w=1');
      expect(refused?.headers.get('ratelimit')).toMatch(/^"requestsPerSecondMax";r=0;t=\d+$/);
    });

    test('unknown paths and methods, problem pages, request ids, CORS', async () => {
      for (const [path, advice] of [
        ['/v1/nothing', 'GET /v1 lists'],
        ['/v1/topics/', 'extra slash'],
        ['/v1/topics//records', 'extra slash'],
        ['/admin/v1/clusters', 'control plane'],
      ] as const) {
        const nothing = await tenant.call('GET', path);
        expect(nothing, path).toMatchObject({ status: 404, json: { code: 'not-found', kind: 'path' } });
        expect(nothing.json['detail'], path).toContain(advice);
      }
      const wrongMethod = await tenant.call('PUT', '/v1/topics');
      expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
      const named = await tenant.call('GET', '/v1/topics/absent', {
        headers: { 'x-request-id': 'mine-1', origin: 'https://page.example' },
      });
      expect([
        named.headers.get('x-request-id'),
        named.json['instance'],
        named.headers.get('access-control-allow-origin'),
      ]).toEqual(['mine-1', 'mine-1', '*']);
      const page = await answerOf(await fetch(bench.base + String(named.json['type'])));
      expect(page.text).toContain('code: not-found');
      expect((await fetch(`${bench.base}/problems/none`)).status).toBe(404);
      const preflight = await fetch(`${bench.base}/v1/topics/t`, { method: 'OPTIONS' });
      expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
        204,
        '*, Authorization',
      ]);
      const good = await tenant.call('GET', '/v1/topics', { headers: { origin: 'https://page.example' } });
      expect(good.headers.get('access-control-allow-origin')).toBe('*');
      expect((await answerOf(await fetch(`${bench.base}/v1`))).json).toMatchObject({ name: 'headgate' });
      expect((await tenant.call('GET', '/v1/ws')).status).toBe(426);
    });

    test('usage shows the limits and what has been used', async () => {
      const other = await bench.tenant('used');
      await other.call('POST', '/v1/topics/t', { body: 'abc' });
      const { json } = await other.call('GET', '/v1/usage');
      expect(json).toMatchObject({
        limits: { connectionsMax: 3000 },
        used: { topics: 1, partitions: 2 },
        totals: { produced_records: 1 },
      });
    });

    test('a closing door answers long polls and produces in flight, and ends event streams', async () => {
      const own = await httpBench(driver);
      const leaving = await own.tenant('leaving');
      await leaving.call('POST', '/v1/topics/t', { body: '1' });
      const stream = await leaving.fetch('/v1/topics/t/records', { headers: { accept: 'text/event-stream' } });
      const appending = new Promise<() => void>((resolve) => {
        own.engine.holdAppends = resolve;
      });
      const producing = leaving.call('POST', '/v1/topics/t', { body: '2' });
      const proceed = await appending;
      const asked = own.engine.fetch.bind(own.engine);
      const polled = new Promise<void>((resolve) => {
        own.engine.fetch = (partitions, options) => {
          if (options.maxWaitMs === 20_000) resolve();
          return asked(partitions, options);
        };
      });
      const polling = leaving.call('GET', '/v1/topics/t/records?from=latest&wait=20s');
      await polled;
      const closing = own.door.close(5_000);
      expect((await polling).status).toBe(200);
      expect(await stream.text()).toContain('"value":1');
      proceed();
      expect((await producing).status).toBe(200);
      await closing;
      await own.tenancy.close();
    });

    test('a read that fails in storage is not reported as an unknown outcome', async () => {
      await tenant.call('POST', '/v1/topics/unreadable', { body: '1' });
      const { engine } = bench;
      const asked = engine.fetch.bind(engine);
      engine.fetch = async (partitions, options) =>
        (await asked(partitions, options)).map((part) => ({ ...part, errorCode: errorCode.kafkaStorageError }));
      const answer = await tenant.call('GET', '/v1/topics/unreadable/records?partition=0&from=earliest');
      engine.fetch = asked;
      expect(answer.status).toBe(503);
      expect(answer.json).toMatchObject({
        code: 'records-unavailable',
        side_effects: 'none',
        partition: 0,
        kafka_error: 'KAFKA_STORAGE_ERROR',
      });
    });

    test('a time lookup that times out is not reported as an unknown outcome', async () => {
      await tenant.call('POST', '/v1/topics/slow-times', { body: '1' });
      const { engine } = bench;
      const asked = engine.partitionRequest.bind(engine);
      engine.partitionRequest = async (key, request) => {
        const answer = await asked(key, request);
        for (const topic of (answer as ResponseOf<2>).topics)
          for (const part of topic.partitions) part.errorCode = errorCode.requestTimedOut;
        return answer;
      };
      const answer = await tenant.call('GET', '/v1/topics/slow-times/records?partition=0&from=2026-01-01T00:00:00Z');
      engine.partitionRequest = asked;
      expect(answer.status).toBe(503);
      expect(answer.json).toMatchObject({ code: 'overloaded', side_effects: 'none', retryable: true });
    });

    test('an unreadable partition is reported once the others have nothing more, and holds none of them back', async () => {
      const { engine } = bench;
      await tenant.call('POST', '/v1/topics', { body: JSON.stringify({ name: 'half-read', partitions: 2 }) });
      for (const partition of [0, 1])
        await tenant.call('POST', '/v1/topics/half-read', {
          body: '1',
          headers: { 'record-partition': `${partition}` },
        });
      const asked = engine.fetch.bind(engine);
      engine.fetch = async (partitions, options) =>
        (await asked(partitions, options)).map((part) =>
          part.partition === 1 ? { ...part, records: [], errorCode: errorCode.kafkaStorageError } : part,
        );
      const first = await tenant.call('GET', '/v1/topics/half-read/records?from=earliest');
      const next = `/v1/topics/half-read/records?cursor=${String(first.json['next'])}`;
      const second = await tenant.call('GET', next);
      engine.fetch = asked;
      const third = await tenant.call('GET', next);
      expect(first.json).toMatchObject({ records: [{ partition: 0 }], up_to_date: false });
      expect(second.json).toMatchObject({ code: 'records-unavailable', partition: 1, retryable: true });
      expect(third.json).toMatchObject({ records: [{ partition: 1 }], up_to_date: true });
    });

    test('the message of a bug stays in the log', async () => {
      const { catalogue } = bench.engine;
      const byName = catalogue.byName.bind(catalogue);
      catalogue.byName = () => {
        throw new TypeError('inner detail');
      };
      const answer = await tenant.call('GET', '/v1/topics/t');
      catalogue.byName = byName;
      expect([answer.status, answer.json['code']]).toEqual([500, 'internal']);
      expect(answer.text).not.toContain('inner detail');
      expect(
        bench.logged.find(({ fields }) => fields['requestId'] === (answer.json['instance'] as unknown))?.fields[
          'reason'
        ],
      ).toContain('inner detail');
    });
  });
}
