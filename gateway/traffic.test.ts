/** The metrics of the doors, scraped over a socket beside requests that are served and refused. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import WebSocket from 'ws';
import { adminInTest, adminKey } from './admin/admin-in-test.suite.ts';
import { type AdminServer, startAdmin } from './admin/app.ts';
import { type HttpDoor, startHttpDoor } from './http/door.ts';
import { type DoorBench, doorBench } from './kafka/door.suite.ts';
import { zeroUuid } from '../engine/kernel/uuid.ts';

let bench: DoorBench;
let http: HttpDoor;
let admin: AdminServer;

beforeAll(async () => {
  bench = await doorBench();
  const { context } = bench;
  const listen = { context, host: '127.0.0.1', port: 0 };
  http = await startHttpDoor({ ...listen, exclusive: true, serverChoice: 'node' });
  const { options } = await adminInTest();
  admin = await startAdmin({ ...options, ...listen });
});
afterAll(async () => {
  await http.close(0);
  await admin.close(0);
  await bench.close();
});

interface Scrape {
  readonly kinds: ReadonlyMap<string, string>;
  readonly values: ReadonlyMap<string, number>;
}

async function scrape(): Promise<Scrape> {
  const answer = await fetch(`http://127.0.0.1:${admin.port}/metrics`, {
    headers: { authorization: `Bearer ${adminKey}` },
  });
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return parse(await answer.text());
}

/** Strict: each sample belongs to the family whose HELP and TYPE come right before it, and no series is there twice. */
function parse(text: string): Scrape {
  expect(text.endsWith('\n')).toBe(true);
  const kinds = new Map<string, string>();
  const values = new Map<string, number>();
  let helped = '';
  let family = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const help = /^# HELP ([a-z_][a-z0-9_]*) \S.*$/.exec(line);
    const type = /^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge|histogram|summary)$/.exec(line);
    const sample = /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[\d.e+-]+|NaN|[+-]Inf)$/.exec(
      line,
    );
    if (help) helped = help[1]!;
    else if (type) {
      family = type[1]!;
      expect(helped, line).toBe(family);
      expect(kinds.has(family), line).toBe(false);
      kinds.set(family, type[2]!);
    } else {
      expect(sample, line).not.toBeNull();
      const parts = kinds.get(family) === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      expect(parts.map((part) => family + part)).toContain(sample![1]);
      const series = sample![1]! + (sample![2] ?? '');
      expect(values.has(series), line).toBe(false);
      values.set(series, Number(sample![3]));
    }
  }
  return { kinds, values };
}

it('count requests, refusals and connections by door, and only grow', async () => {
  const tenant = await bench.tenant('acme', { partitionsMax: 6 });
  const before = await scrape();
  const socket = new WebSocket(`ws://127.0.0.1:${http.port}/v1/ws`, {
    headers: { authorization: `Bearer ${tenant.apiKey}` },
  });
  await once(socket, 'open');
  // It may greet first.
  const refused = new Promise<void>((resolve) => {
    socket.on('message', (text: Buffer) => {
      if (text.toString().includes('"event":"error"')) resolve();
    });
  });
  socket.send('{"op":"unsubscribe","id":1,"sub":9}');
  await refused;
  const ask = async (method: string, path: string, body?: string): Promise<number> => {
    const headers = { authorization: `Bearer ${tenant.apiKey}`, 'content-type': 'application/json' };
    const answer = await fetch(`http://127.0.0.1:${http.port}${path}`, { method, headers, ...(body && { body }) });
    await answer.arrayBuffer();
    return answer.status;
  };
  const stored = new Promise<void>((resolve) => {
    socket.on('message', (text: Buffer) => {
      if (text.toString().includes('"event":"ok"')) resolve();
    });
  });
  expect(await ask('POST', '/v1/topics/one', '1')).toBe(200);
  socket.send('{"op":"produce","id":2,"topic":"one","records":[{"value":1}]}');
  await stored;
  expect(await ask('POST', '/v1/topics', '{"name":"two","partitions":7}')).toBe(429);
  expect(await ask('GET', '/v1/nothing')).toBe(404);
  await bench.client(tenant);
  const kafka = bench.kafka({ ...tenant, apiKey: 'wrong' }).admin();
  await expect(kafka.connect()).rejects.toThrow();
  await kafka.disconnect();
  const after = await scrape();
  const grown = (series: string): number => (after.values.get(series) ?? 0) - (before.values.get(series) ?? 0);
  expect(grown('headgate_requests_total{door="http"}')).toBe(3);
  expect(grown('headgate_requests_total{door="websocket"}')).toBe(2);
  expect(grown('headgate_requests_total{door="admin"}')).toBe(1);
  expect(grown('headgate_requests_total{door="kafka"}')).toBeGreaterThanOrEqual(4);
  expect(grown('headgate_refusals_total{door="http",reason="404"}')).toBe(1);
  const timed = (door: string, api: string): number =>
    grown(`headgate_request_duration_seconds_count{door="${door}",api="${api}"}`);
  expect(timed('http', 'POST /v1/topics/{topic}')).toBe(1);
  expect(timed('http', 'POST /v1/topics')).toBe(1);
  expect(timed('websocket', 'produce')).toBe(1);
  expect(timed('kafka', 'SaslAuthenticate')).toBeGreaterThan(0);
  for (const [series, count] of after.values) {
    if (!series.startsWith('headgate_request_duration_seconds_count')) continue;
    const bucket = `${series.replace('_count{', '_bucket{').slice(0, -1)},le="+Inf"}`;
    expect(after.values.get(bucket), series).toBe(count);
  }
  expect(grown('headgate_refusals_total{door="http",reason="429"}')).toBe(1);
  expect(grown('headgate_quota_refusals_total{door="http",quota="partitionsMax"}')).toBe(1);
  expect(grown('headgate_refusals_total{door="kafka",reason="SASL_AUTHENTICATION_FAILED"}')).toBeGreaterThan(0);
  const ofWebSocket = [...after.values.keys()].filter((series) => /refusals_total\{door="websocket"/.test(series));
  expect(ofWebSocket).toHaveLength(1);
  // The refused one may still be closing.
  expect(after.values.get('headgate_door_connections{door="kafka"}')).toBeGreaterThan(0);
  expect(after.values.get('headgate_door_connections{door="http"}')).toBeGreaterThan(0);
  for (const [family, kind] of after.kinds) {
    if (!family.startsWith('headgate_')) continue;
    expect(kind === 'counter', family).toBe(family.endsWith('_total'));
    for (const [series, value] of before.values) {
      if (kind === 'counter' && series.startsWith(`${family}{`))
        expect(after.values.get(series), series).toBeGreaterThanOrEqual(value);
    }
  }
  socket.close();
});

it('count the errors inside answers, also those that nobody wanted to hear of', async () => {
  const tenant = await bench.tenant('partial', {});
  const raw = await bench.client(tenant);
  const before = await scrape();
  const write = async (query: string, type: string, body: string): Promise<number> => {
    const headers = { authorization: `Bearer ${tenant.apiKey}`, 'content-type': type };
    const path = `/v1/topics/one/records${query}`;
    const answer = await fetch(`http://127.0.0.1:${http.port}${path}`, { method: 'POST', headers, body });
    await answer.arrayBuffer();
    return answer.status;
  };
  const [good, bad] = ['{"value":1,"partition":0}', '{"value":1,"partition":99}'];
  expect(await write('', 'application/json', `{"records":[${good}]}`)).toBe(200);
  expect(await write('', 'application/json', `{"records":[${good},${bad},${bad}]}`)).toBe(207);
  expect(await write('', 'application/x-ndjson', `${bad}\nnonsense\n${good}\n`)).toBe(200);
  expect(await write('?acks=0', 'application/json', `{"records":[${bad}]}`)).toBe(202);
  // As a whole: its status counts.
  expect(await write('', 'application/json', `{"records":[${bad}]}`)).toBe(404);
  const partitions = [0, 98, 99].map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 }));
  const ends = { replicaId: -1, isolationLevel: 0, timeoutMs: 0, topics: [{ name: 'one', partitions }] };
  await raw.ask(2, 7, ends);
  const partitionData = [{ index: 99, records: Buffer.alloc(1) }];
  const topicData = [{ name: 'one', topicId: zeroUuid, partitionData }];
  raw.send(0, 9, { transactionalId: null, acks: 0, timeoutMs: 1_000, topicData });
  await raw.closed;
  const after = await scrape();
  const grown = [...after.values].flatMap(([series, value]) => {
    if (!series.startsWith('headgate_answer_errors_total')) return [];
    const by = value - (before.values.get(series) ?? 0);
    return by === 0 ? [] : [`${/\{(.*)\}/.exec(series)![1]} ${by}`];
  });
  expect(grown.sort()).toEqual([
    'door="http",api="produce",error="invalid-json" 1',
    'door="http",api="produce",error="not-found" 4',
    'door="kafka",api="ListOffsets",error="UNKNOWN_TOPIC_OR_PARTITION" 2',
    'door="kafka",api="Produce",error="UNKNOWN_TOPIC_OR_PARTITION" 1',
  ]);
  const refused = 'headgate_refusals_total{door="http",reason="404"}';
  expect((after.values.get(refused) ?? 0) - (before.values.get(refused) ?? 0)).toBe(1);
});
