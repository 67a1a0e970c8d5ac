/** Requests to every route of the HTTP door: right in form, wrong in what they say. */
import { gzipSync } from 'node:zlib';
import { hostileBatch } from './batches.ts';
import { damage, type Draw } from './draw.ts';
import type { Asked } from './http-wire.ts';
import { keptTopic, type Known } from './world.ts';

/** 32 MiB in 32 KiB: over the limit once it is unpacked. */
const bombs: readonly Buffer[] = [
  gzipSync(Buffer.alloc(32 * 1024 * 1024)),
  gzipSync(Buffer.alloc(2 * 1024 * 1024, '{"value":1}\n')),
  gzipSync(Buffer.concat([Buffer.from('{"records":['), Buffer.alloc(16 * 1024 * 1024, '{},')])),
];

export const deepJson: string = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;

const values: readonly string[] = [
  'null',
  '1',
  '"x"',
  '{"$b64":"AP8="}',
  '{"$b64":"!"}',
  '{"$b64":1}',
  '{"$text":"\\ud800"}',
  '{"$text":null}',
  '{"$json":null}',
  '{"__proto__":1}',
  '1e999',
  '-0',
  '"\\u0000"',
  '[[[[]]]]',
  '{"a":{"a":{"a":1}}}',
  '123456789012345678901234567890',
  'NaN',
  'undefined',
  "'x'",
  '{"$json":{"$json":{"$b64":"AA=="}}}',
];

export function makeHttpRequest(draw: Draw, known: Known, requestId: string): Asked {
  const topic = topicName(draw, known);
  const headers: [string, string][] = [];
  if (draw.chance(94)) headers.push(['authorization', credentials(draw, known)]);
  const plain = { headers, body: Buffer.alloc(0), chunked: false };
  switch (draw.below(12)) {
    case 0:
    case 1:
      return { ...plain, ...oneRecord(draw, headers), method: 'POST', target: `/v1/topics/${topic}` };
    case 2:
    case 3:
    case 4:
      return {
        ...plain,
        ...manyRecords(draw, headers, requestId),
        method: 'POST',
        target: `/v1/topics/${draw.chance(60) ? keptTopic : topic}/records${query(draw, known)}`,
      };
    case 5:
    case 6: {
      if (draw.chance(40)) headers.push(['accept', draw.pick(accepts)]);
      return {
        ...plain,
        method: draw.chance(95) ? 'GET' : 'HEAD',
        target: `/v1/topics/${topic}/records${query(draw, known)}`,
      };
    }
    case 7:
      return { ...plain, ...jsonBody(draw, headers, topicBody(draw)), method: 'POST', target: '/v1/topics' };
    case 8:
      return { ...plain, ...jsonBody(draw, headers, changeBody(draw)), method: 'PATCH', target: `/v1/topics/${topic}` };
    case 9:
      return {
        ...plain,
        method: draw.pick(['GET', 'DELETE', 'GET']),
        target: `/v1/groups/${draw.pick(['g', known.victimGroup, encodeURIComponent(draw.text())])}`,
      };
    case 10:
      return { ...plain, method: draw.pick(['GET', 'GET', 'DELETE']), target: `/v1/topics/${topic}` };
    default:
      return { ...plain, method: draw.pick(methods), target: draw.pick(targets) };
  }
}

const accepts = [
  'application/json',
  'application/x-ndjson',
  'application/vnd.kafka.recordbatch',
  'text/html',
  '*/*',
  '',
  'x'.repeat(300),
];
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'BREW'];
const targets = [
  '/',
  '/v1',
  '/v1/topics',
  '/v1/groups',
  '/v1/usage',
  '/v1/ws-tickets',
  '/v1/ws',
  '/problems/not-found',
  '/problems/x',
  '/v1/topics/',
  '/v1/topics//records',
  '/v1//',
  '//',
  '/v1/topics/%',
  '/v1/topics/%ff',
  '/admin/v1/tenants',
  '/v1?x=1',
  `/${'a/'.repeat(1000)}`,
  '/v1/topics/orders/records/more',
  '/metrics',
  '/openapi.json',
  '*',
];

function topicName(draw: Draw, known: Known): string {
  if (draw.chance(10)) return encodeURIComponent(draw.text());
  return draw.pick([
    ...known.topics,
    ...known.topics,
    known.victimTopic,
    `${known.victimClusterId}.${known.victimTopic}`,
    `${known.own.clusterId}.orders`,
    '__consumer_offsets',
    `made-${draw.below(40)}`,
  ]);
}

function credentials(draw: Draw, { own }: Known): string {
  if (draw.chance(94)) return `Bearer ${own.apiKey}`;
  return draw.pick([
    `Bearer ${own.apiKey}x`,
    'Bearer',
    'Bearer ',
    `Basic ${Buffer.from(`${own.keyId}:${own.apiKey}`).toString('base64')}`,
    `Basic ${Buffer.from(own.keyId).toString('base64')}`,
    'Basic !!!!',
    `Digest ${own.apiKey}`,
    'x'.repeat(4_000),
  ]);
}

function query(draw: Draw, known: Known): string {
  if (draw.chance(30)) return '';
  const parts: string[] = [];
  for (let n = 1 + draw.below(3); n > 0; n--) {
    const [name, choices] = draw.pick(parameters);
    parts.push(`${name}=${draw.chance(20) ? encodeURIComponent(draw.text()) : draw.pick(choices)}`);
  }
  if (draw.chance(40)) {
    const cursor = draw.pick(known.cursors);
    const forged = draw.chance(60) ? damage(draw, Buffer.from(cursor, 'base64url')).toString('base64url') : cursor;
    parts.push(`cursor=${forged}`);
  }
  return `?${parts.join('&')}`;
}

const parameters: readonly (readonly [string, readonly string[]])[] = [
  [
    'from',
    [
      'earliest',
      'latest',
      '0',
      '-5',
      '-0',
      '99999999999999999',
      '9007199254740991',
      '2020-01-01T00:00:00Z',
      '2020-99-99T',
      'x',
    ],
  ],
  ['partitions', ['0', '0,1', '0,0', '9', '-1', '', ',', '0,1,2,3,4,5,6,7,8,9']],
  ['partition', ['0', '1', '999999999', '-1', 'x']],
  ['max_records', ['1', '0', '-1', '1000000', '1e3', '']],
  ['max_bytes', ['1', '0', '-1', '99999999999', 'x']],
  ['wait', ['0s', '20ms', '1ms', '-1s', 's', '99999999999s9', '1h']],
  ['clamp', ['true', 'false', '1']],
  ['format', ['json', 'string', 'base64', 'xml']],
  ['acks', ['0', '1', 'all', '-1', '2']],
];

type Sent = Pick<Asked, 'headers' | 'body'>;

function oneRecord(draw: Draw, headers: [string, string][]): Sent {
  const odd: readonly (readonly [string, string])[] = [
    ['Record-Key', 'k'],
    ['Record-Key', '\u00ff\u00fe'],
    ['Record-Partition', draw.pick(['0', '9', '-1', '1e9', '99999999999999999999'])],
    ['Record-Timestamp', draw.pick(['0', '1', '-1', '999999999999999', 'x'])],
    ['Record-Encoding', draw.pick(['base64', 'x'])],
    ['Record-Tombstone', 'true'],
    ['Record-Header-a', draw.pick(['1', '', '%'])],
    ['Record-Header-', 'x'],
    ['Record-Unknown', '1'],
    ['Content-Encoding', draw.pick(['gzip', 'zstd', 'br', 'identity', 'gzip, gzip'])],
    ['Content-Type', draw.pick(['text/plain', '', 'x/y; charset=\u00e9'])],
  ];
  for (let n = draw.below(4); n > 0; n--) headers.push([...draw.pick(odd)] as [string, string]);
  return { headers, body: draw.chance(3) ? draw.pick(bombs) : draw.bytes(draw.below(200)) };
}

function manyRecords(draw: Draw, headers: [string, string][], requestId: string): Sent {
  const type = draw.pick(['json', 'json', 'lines', 'batches', 'other']);
  const records = Array.from({ length: draw.count(4, 60) }, (_, i) =>
    draw.chance(85) ? `{"key":"k${i}","value":{"r":"${requestId}","i":${i}}}` : oddRecord(draw, requestId),
  );
  if (type === 'json') return jsonBody(draw, headers, `{"records":[${records.join(',')}]}`);
  if (type === 'lines') {
    headers.push(['content-type', 'application/x-ndjson']);
    return packed(draw, headers, Buffer.from(`${records.join(draw.pick(['\n', '\r\n', '\n\n']))}\n`));
  }
  if (type === 'batches') {
    headers.push(['content-type', 'application/vnd.kafka.recordbatch']);
    return packed(draw, headers, hostileBatch(draw, requestId, Date.now()));
  }
  headers.push(['content-type', draw.pick(['text/plain', 'application/json; charset=latin1', 'application/', ''])]);
  return packed(draw, headers, Buffer.from(records.join('')));
}

function oddRecord(draw: Draw, requestId: string): string {
  return draw.pick([
    `{"value":${draw.pick(values)}}`,
    `{"key":${draw.pick(values)},"value":"${requestId}"}`,
    `{"headers":${draw.pick(['[]', '{}', '[{"key":1}]', '{"a":1}', '[{"key":"a","value":"b"}]', 'null', '"x"'])}}`,
    `{"partition":${draw.pick(['0', '-1', '1e9', '0.5', '"0"', 'null'])}}`,
    `{"timestamp":${draw.pick(['0', '-1', '9e15', '"x"', '1e999'])}}`,
    `{"other":1}`,
    '[]',
    '1',
    '{',
    '',
  ]);
}

function topicBody(draw: Draw): string {
  return JSON.stringify({
    name: draw.pick(['orders', `made-${draw.below(40)}`, draw.text()]),
    partitions: draw.pick<unknown>([1, 2, 0, -1, 1e9, '2', null, 1.5]),
    configs: draw.pick<unknown>([
      undefined,
      {},
      { 'retention.ms': 1e15 },
      { 'retention.ms': 'x' },
      { constructor: 1 },
      [],
      'x',
    ]),
  });
}

function changeBody(draw: Draw): string {
  return JSON.stringify({
    configs: draw.pick<unknown>([undefined, { 'retention.ms': null }, { 'max.message.bytes': -1 }, { x: 1 }, 1]),
    partitions: draw.pick<unknown>([undefined, 3, 0, -1, 1e9, '3']),
  });
}

function jsonBody(draw: Draw, headers: [string, string][], json: string): Sent {
  headers.push(['content-type', 'application/json']);
  if (draw.chance(1)) return { headers, body: Buffer.from(`{"records":[{"value":${deepJson}}]}`) };
  return packed(draw, headers, Buffer.from(json));
}

function packed(draw: Draw, headers: [string, string][], plain: Buffer): Sent {
  const body = draw.chance(35) ? damage(draw, plain) : plain;
  if (draw.chance(85)) return { headers, body };
  headers.push(['content-encoding', draw.pick(['gzip', 'gzip', 'zstd', 'br', 'x-gzip'])]);
  if (draw.chance(4)) return { headers, body: draw.pick(bombs) };
  const zipped = gzipSync(body);
  return { headers, body: draw.chance(30) ? damage(draw, zipped) : zipped };
}
