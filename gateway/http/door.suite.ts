/** The HTTP door as its users see it, driven over real sockets, the same on both transports. */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { baseSequence, producerId, recordCount } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { decodeBatch } from '../../engine/records/decode.ts';
import { type Answer, answerOf, type Bench, type BenchTenant, type Driver, httpBench } from './door-bench.suite.ts';

let topics = 0;
const freshTopic = (): string => `topic-${++topics}`;

export function produceSuite(driver: Driver): void {
  describe(`producing over ${driver}`, () => {
    let bench: Bench;
    let tenant: BenchTenant;
    beforeAll(async () => {
      bench = await httpBench(driver, { linesInFlightMax: 50 }, { produceBytesMax: 200_000, produceRecordsMax: 500 });
      tenant = await bench.tenant('acme');
    });
    afterAll(() => bench.close());

    const readBack = async (topic: string, query = ''): Promise<Record<string, unknown>[]> => {
      const { json } = await tenant.call('GET', `/v1/topics/${topic}/records?max_records=5000&${query}`);
      return json['records'] as unknown as Record<string, unknown>[];
    };

    test('JSON records are stored, and every kind of value is read back unchanged', async () => {
      const topic = freshTopic();
      const values = [{ a: 1 }, [1, 2], 'text', '', 0, -1.5, true, null, { $b64: 'AP8=' }, { $text: 'not json' }];
      const more = [{ $json: null }, { $json: { $b64: 'AP8=' } }, { $b64: 'AP8=', other: 1 }, { '': {} }];
      const records = [...values, ...more].map((value, i) => ({
        key: `k${i}`,
        value,
        partition: 0,
        timestamp: 1_700_000_000_000 + i,
        headers: [
          { key: 'h', value: 'ä' },
          { key: 'h', value: { $b64: '/w==' } },
          { key: 'n', value: null },
        ],
      }));
      const { status, json } = await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } });
      expect(status).toBe(200);
      expect(json['results']).toEqual(records.map((r, offset) => ({ partition: 0, offset, timestamp: r.timestamp })));
      expect(json['failed']).toBe(0);
      const back = await readBack(topic);
      expect(back).toEqual(records.map((record, offset) => ({ ...record, offset })));
    });

    test('numbers keep their digits, in records of any shape', async () => {
      const topic = freshTopic();
      const numbers = '{"id":12345678901234567890,"exact":0.1234567890123456789,"large":1e999999}';
      const record = (more: string): string => `{"value":${numbers},"partition":0${more}}`;
      const asJson = `{"records":[${record(',"headers":{"h":"x"}')},${record(',"key":12345678901234567890')}]}`;
      const asLines = `${record('')}\n${record(',"timestamp":1700000000000')}`;
      for (const [type, body] of [
        ['application/json', asJson],
        ['application/x-ndjson', asLines],
      ] as const) {
        const { text } = await tenant.call('POST', `/v1/topics/${topic}/records`, {
          body,
          headers: { 'content-type': type },
        });
        expect(text).toContain('"failed":0');
      }
      const back = await readBack(topic, 'format=string');
      expect(back.map((one) => one['value'])).toEqual([numbers, numbers, numbers, numbers]);
      expect(back[1]?.['key']).toBe('12345678901234567890');
      expect(back[3]?.['timestamp']).toBe(1_700_000_000_000);
    });

    test('values stored by other clients are told apart as JSON, text or bytes', async () => {
      const topic = freshTopic();
      for (const body of ['{"n":12345678901234567890}', 'plain', 'nul', '{"a":\n1}', 'null']) {
        await tenant.call('POST', `/v1/topics/${topic}`, { body, headers: { 'record-partition': '0' } });
      }
      await tenant.call('POST', `/v1/topics/${topic}`, {
        body: Buffer.from([255]),
        headers: { 'record-partition': '0' },
      });
      const { text } = await tenant.call('GET', `/v1/topics/${topic}/records`, {
        headers: { accept: 'application/x-ndjson' },
      });
      const values = text
        .trim()
        .split('\n')
        .map((line) => /"value":(.*),"headers"/.exec(line)?.[1]);
      expect(values).toEqual([
        '{"n":12345678901234567890}',
        '{"$text":"plain"}',
        '{"$text":"nul"}',
        '{"a": 1}',
        '{"$json":null}',
        '{"$b64":"/w=="}',
      ]);
      const asText = await readBack(topic, 'format=string');
      expect(asText.map((r) => r['value'])).toEqual([
        '{"n":12345678901234567890}',
        'plain',
        'nul',
        '{"a":\n1}',
        'null',
        { $b64: '/w==' },
      ]);
      const asBytes = await readBack(topic, 'format=base64');
      expect(asBytes[1]?.['value']).toBe(Buffer.from('plain').toString('base64'));
    });

    test('a sender may number its records, and a sequence conflict is reported as one', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', { json: { name: topic, partitions: 2 } });
      const made = await tenant.call('POST', '/v1/producers', {});
      expect(made.status).toBe(201);
      const { producer_id: id } = made.json;
      const append = bench.engine.append.bind(bench.engine);
      const sent: number[][] = [];
      let refusal = 0;
      bench.engine.append = (batch) => {
        const { records, partition, idempotent } = batch;
        sent.push([partition, producerId(records, 0), baseSequence(records, 0), recordCount(records, 0)]);
        expect(idempotent).toBe(true);
        if (refusal === 0) append(batch);
        else {
          const message = 'sequence 9, expected 3';
          batch.done({
            errorCode: refusal,
            baseOffset: -1,
            logAppendTimeMs: -1,
            logStartOffset: -1,
            errorMessage: message,
          });
        }
      };
      const stamp = (sequence: number): Record<string, string> => ({
        'producer-id': String(id),
        'producer-sequence': String(sequence),
      });
      const headers = { ...stamp(0), 'record-partition': '1', 'record-key': 'k' };
      const one = await tenant.call('POST', `/v1/topics/${topic}`, { body: '"a"', headers });
      expect([one.status, one.json]).toMatchObject([200, { partition: 1, offset: 0 }]);
      const records = [
        { value: 'b', partition: 1 },
        { value: 'c', partition: 1 },
      ];
      const path = `/v1/topics/${topic}/records`;
      const two = await tenant.call('POST', path, { json: { records }, headers: stamp(1) });
      expect(two.json['results']).toMatchObject([{ offset: 1 }, { offset: 2 }]);
      expect(sent).toEqual([
        [1, id, 0, 1],
        [1, id, 1, 2],
      ]);
      expect((await readBack(topic)).map((record) => record['value'])).toEqual(['a', 'b', 'c']);
      refusal = errorCode.outOfOrderSequenceNumber;
      for (const conflict of [
        await tenant.call('POST', path, { json: { records }, headers: stamp(9) }),
        await tenant.call('POST', `/v1/topics/${topic}`, { body: '1', headers: { ...headers, ...stamp(9) } }),
      ]) {
        const { status, json } = conflict;
        expect([status, json]).toMatchObject([
          409,
          { code: 'sequence-conflict', retryable: false, side_effects: 'none', detail: 'sequence 9, expected 3' },
        ]);
      }
      refusal = errorCode.unknownProducerId;
      const early = await tenant.call('POST', path, { json: { records }, headers: stamp(9) });
      expect([early.status, early.json]).toMatchObject([
        409,
        { code: 'sequence-early', retryable: true, side_effects: 'none' },
      ]);
      bench.engine.append = append;
      for (const [field, bad] of [
        ['Producer-Sequence', { 'producer-id': '1', 'record-partition': '0' }],
        ['Producer-Id', { ...stamp(0), 'producer-id': 'x', 'record-partition': '0' }],
        ['Producer-Epoch', { ...stamp(0), 'producer-epoch': '32768', 'record-partition': '0' }],
        ['Record-Partition', stamp(0)],
      ] as const) {
        const refused = await tenant.call('POST', `/v1/topics/${topic}`, { body: '1', headers: bad });
        expect([refused.status, refused.json['field']]).toEqual([400, field]);
      }
      const astray = [{ value: 1, partition: 0 }, { value: 2 }];
      const mixed = await tenant.call('POST', path, { json: { records: astray }, headers: stamp(3) });
      expect([mixed.status, mixed.json['field']]).toEqual([400, 'records[].partition']);
      const nowhere = await tenant.call('POST', `/v1/topics/${topic}`, {
        body: '1',
        headers: { ...stamp(0), 'record-partition': '7' },
      });
      expect(nowhere.status).toBe(404);
      const large = await tenant.call('POST', path, {
        json: { records: Array(2).fill({ value: 'x'.repeat(90_000), partition: 0 }) },
        headers: stamp(0),
      });
      expect(large.status).toBe(200);
    });

    test('one raw record: key, headers, partition, timestamp, tombstone', async () => {
      const topic = freshTopic();
      const headers = {
        'record-key': 'k',
        'record-header-trace': 'abc',
        'record-partition': '1',
        'record-timestamp': '1700000000000',
      };
      const stored = await tenant.call('POST', `/v1/topics/${topic}`, { body: '"v"', headers });
      expect([stored.status, stored.json]).toEqual([200, { partition: 1, offset: 0, timestamp: 1_700_000_000_000 }]);
      const gone = await tenant.call('POST', `/v1/topics/${topic}`, {
        headers: {
          'record-key': 'a2V5',
          'record-encoding': 'base64',
          'record-tombstone': 'true',
          'record-partition': '1',
        },
      });
      expect(gone.status).toBe(200);
      const back = await readBack(topic);
      expect(back[0]).toEqual({
        partition: 1,
        offset: 0,
        timestamp: 1_700_000_000_000,
        key: 'k',
        value: 'v',
        headers: [{ key: 'trace', value: 'abc' }],
      });
      expect(back[1]).toMatchObject({ key: 'key', value: null });
      const unclear = await tenant.call('POST', `/v1/topics/${topic}`, { headers: { 'record-tombstone': 'yes' } });
      expect(unclear.json).toMatchObject({ status: 400, field: 'Record-Tombstone' });
    });

    test('a record that cannot be stored fails alone: 207, same length, same order', async () => {
      const topic = freshTopic();
      const records = [
        { value: 1, partition: 0 },
        { value: 2, partition: 99 },
        { value: 3, partition: 0 },
      ];
      const { status, json } = await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } });
      expect(status).toBe(207);
      expect(json).toMatchObject({
        failed: 1,
        results: [
          { offset: 0 },
          { partition: 99, error: { code: 'not-found', kafka_error: 'UNKNOWN_TOPIC_OR_PARTITION', status: 404 } },
          { offset: 1 },
        ],
      });
    });

    test('a request fails when all its records fail in the same way', async () => {
      const topic = freshTopic();
      const { status, json } = await tenant.call('POST', `/v1/topics/${topic}/records`, {
        json: { records: [{ value: 2, partition: 99 }] },
      });
      expect([status, json['code'], json['failed'], json['side_effects']]).toEqual([404, 'not-found', 1, 'none']);
    });

    test('a malformed request is refused as a whole, and the answer says where it is wrong', async () => {
      const topic = freshTopic();
      const path = `/v1/topics/${topic}/records`;
      const json = { 'content-type': 'application/json' };
      const wrong: [string | Uint8Array, Record<string, string>, number, string, string?][] = [
        ['{"records":[', json, 400, 'invalid-json'],
        [Buffer.from('{"records":[{"value":"\xff"}]}', 'latin1'), json, 400, 'invalid-json'],
        ['[]', json, 400, 'invalid-request'],
        ['{"records":[]}', json, 400, 'invalid-request', 'records'],
        ['{"records":[{"value":1},{"valeu":1}]}', json, 400, 'invalid-request', 'records[1].valeu'],
        ['{"records":[{"key":{"$b64":"*"}}]}', json, 400, 'invalid-request', 'records[0].key'],
        ['{"records":[{"key":"\\ud800"}]}', json, 400, 'invalid-request', 'records[0].key'],
        ['{"records":[{"partition":-1}]}', json, 400, 'invalid-request', 'records[0].partition'],
        [JSON.stringify({ records: Array.from({ length: 501 }, () => ({ value: 1 })) }), json, 413, 'body-too-large'],
        ['x'.repeat(200_001), json, 413, 'body-too-large'],
        [gzipSync('x'.repeat(5_000_000)), { ...json, 'content-encoding': 'gzip' }, 413, 'body-too-large'],
        ['{}', { ...json, 'content-encoding': 'br' }, 415, 'unsupported-media-type'],
        ['not gzip', { ...json, 'content-encoding': 'gzip' }, 400, 'invalid-request'],
        ['a=b', { 'content-type': 'text/plain' }, 415, 'unsupported-media-type'],
      ];
      for (const [body, headers, status, code, field] of wrong) {
        const answer = await tenant.call('POST', path, { body, headers });
        expect([answer.status, answer.json['code'], answer.json['field']]).toEqual([status, code, field]);
        expect(answer.json['side_effects']).toBe('none');
      }
      expect((await tenant.call('GET', '/v1/topics')).text).not.toContain(`"${topic}"`);
    });

    test('gzip and zstd bodies', async () => {
      const topic = freshTopic();
      const body = gzipSync(JSON.stringify({ records: [{ value: 'zipped', partition: 0 }] }));
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      expect((await tenant.call('POST', `/v1/topics/${topic}/records`, { body, headers })).status).toBe(200);
      const raw = await tenant.call('POST', `/v1/topics/${topic}`, {
        body: gzipSync('"raw"'),
        headers: { 'content-encoding': 'gzip', 'record-partition': '0' },
      });
      expect(raw.status).toBe(200);
      expect((await readBack(topic)).map((r) => r['value'])).toEqual(['zipped', 'raw']);
    });

    test('NDJSON streams: results in order, bad lines answered in place, totals at the end', async () => {
      const topic = freshTopic();
      const lines = Array.from({ length: 3_000 }, (_, i) =>
        i % 1000 === 7 ? 'nonsense' : JSON.stringify({ value: i, partition: i % 2 }),
      );
      const answer = await tenant.call('POST', `/v1/topics/${topic}/records`, {
        body: lines.join('\n'),
        headers: { 'content-type': 'application/x-ndjson' },
      });
      expect(answer.status).toBe(200);
      const results = answer.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(results.pop()).toEqual({ records: 3_000, failed: 3 });
      expect(results.length).toBe(3_000);
      const next = [0, 0];
      for (const [i, result] of results.entries()) {
        if (i % 1000 === 7) expect(result).toMatchObject({ error: { code: 'invalid-json' } });
        else expect(result).toMatchObject({ partition: i % 2, offset: next[i % 2]!++ });
      }
      expect((await readBack(topic)).length).toBe(2_997);
    });

    test('content codings in any case, the identity coding, and a byte order mark are accepted', async () => {
      const topic = freshTopic();
      const mark = '\ufeff';
      const json = `${mark}{"records":[{"value":1}]}`;
      for (const [type, coding, body] of [
        ['application/json', 'Identity', json],
        ['application/json', '', json],
        ['application/json', 'identity, GZIP', gzipSync(json)],
        ['application/x-ndjson', 'Identity', `${mark}{"value":1}`],
        ['application/x-ndjson', 'X-Gzip', gzipSync(`${mark}{"value":1}`)],
      ] as const) {
        const headers = { 'content-type': type, 'content-encoding': coding };
        const { status, text } = await tenant.call('POST', `/v1/topics/${topic}/records`, { body, headers });
        expect([status, text], coding).toEqual([200, expect.stringContaining('"failed":0')]);
      }
      expect((await readBack(topic)).map((record) => record['value'])).toEqual([1, 1, 1, 1, 1]);
    });

    test('NDJSON by gzip, and a line over the limit', async () => {
      const topic = freshTopic();
      const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' };
      const body = gzipSync('{"value":1}\r\n\n{"value":2}\n');
      const good = await tenant.call('POST', `/v1/topics/${topic}/records`, { body, headers });
      expect(good.text.trimEnd().split('\n').pop()).toBe('{"records":2,"failed":0}');
      const long = gzipSync(`{"value":1}\n{"value":"${'x'.repeat(300_000)}"}\n{"value":3}\n`);
      const bad = await tenant.call('POST', `/v1/topics/${topic}/records`, { body: long, headers });
      const results = bad.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(results).toMatchObject([
        { partition: expect.any(Number) },
        { error: { code: 'body-too-large' } },
        { records: 2, failed: 1 },
      ]);
    });

    test('a refused body counts as many requests as if it were accepted, and 429 follows beyond the quota', async () => {
      const big = 'x'.repeat(190_000);
      const post = (other: BenchTenant, body: string | Uint8Array, headers = {}): Promise<Answer> =>
        other.call('POST', '/v1/topics/refused/records', {
          body,
          headers: { 'content-type': 'application/json', ...headers },
        });
      const kinds: [string, number, (other: BenchTenant) => Promise<Answer>][] = [
        ['no-json', 400, (other) => post(other, big)],
        ['too-large', 413, (other) => post(other, big + big)],
        ['other-type', 415, (other) => post(other, big, { 'content-type': 'text/csv' })],
        ['packed', 400, (other) => post(other, gzipSync(big), { 'content-encoding': 'gzip' })],
        ['packed-bomb', 413, (other) => post(other, gzipSync(big + big), { 'content-encoding': 'gzip' })],
      ];
      for (const [name, expected, refused] of kinds) {
        // Each body counts as eleven requests or more; the burst is one second's worth.
        const other = await bench.tenant(`refused-${name}`, { requestsPerSecondMax: 2 });
        expect((await refused(other)).status, name).toBe(expected);
        expect((await refused(other)).status, name).toBe(429);
      }
      const small = await bench.tenant('refused-small', { requestsPerSecondMax: 4 });
      for (let i = 0; i < 3; i++) expect((await post(small, '{')).status).toBe(400);
    });

    test('refused NDJSON lines count too', async () => {
      const other = await bench.tenant('refused-lines', { requestsPerSecondMax: 1 });
      const { text } = await other.call('POST', '/v1/topics/refused-lines/records', {
        body: 'x'.repeat(190_000),
        headers: { 'content-type': 'application/x-ndjson' },
      });
      expect(text).toContain('"failed":1');
      const { quota } = bench.tenancy.limiter.debt(other.clusterId, bench.context.clock.monotonicMs(), 'neither');
      expect(quota).toBe('requestsPerSecondMax');
    });

    test('lines above a quota wait for it as often as needed, and are then stored in their order', async () => {
      const other = await bench.tenant('patient');
      await other.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
      const { limiter } = bench.tenancy;
      const debt = limiter.debt.bind(limiter);
      let refusals = 2;
      limiter.debt = (...asked) =>
        refusals-- > 0 ? { delayMs: 1_050, quota: 'ingressBytesPerSecondMax' } : debt(...asked);
      // Each is longer than the slices in which lines are parsed.
      const lines = Array.from({ length: 6 }, (_, i) => JSON.stringify({ value: `${i} ${'x'.repeat(9_000)}` }));
      const { text } = await other.call('POST', '/v1/topics/t/records', {
        body: `${lines.join('\n')}\n`,
        headers: { 'content-type': 'application/x-ndjson' },
      });
      limiter.debt = debt;
      expect(refusals).toBeLessThan(0);
      const told = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      const offsets = [0, 1, 2, 3, 4, 5].map((offset) => ({ offset }));
      expect(told).toMatchObject([...offsets, { records: 6, failed: 0 }]);
      const { json } = await other.call('GET', '/v1/topics/t/records?max_records=100');
      const values = (json['records'] as unknown as { value: string }[]).map(({ value }) => Number.parseInt(value, 10));
      expect(values).toEqual([0, 1, 2, 3, 4, 5]);
      expect(bench.door.requestBytesHeld).toBe(0);
    });

    test('an NDJSON stream is cut short with an error when its key is revoked', async () => {
      const other = await bench.tenant('revoked');
      const sent: ReadableStreamDefaultController<Uint8Array>[] = [];
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void sent.push(controller) });
      const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': 'application/x-ndjson' } };
      const answered = other.fetch('/v1/topics/t/records', init as RequestInit);
      sent[0]!.enqueue(Buffer.from('{"value":1}\n'));
      const reader = (await answered).body!.getReader();
      let text = Buffer.from((await reader.read()).value!).toString();
      await bench.tenancy.revokeKey(other.clusterId, other.keyId);
      while (!text.includes('"records"')) text += Buffer.from((await reader.read()).value!).toString();
      // The reply ends no later than the body.
      sent[0]!.close();
      expect((await reader.read()).done).toBe(true);
      expect(
        text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown),
      ).toMatchObject([{ offset: 0 }, { error: { code: 'unauthenticated' } }, { records: 2, failed: 1 }]);
    });

    test('a partition in the query of records that have their own is refused, not ignored', async () => {
      const topic = freshTopic();
      const refused = { status: 400, json: { code: 'invalid-request', field: 'partition' } };
      expect(await tenant.call('POST', `/v1/topics/${topic}?partition=1`, { body: '1' })).toMatchObject(refused);
      const path = `/v1/topics/${topic}/records?partition=1`;
      expect(await tenant.call('POST', path, { json: { records: [{ value: 1 }] } })).toMatchObject(refused);
      expect((await tenant.call('POST', `/v1/topics/${topic}?acks=all`, { body: '1' })).status).toBe(200);
    });

    test('record batches are stored and returned byte for byte', async () => {
      const topic = freshTopic();
      const batch = (value: string): Buffer =>
        encodeBatch([
          { key: null, value: Buffer.from(value), timestampMs: 5 },
          { key: null, value: null, timestampMs: 6 },
        ]);
      const headers = { 'content-type': 'application/vnd.kafka.recordbatch' };
      const path = `/v1/topics/${topic}/records?partition=1`;
      const stored = await tenant.call('POST', path, { body: Buffer.concat([batch('a'), batch('b')]), headers });
      expect([stored.status, stored.json]).toEqual([
        200,
        {
          failed: 0,
          results: [
            { partition: 1, base_offset: 0, records: 2 },
            { partition: 1, base_offset: 2, records: 2 },
          ],
        },
      ]);
      const damaged = batch('c');
      damaged[70]! ^= 1;
      expect((await tenant.call('POST', path, { body: damaged, headers })).json).toMatchObject({
        code: 'invalid-record',
        kafka_error: 'CORRUPT_MESSAGE',
        status: 400,
      });
      expect((await tenant.call('POST', path, { body: batch('d').subarray(0, 65), headers })).json).toMatchObject({
        code: 'invalid-record',
      });
      const many = Buffer.concat(Array.from({ length: 501 }, () => batch('d')));
      expect((await tenant.call('POST', path, { body: many, headers })).json).toMatchObject({
        code: 'invalid-record',
        detail: 'more than 500 record batches in one request',
      });
      const back = await tenant.fetch(`${path}&from=3`, { headers: { accept: 'application/vnd.kafka.recordbatch' } });
      const records = await decodeBatch(Buffer.from(await back.arrayBuffer()));
      expect(records.map(({ offset, value }) => [offset, value?.toString()])).toEqual([
        [2, 'b'],
        [3, undefined],
      ]);
      expect(back.headers.get('high-watermark')).toBe('4');
    });

    test('acks=0 answers at once', async () => {
      const topic = freshTopic();
      const { status, json } = await tenant.call('POST', `/v1/topics/${topic}/records?acks=0`, {
        json: { records: [{ value: 1 }] },
      });
      expect([status, json]).toEqual([202, { accepted: 1 }]);
      expect((await tenant.call('POST', `/v1/topics/${topic}?acks=2`, { body: 'x' })).json).toMatchObject({
        code: 'invalid-request',
        field: 'acks',
      });
    });

    test('a record larger than the topic allows', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', {
        json: { name: topic, partitions: 1, configs: { 'max.message.bytes': 1000 } },
      });
      const { status, json } = await tenant.call('POST', `/v1/topics/${topic}`, { body: 'x'.repeat(2000) });
      expect([status, json['code'], json['kafka_error']]).toEqual([413, 'record-too-large', 'MESSAGE_TOO_LARGE']);
    });

    test('keys choose partitions as in Kafka clients', async () => {
      const topic = freshTopic();
      const records = ['a', 'b', 'c', 'd', 'a', 'b'].map((key) => ({ key, value: 1 }));
      const { json } = await tenant.call('POST', `/v1/topics/${topic}/records`, { json: { records } });
      const partitions = (json['results'] as unknown as { partition: number }[]).map(({ partition }) => partition);
      expect(partitions.slice(4)).toEqual(partitions.slice(0, 2));
    });

    test('each of many concurrent requests gets its own answer', async () => {
      const topic = freshTopic();
      await tenant.call('POST', '/v1/topics', { json: { name: topic, partitions: 1 } });
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, i) => tenant.call('POST', `/v1/topics/${topic}`, { body: String(i) })),
      );
      const back = await readBack(topic);
      for (const [i, { json }] of answers.entries()) expect(back[Number(json['offset'])]?.['value']).toBe(i);
    });

    test('concurrent first uses create the topic once', async () => {
      const topic = freshTopic();
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => tenant.call('POST', `/v1/topics/${topic}`, { body: 'x' })),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
      expect(await answerOf(await tenant.fetch(`/v1/topics/${topic}`))).toMatchObject({ status: 200 });
    });
  });
}
