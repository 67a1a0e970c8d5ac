import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { json } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { type AdminInTest, adminInTest, adminKey } from './admin-in-test.suite.ts';
import { startAdmin } from './app.ts';
import { createAdminApp } from './create-app.ts';
import { latenessOf } from './loop-lag.ts';

let test: AdminInTest;

beforeEach(async () => {
  test = await adminInTest();
});

interface Document {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly operationId?: string;
        readonly security?: unknown;
        readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
        readonly responses: Record<string, unknown>;
      }
    >
  >;
}

async function document(): Promise<Document> {
  return (await test.ask('GET', '/openapi.json', undefined, '')).body as unknown as Document;
}

/** Every method and path that the program serves, in OpenAPI notation. */
function routes(): string[] {
  const served = test.admin.app.routes.filter(({ method }) => method !== 'ALL');
  return [...new Set(served.map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}')}`))];
}

describe('the surface', () => {
  it('requires the key on every route of the API, whatever else is wrong with the request', async () => {
    const walked = routes().filter((route) => route.includes('/admin/'));
    expect(walked.length).toBeGreaterThan(25);
    for (const route of walked) {
      const [method, path] = route.split(' ') as [string, string];
      const filled = path.replace(/\{\w+\}/g, '1');
      for (const key of ['', 'wrong', `${adminKey}x`]) {
        const answer = await test.ask(method.toUpperCase(), filled, undefined, key);
        expect(answer, route).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
        expect(answer.headers.get('WWW-Authenticate')).toContain('Bearer');
      }
    }
    expect((await test.ask('GET', '/admin/v1/nothing', undefined, '')).status).toBe(401);
    expect((await test.ask('GET', '/admin/v1/nothing')).status).toBe(404);
  });

  it('refuses query parameters that a route does not declare, and those given twice', async () => {
    const described = await document();
    const walked = Object.entries(described.paths).filter(([path]) => path.startsWith('/admin/'));
    expect(walked.length).toBeGreaterThan(15);
    for (const [path, item] of walked) {
      const filled = path.replace(/\{\w+\}/g, '1');
      for (const [method, { parameters = [] }] of Object.entries(item)) {
        const names = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
        const told = names.length === 0 ? 'this request takes none' : `use ${names.join(', ')}`;
        const detail = `unknown query parameter 'nonsense': ${told}`;
        const answer = await test.ask(method.toUpperCase(), `${filled}?nonsense=1`);
        const expected = { status: 400, body: { code: 'invalid-request', field: 'nonsense' } };
        expect(answer, `${method} ${path}`).toMatchObject(expected);
        expect(answer.body['detail'], `${method} ${path}`).toContain(detail);
      }
    }
    const twice = await test.ask('GET', '/admin/v1/clusters?tenantId=a&tenantId=b');
    expect(twice).toMatchObject({ status: 400, body: { field: 'tenantId' } });
    expect((await test.ask('GET', '/admin/v1/clusters?limit=1')).status).toBe(200);
    expect((await test.ask('GET', '/admin/v1/nothing?nonsense=1')).status).toBe(404);
    expect((await test.ask('GET', '/admin/v1/clusters?nonsense=1', undefined, '')).status).toBe(401);
  });

  it('takes numbers in paths and queries in one spelling', async () => {
    const spelled = ['0x1', '1.0', '%201', '1%20', '%2B1', '01', '1e0', '-1', '1_0', 'one', '9'.repeat(20)];
    for (const text of spelled) {
      const drained = await test.ask('POST', `/admin/v1/brokers/${text}/drain`);
      expect(drained, text).toMatchObject({ status: 400, body: { code: 'invalid-request', field: 'brokerId' } });
      expect(drained.body['detail'], text).toBe('brokerId: use a whole number, 0 or more');
      for (const query of [`clusters?limit=${text}`, `events?limit=${text}`, `partitions?brokerId=${text}`]) {
        const listed = await test.ask('GET', `/admin/v1/${query}`);
        expect(listed, query).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
      }
    }
    expect(test.memory.asked).toEqual([]);
    expect((await test.ask('GET', '/admin/v1/clusters?limit=1001')).body['detail']).toContain('from 1 to 1000');
    expect((await test.ask('GET', '/admin/v1/clusters?limit=1000')).status).toBe(200);
    expect((await test.ask('POST', '/admin/v1/brokers/1/drain')).status).toBe(200);
    const described = await document();
    const numbers = Object.values(described.paths)
      .flatMap((item) => Object.values(item).flatMap(({ parameters = [] }) => parameters))
      .filter(({ name }) => name === 'brokerId' || name === 'limit') as {
      schema?: object;
      in: string;
      required?: boolean;
    }[];
    expect(numbers.length).toBeGreaterThan(8);
    for (const { schema, required = false, in: place } of numbers) {
      expect(schema).toMatchObject({ type: 'integer' });
      expect(required).toBe(place === 'path');
    }
  });

  it('is described completely, with every reference resolved', async () => {
    const described = await document();
    expect(described.openapi).toBe('3.1.0');
    const own = Object.entries(described.paths).filter(([path]) => !/^\/(v1|problems)(\/|$)/.test(path));
    expect(described.paths).toHaveProperty(['/v1/topics/{topic}/records']);
    const listed = own.flatMap(([path, item]) => Object.keys(item).map((m) => `${m} ${path}`));
    const undescribed = /^get \/($|docs|engine|openapi\.json|problems)/;
    expect(listed.toSorted()).toEqual(
      routes()
        .filter((route) => !undescribed.test(route))
        .toSorted(),
    );
    const references = [...JSON.stringify(described).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) {
      let at: unknown = described;
      for (const part of reference.split('/')) at = (at as Record<string, unknown>)[part];
      expect(at, reference).toBeDefined();
    }
    const ids = Object.values(described.paths).flatMap((item) =>
      Object.entries(item).flatMap(([method, { operationId }]) => (method === 'servers' ? [] : [operationId])),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).not.toContain(undefined);
    for (const [path, item] of own) {
      for (const operation of Object.values(item)) {
        expect(Object.keys(operation.responses).length, path).toBeGreaterThan(0);
        if (path.startsWith('/admin/')) expect(operation.security, path).toEqual([{ adminKey: [] }]);
        for (const each of operation.parameters ?? []) expect(each.required ?? false, path).toBe(each.in === 'path');
      }
    }
  });

  it('names the address of the HTTP door once it is known, and a placeholder address', async () => {
    let httpAddress: string | undefined;
    const { app } = createAdminApp({ ...test.options, httpAddress: () => httpAddress });
    const servers = async (): Promise<unknown> => {
      const described = (await (await app.request('/openapi.json')).json()) as {
        readonly paths: Readonly<Record<string, { readonly servers?: unknown }>>;
      };
      return described.paths['/v1/topics']?.servers;
    };
    const toFillIn = (address: string): object => ({ url: '{address}', variables: { address: { default: address } } });
    expect(await servers()).toEqual([toFillIn('http://127.0.0.1:8080')]);
    httpAddress = 'https://[::1]:18080';
    expect(await servers()).toEqual([{ url: httpAddress }, toFillIn(httpAddress)]);
  });

  it('is described so that nullable fields can be null and every body has a schema', async () => {
    const walk = (node: unknown, at: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { allOf, content } = node as { allOf?: readonly object[]; content?: Record<string, { schema?: object }> };
      // oapi-codegen fails on a schema with several types.
      const types = [(node as { type?: unknown }).type].flat().filter((type) => typeof type === 'string');
      expect(types.filter((type) => type !== 'null').length, at).toBeLessThan(2);
      // allOf of a reference to an object and "an object or null" can never be null.
      for (const part of allOf ?? []) expect((part as { type?: unknown }).type ?? '', at).not.toContain('null');
      for (const [type, { schema = {} }] of Object.entries(content ?? {})) {
        expect(Object.keys(schema), `${at} ${type}`).not.toEqual([]);
      }
      for (const [name, each] of Object.entries(node)) walk(each, `${at}/${name}`);
    };
    walk(await document(), '');
  });

  it('names the methods and the body type that a path accepts', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/admin/v1/tenants', 'GET, HEAD, POST'],
      ['OPTIONS', '/admin/v1/brokers/1/drain', 'POST'],
      ['POST', '/healthz', 'GET, HEAD'],
      ['PATCH', '/admin/v1/tenants/t1', 'DELETE, GET, HEAD'],
    ] as const) {
      const answer = await test.ask(method, path);
      expect(answer).toMatchObject({ status: 405, body: { code: 'method-not-allowed' } });
      expect(answer.headers.get('Allow')).toBe(allow);
    }
    const form = await test.admin.app.request('/admin/v1/tenants', {
      method: 'POST',
      headers: { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: '{"name":"acme"}',
    });
    expect(form.status).toBe(415);
    expect(await form.json()).toMatchObject({ code: 'unsupported-media-type' });
  });

  it('shows its reference from its own files only', async () => {
    const page = await test.ask('GET', '/docs', undefined, '');
    expect(page.headers.get('Content-Security-Policy')).toContain("script-src 'self'");
    const files = [...String(page.body['text']).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(files).toHaveLength(4);
    for (const file of files) {
      expect(file.startsWith('/docs/')).toBe(true);
      const answer = await test.ask('GET', file, undefined, '');
      expect(answer.status, file).toBe(200);
      expect(String(answer.body['text']).length).toBeGreaterThan(50);
    }
    expect((await test.ask('GET', '/problems/not-found', undefined, '')).status).toBe(200);
  });

  it('serves the engine page from its own files, without a key and without inline code', async () => {
    expect((await test.ask('GET', '/', undefined, '')).headers.get('Location')).toBe('/engine');
    const page = await test.ask('GET', '/engine', undefined, '');
    const policy = page.headers.get('Content-Security-Policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|http|\*/);
    const html = String(page.body['text']);
    expect(html).not.toMatch(/<script>|style=|\son\w+=/);
    const files = [...html.matchAll(/(?:src|href)="(\/engine\/[^"]+)"/g)].map((match) => match[1]!);
    expect(files).toContain('/engine/engine.js');
    for (const file of files) expect((await test.ask('GET', file, undefined, '')).status, file).toBe(200);
    expect((await test.ask('GET', '/engine/console-page.js', undefined, '')).status).toBe(404);
  });

  it('answers a bug with its request id and nothing else', async () => {
    test.memory.drainBroker = () => Promise.reject(new TypeError('secret detail'));
    const answer = await test.ask('POST', '/admin/v1/brokers/1/drain');
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } });
    expect(JSON.stringify(answer.body)).not.toContain('secret detail');
    expect(test.logged.join()).toContain(String(answer.body['instance']));
    expect(test.logged.join()).toContain('secret detail');
  });
});

describe('health and metrics', () => {
  it('are open, and say what is wrong', async () => {
    expect(await test.ask('GET', '/healthz', undefined, '')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await test.ask('GET', '/readyz', undefined, '')).toMatchObject({ status: 200, body: { reasons: [] } });
    test.isReady = false;
    const away = await test.ask('GET', '/readyz', undefined, '');
    expect(away).toMatchObject({ status: 503, body: { status: 'not-ready' } });
    expect(away.body['reasons']).toHaveLength(1);
  });

  it('count per cluster, with a bound on labels', async () => {
    test = await adminInTest({ metricsClustersMax: 1 });
    const ids = [await test.cluster('one'), '', ''];
    await test.clock.advance(5);
    for (const i of [1, 2]) ids[i] = await test.cluster(`more${i}`);
    for (const id of ids) test.tenancy.meter.produced(id, 2, 100);
    test.tenancy.meter.throttled(ids[0]!, 'ingressBytesPerSecondMax', 1500);
    test.memory.emit('broker-dead', 1);
    test.memory.late = 3;
    const text = String((await test.ask('GET', '/metrics')).body['text']);
    expect(text).toContain(`headgate_produced_bytes_total{cluster="${ids[0]}"} 100`);
    expect(text).toContain('headgate_produced_bytes_total{cluster="other"} 200');
    expect(text).toContain(
      `headgate_throttled_seconds_total{cluster="${ids[0]}",quota="ingressBytesPerSecondMax"} 1.5`,
    );
    expect(text).toContain('headgate_brokers{state="serving"} 3');
    expect(text).toContain('headgate_late_fetches_total 3');
    expect(text).toContain('headgate_connections_refused_total{door="kafka"} 0');
    expect(text).toContain('headgate_engine_events_total{kind="broker-dead"} 1');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect(text).not.toContain(ids[1]);
    const again = String((await test.ask('GET', '/metrics')).body['text']);
    expect(again).toContain('headgate_produced_bytes_total{cluster="other"} 200');
  });

  it('show how late the event loop was, and nothing absurd between two of its samples', async () => {
    const shown = [0.25, 0.5, 0.125, Number.NaN, 2 ** 63 / 1e9].map((seconds) => latenessOf(seconds, 0.25));
    expect(shown).toEqual([0, 0.25, 0, 0, 0]);
    const text = String((await test.ask('GET', '/metrics')).body['text']);
    const lags = [...text.matchAll(/^nodejs_eventloop_lag_\w+_seconds (\S+)$/gm)].map((match) => Number(match[1]));
    expect(lags).toHaveLength(7);
    for (const lag of lags) expect(lag).toBeLessThan(1_000_000);
  });

  it('keep the label of a cluster, and what others have counted, when clusters are deleted', async () => {
    test = await adminInTest({ metricsClustersMax: 1 });
    const ids: string[] = [];
    for (const name of ['own', 'gone', 'stays']) {
      ids.push(await test.cluster(name));
      await test.clock.advance(5);
    }
    const scrape = async (): Promise<string> => String((await test.ask('GET', '/metrics')).body['text']);
    for (const id of ids) test.tenancy.meter.produced(id, 1, 100);
    expect(await scrape()).toContain('headgate_produced_bytes_total{cluster="other"} 200');
    await test.tenancy.deleteCluster(ids[1]!, async () => {});
    expect(await scrape()).toContain('headgate_produced_bytes_total{cluster="other"} 200');
    await test.tenancy.deleteCluster(ids[0]!, async () => {});
    // A place is free, which only a new cluster takes: that of the last one would make the others fall.
    const fresh = await test.cluster('fresh');
    test.tenancy.meter.produced(fresh, 1, 7);
    const text = await scrape();
    expect(text).toContain('headgate_produced_bytes_total{cluster="other"} 200');
    expect(text).toContain(`headgate_produced_bytes_total{cluster="${fresh}"} 7`);
    expect(text).not.toContain(ids[0]);
    expect(text).toContain('headgate_topics{cluster="other"} 0');
  });

  it('show nothing about clusters without a key, and refuse a wrong key', async () => {
    const clusterId = await test.cluster('secret');
    test.tenancy.meter.produced(clusterId, 2, 100);
    const open = await test.ask('GET', '/metrics', undefined, '');
    expect(open.status).toBe(200);
    expect(String(open.body['text'])).toContain('headgate_ready 1');
    expect(String(open.body['text'])).not.toMatch(/cluster=|_bytes_total\b/);
    expect(String(open.body['text'])).not.toContain(clusterId);
    expect((await test.ask('GET', '/metrics', undefined, 'wrong')).status).toBe(401);
  });
});

describe('the event stream', () => {
  const stream = '/admin/v1/events/stream';
  const follow = (headers: Record<string, string> = {}): Response | Promise<Response> =>
    test.admin.app.request(stream, { headers: { Authorization: `Bearer ${adminKey}`, ...headers } });

  async function readUntil(response: Response, part: string): Promise<string> {
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = '';
    while (!text.includes(part)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value);
    }
    reader.releaseLock();
    return text;
  }

  it('begins after the last id that the client saw and continues with new events', async () => {
    test.memory.emit('before', 1);
    test.memory.emit('missed', 1);
    const response = await follow({ 'Last-Event-ID': '1-1' });
    expect(response.headers.get('Content-Type')).toContain('text/event-stream');
    const missed = await readUntil(response, 'event: missed');
    expect(missed).not.toContain('before');
    test.memory.emit('live', 2);
    expect(await readUntil(response, 'id: 2-3')).toContain('event: live');
    await response.body!.cancel();
  });

  it('has no follower for a client that asks for the head alone', async () => {
    test = await adminInTest({ followersMax: 1 });
    const head = await test.ask('HEAD', stream);
    expect([head.status, head.headers.get('Content-Type')]).toEqual([200, 'text/event-stream']);
    expect((await follow()).status).toBe(200);
  });

  it('drops a follower that does not keep up, and ends with the control plane', async () => {
    test = await adminInTest({ followerBacklogMax: 2, followersMax: 1 });
    const slow = await follow();
    await readUntil(slow, 'following');
    const tooMany = await follow();
    expect(tooMany.status).toBe(503);
    expect(tooMany.headers.get('Retry-After')).toBe('1');
    expect(tooMany.headers.has('WWW-Authenticate')).toBe(false);
    for (let i = 0; i < 5; i++) test.memory.emit(`e${i}`, i);
    expect(await readUntil(slow, 'never')).not.toContain('e4');
    const next = await follow();
    expect(next.status).toBe(200);
    test.admin.close();
    await readUntil(next, 'never');
  });
});

describe('the listener', () => {
  it('accepts chunked bodies, up to the same limit as others', async () => {
    const context = { ...test.options.context, clock: systemClock };
    const server = await startAdmin({ ...test.options, context, host: '127.0.0.1', port: 0 });
    const headers = { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/json' };
    const send = async (pieces: readonly string[], more = {}): Promise<{ status: number; body: unknown }> => {
      const address = { host: '127.0.0.1', port: server.port, path: '/admin/v1/tenants', method: 'POST' };
      const asked = request({ ...address, headers: { ...headers, ...more } });
      for (const piece of pieces) asked.write(piece);
      asked.end();
      const [response] = (await once(asked, 'response')) as [IncomingMessage];
      return { status: response.statusCode!, body: await json(response) };
    };
    expect(await send(['{"name":', '"in-pieces"}'])).toMatchObject({ status: 201, body: { name: 'in-pieces' } });
    const tooMuch = ['{"name":"', ...Array.from({ length: 300 }, () => 'x'.repeat(1_000)), '"}'];
    expect(await send(tooMuch)).toMatchObject({ status: 413, body: { code: 'body-too-large' } });
    const coded = await send(['{}'], { 'Transfer-Encoding': 'gzip, chunked' });
    expect(coded).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
    await server.close(0);
  });

  it('answers a request head that is too large, and one that is no HTTP, with a problem', async () => {
    const context = { ...test.options.context, clock: systemClock };
    const server = await startAdmin({ ...test.options, context, host: '127.0.0.1', port: 0 });
    const ask = async (text: string): Promise<[head: string, body: { code: string; status: number }]> => {
      const socket = connect(server.port, '127.0.0.1');
      socket.write(text);
      let answer = '';
      for await (const piece of socket.setEncoding('latin1')) answer += piece as string;
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      return [head, JSON.parse(body) as { code: string; status: number }];
    };
    const [head, body] = await ask(`GET /openapi.json?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n`);
    expect(head).toMatch(/^HTTP\/1.1 431 [^]*Content-Type: application\/problem\+json/);
    expect(body).toMatchObject({ code: 'head-too-large', status: 431, type: '/problems/head-too-large' });
    const [, nonsense] = await ask('nonsense\r\n\r\n');
    expect(nonsense).toMatchObject({ code: 'invalid-request', status: 400 });
    await server.close(0);
  });

  it('does not start on a port that another has', async () => {
    const context = { ...test.options.context, clock: systemClock };
    const at = { ...test.options, context, host: '127.0.0.1' };
    const server = await startAdmin({ ...at, port: 0 });
    await expect(startAdmin({ ...at, port: server.port })).rejects.toThrow('EADDRINUSE');
    await server.close(0);
  });

  it('lets a request in flight end before it is closed, and ends one that takes longer', async () => {
    const context = { ...test.options.context, clock: systemClock };
    for (const graceMs of [60_000, 1]) {
      const server = await startAdmin({ ...test.options, context, host: '127.0.0.1', port: 0 });
      let end: () => void = () => undefined;
      const ended = new Promise<number>((resolve) => (end = () => resolve(0)));
      const arrived = new Promise<void>((resolve) => {
        test.memory.drainBroker = () => {
          resolve();
          return ended;
        };
      });
      const drain = `http://127.0.0.1:${server.port}/admin/v1/brokers/1/drain`;
      const answer = fetch(drain, { method: 'POST', headers: { Authorization: `Bearer ${adminKey}` } }).then(
        ({ status }) => status,
        () => 'cut',
      );
      await arrived;
      let isClosed = false;
      const closed = server.close(graceMs).then(() => (isClosed = true));
      if (graceMs > 1) {
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
        expect(isClosed).toBe(false);
        end();
      }
      await closed;
      expect(await answer).toBe(graceMs > 1 ? 200 : 'cut');
      await expect(fetch(drain)).rejects.toThrow();
    }
  });

  it('serves over a socket and ends streams when it closes', async () => {
    const context = { ...test.options.context, clock: systemClock };
    const server = await startAdmin({ ...test.options, context, host: '127.0.0.1', port: 0 });
    const address = `http://127.0.0.1:${server.port}`;
    const headers = { Authorization: `Bearer ${adminKey}` };
    const made = await fetch(`${address}/admin/v1/tenants`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'acme' }),
    });
    expect(made.status).toBe(201);
    const { tenantId } = (await made.json()) as { tenantId: string };
    const removed = await fetch(`${address}/admin/v1/tenants/${tenantId}`, { method: 'DELETE', headers });
    expect(removed.status).toBe(204);
    const drained = await fetch(`${address}/admin/v1/brokers/1/drain`, { method: 'POST', headers });
    expect(drained.status).toBe(200);
    const stream = await fetch(`${address}/admin/v1/events/stream`, { headers });
    const [text] = await Promise.all([stream.text(), server.close(5_000)]);
    expect(text).toContain('following');
    await expect(fetch(`${address}/healthz`)).rejects.toThrow();
  });
});
