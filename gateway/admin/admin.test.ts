import { beforeEach, describe, expect, it } from 'vitest';
import { type AdminInTest, adminInTest } from './admin-in-test.suite.ts';

let test: AdminInTest;
const v1 = '/admin/v1';

beforeEach(async () => {
  test = await adminInTest();
});

describe('tenants and clusters', () => {
  it('live from creation to deletion', async () => {
    const tenant = await test.ask('POST', `${v1}/tenants`, { name: 'acme' });
    expect(tenant).toMatchObject({ status: 201, body: { name: 'acme' } });
    const tenantId = tenant.body['tenantId'] as string;
    expect(await test.ask('POST', `${v1}/tenants`, { name: 'acme' })).toMatchObject({
      status: 409,
      body: { code: 'already-exists', retryable: false },
    });
    const spec = { tenantId, name: 'main', defaultPartitions: 2, limits: { partitionsMax: 5, connectionsMax: null } };
    const cluster = await test.ask('POST', `${v1}/clusters`, spec);
    expect(cluster).toMatchObject({
      status: 201,
      body: {
        state: 'serving',
        defaultPartitions: 2,
        limits: { partitionsMax: 5, connectionsMax: null, requestsPerSecondMax: 15_000 },
        usage: { partitions: { used: 0, limit: 5 }, connections: { used: 0, limit: null } },
      },
    });
    const clusterId = cluster.body['clusterId'] as string;
    const suspended = await test.ask('PATCH', `${v1}/clusters/${clusterId}`, { state: 'suspended' });
    expect(suspended.body).toMatchObject({ state: 'suspended', defaultPartitions: 2 });
    await test.ask('PATCH', `${v1}/clusters/${clusterId}`, { state: 'serving' });

    expect(await test.ask('DELETE', `${v1}/tenants/${tenantId}`)).toMatchObject({
      status: 409,
      body: { code: 'not-empty' },
    });
    const topics = `${v1}/clusters/${clusterId}/topics`;
    expect((await test.ask('POST', topics, { name: 'orders' })).status).toBe(201);
    test.memory.topics.set(`${clusterId}:offsets`, {
      ...[...test.memory.topics.values()][0]!,
      name: `${clusterId}:offsets`,
    });
    expect((await test.ask('DELETE', `${v1}/clusters/${clusterId}`)).status).toBe(204);
    expect(test.memory.topics.size).toBe(0);
    expect(await test.ask('GET', `${v1}/clusters/${clusterId}`)).toMatchObject({
      status: 404,
      body: { code: 'not-found' },
    });
    expect((await test.ask('DELETE', `${v1}/tenants/${tenantId}`)).status).toBe(204);
  });

  it('are listed in pages without repeats or gaps', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push(await test.cluster(`c${i}`));
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await test.ask('GET', `${v1}/clusters?limit=2${cursor && `&cursor=${cursor}`}`);
      for (const { clusterId } of page.body['items'] as { clusterId: string }[]) seen.push(clusterId);
      cursor = (page.body['nextCursor'] as string | undefined) ?? '';
    } while (cursor);
    expect(seen.toSorted()).toEqual(ids.toSorted());
    const forged = [
      '5',
      '{}',
      '[]',
      '[1]',
      '[1,"a",2]',
      '[1, "a"]',
      '["1","a"]',
      '[null,"a"]',
      '[[1],"a"]',
      '[1e999,"a"]',
    ];
    for (const key of forged) {
      const foreign = Buffer.from(key).toString('base64url');
      expect((await test.ask('GET', `${v1}/clusters?cursor=${foreign}`)).body, key).toMatchObject({ field: 'cursor' });
    }
    const padded = Buffer.from('[1,"ab"]').toString('base64');
    expect((await test.ask('GET', `${v1}/clusters?cursor=${encodeURIComponent(padded)}`)).status).toBe(400);
    // Also where there is no item to compare it with.
    const [empty] = ids;
    const one = Buffer.from('[1]').toString('base64url');
    expect((await test.ask('GET', `${v1}/clusters/${empty}/topics?cursor=${one}`)).status).toBe(400);
    expect(await test.ask('GET', `${v1}/clusters?cursor=nonsense`)).toMatchObject({
      status: 400,
      body: { field: 'cursor' },
    });
  });

  it('report everything that is wrong with a request', async () => {
    const wrong = await test.ask('POST', `${v1}/clusters`, { name: 7, limits: { nonsense: 1 } });
    expect(wrong).toMatchObject({ status: 400, body: { code: 'invalid-request', retryable: false } });
    const fields = (wrong.body['faults'] as { field: string }[]).map(({ field }) => field);
    expect(fields).toEqual(['tenantId', 'name', 'limits']);
    expect(wrong.headers.get('Content-Type')).toBe('application/problem+json');
    expect(wrong.body['instance']).toBe(wrong.headers.get('X-Request-Id'));
    expect(await test.ask('POST', `${v1}/tenants`, '{"name":')).toMatchObject({
      status: 400,
      body: { code: 'invalid-json' },
    });
    const large = await test.ask('POST', `${v1}/tenants`, { name: 'x'.repeat(300_000) });
    expect(large).toMatchObject({ status: 413, body: { code: 'body-too-large' } });
  });
});

describe('keys', () => {
  it('are shown once, rotated with a grace period and revoked', async () => {
    const clusterId = await test.cluster();
    const path = `${v1}/clusters/${clusterId}/keys`;
    const made = await test.ask('POST', path, { name: 'app' });
    expect(made.status).toBe(201);
    expect(made.headers.get('Cache-Control')).toBe('no-store');
    const { keyId, apiKey } = made.body as { keyId: string; apiKey: string };
    expect(test.tenancy.access.authenticate(apiKey)?.clusterId).toBe(clusterId);
    const rotated = await test.ask('POST', `${path}/${keyId}/rotate`, { graceMs: 60_000 });
    const next = rotated.body as { keyId: string; apiKey: string };
    expect(test.tenancy.access.authenticate(apiKey)).toBeDefined();
    const listed = await test.ask('GET', path);
    expect(JSON.stringify(listed.body)).not.toContain(apiKey);
    expect(listed.body['items']).toHaveLength(2);
    expect((await test.ask('DELETE', `${path}/${next.keyId}`)).status).toBe(204);
    expect(test.tenancy.access.authenticate(next.apiKey)).toBeUndefined();
    expect((await test.ask('DELETE', `${path}/${next.keyId}`)).status).toBe(404);
  });
});

describe('topics', () => {
  it('show owners, zones, reasons and offsets, which are unknown while no owner answers', async () => {
    const path = `${v1}/clusters/${await test.cluster()}/topics`;
    await test.ask('POST', path, { name: 'orders', partitions: 2, configs: { 'retention.ms': '1000' } });
    const first = {
      partition: 0,
      broker: 1,
      zone: 'a',
      epoch: 0,
      reason: 'created',
      movedAtMs: 5,
      startOffset: 0,
      endOffset: 10,
      sizeBytes: 1000,
    };
    const shown = await test.ask('GET', `${path}/orders`);
    expect(shown.body).toMatchObject({ name: 'orders', configs: { 'retention.ms': '1000' } });
    expect(shown.body['partitions']).toEqual([first, { ...first, partition: 1, broker: 2, zone: 'b' }]);
    test.memory.endOffset = undefined;
    const away = await test.ask('GET', `${path}/orders`);
    expect(away).toMatchObject({
      status: 200,
      body: { partitions: [{ broker: 1, endOffset: null, sizeBytes: null }, {}] },
    });
  });

  it('grow, change and go', async () => {
    const path = `${v1}/clusters/${await test.cluster()}/topics`;
    await test.ask('POST', path, { name: 'orders' });
    const changed = await test.ask('PATCH', `${path}/orders`, { partitions: 3, configs: { 'retention.ms': '5' } });
    expect(changed.body).toMatchObject({ partitions: 3, configs: { 'retention.ms': '5' } });
    expect(await test.ask('PATCH', `${path}/orders`, { partitions: 4, configs: { nonsense: '1' } })).toMatchObject({
      status: 400,
      body: { field: 'configs.nonsense' },
    });
    expect(
      await test.ask('PATCH', `${path}/orders`, { partitions: 2, configs: { 'retention.ms': '6' } }),
    ).toMatchObject({
      status: 400,
      body: { field: 'partitions' },
    });
    expect(await test.ask('PATCH', `${path}/orders`)).toMatchObject({ status: 400, body: { field: 'body' } });
    expect((await test.ask('PATCH', `${path}/orders`, { partitions: 3 })).status).toBe(200);
    const plain = await test.ask('GET', path);
    expect(plain.body['items']).toMatchObject([{ name: 'orders', partitions: 3, configs: { 'retention.ms': '5' } }]);
    expect((await test.ask('DELETE', `${path}/orders`)).status).toBe(204);
    expect((await test.ask('GET', `${path}/orders`)).status).toBe(404);
  });

  it('stay within the limits of the cluster', async () => {
    const clusterId = await test.cluster();
    await test.ask('PATCH', `${v1}/clusters/${clusterId}`, { limits: { partitionsMax: 3 } });
    const refused = await test.ask('POST', `${v1}/clusters/${clusterId}/topics`, { name: 'orders', partitions: 4 });
    expect(refused).toMatchObject({ status: 429, body: { code: 'quota-exceeded', quota: 'partitionsMax', limit: 3 } });
  });
});

describe('groups', () => {
  it('show members and lag, and are deleted when they are empty', async () => {
    const clusterId = await test.cluster();
    await test.ask('POST', `${v1}/clusters/${clusterId}/topics`, { name: 'orders' });
    const committed = [{ topic: `${clusterId}.orders`, partition: 0, offset: 4 }];
    test.memory.groups.set(`${clusterId}.g1`, { state: 'Stable', committed });
    test.memory.groups.set(`${clusterId}.g2`, { state: 'Empty', committed: [] });
    const path = `${v1}/clusters/${clusterId}/groups`;
    expect((await test.ask('GET', path)).body['items']).toMatchObject([{ groupId: 'g1' }, { groupId: 'g2' }]);
    expect((await test.ask('GET', `${path}/g1`)).body).toMatchObject({
      groupId: 'g1',
      members: [{ clientHost: '10.0.0.1' }],
      offsets: [{ topic: 'orders', committedOffset: 4, endOffset: 10, lag: 6 }],
      lag: 6,
    });
    expect((await test.ask('DELETE', `${path}/g1`)).status).toBe(409);
    expect((await test.ask('DELETE', `${path}/g2`)).status).toBe(204);
    expect((await test.ask('DELETE', `${path}/g3`)).status).toBe(404);
  });
});

describe('the fleet', () => {
  it('is listed, drained and restarted', async () => {
    expect((await test.ask('GET', `${v1}/brokers`)).body['items']).toMatchObject([
      { brokerId: 1, zone: 'a', state: 'serving' },
      { brokerId: 2 },
      { brokerId: 3 },
    ]);
    expect(await test.ask('POST', `${v1}/brokers/2/drain`)).toMatchObject({
      status: 200,
      body: { partitionsLeft: 2, broker: { state: 'draining' } },
    });
    expect((await test.ask('POST', `${v1}/brokers/2/undrain`)).body).toMatchObject({ state: 'serving' });
    expect((await test.ask('POST', `${v1}/brokers/3/restart`)).status).toBe(200);
    expect((await test.ask('POST', '/admin/v1/brokers/2/replace')).status).toBe(200);
    expect((await test.ask('POST', '/admin/v1/fleet/restart')).body['items']).toHaveLength(3);
    expect((await test.ask('GET', '/admin/v1/fleet')).body).toMatchObject({ brokers: 3, override: null });
    const scale = (brokers: number | null) => test.ask('POST', '/admin/v1/fleet/scale', { brokers });
    expect((await scale(6)).body).toMatchObject({ override: 6 });
    expect((await scale(null)).body).toMatchObject({ override: null });
    expect((await scale(0)).status).toBe(400);
    expect((await scale(9)).status).toBe(200);
    expect(await scale(10)).toMatchObject({
      status: 400,
      body: { field: 'brokers', detail: expect.stringContaining('--brokers-max') },
    });
    const evacuated = await test.ask('POST', '/admin/v1/zones/b/evacuate');
    expect(evacuated.body).toEqual({ zone: 'b', evacuated: true, partitionsLeft: 0 });
    expect((await test.ask('POST', '/admin/v1/zones/b/restore')).status).toBe(200);
    const asked = ['replace 2', 'restart all', 'scale 6', 'scale auto', 'scale 9', 'evacuate b', 'restore b'];
    expect(test.memory.asked).toEqual(['drain 2', 'undrain 2', 'restart 3', ...asked]);
    expect((await test.ask('POST', `${v1}/brokers/9/drain`)).status).toBe(404);
    expect((await test.ask('POST', `${v1}/brokers/x/drain`)).status).toBe(400);
  });

  it('shows where partitions are, page by page', async () => {
    const clusterId = await test.cluster();
    for (const name of ['a', 'b']) {
      await test.ask('POST', `${v1}/clusters/${clusterId}/topics`, { name, partitions: 3 });
    }
    const first = await test.ask('GET', `${v1}/partitions?limit=4`);
    expect(first.body['items']).toMatchObject([
      { topic: 'a', partition: 0, broker: 1, zone: 'a' },
      { topic: 'a', partition: 1 },
      { topic: 'a', partition: 2 },
      { topic: 'b', partition: 0 },
    ]);
    const rest = await test.ask('GET', `${v1}/partitions?limit=4&cursor=${first.body['nextCursor']}`);
    expect(rest.body).toMatchObject({
      items: [
        { topic: 'b', partition: 1 },
        { topic: 'b', partition: 2 },
      ],
    });
    expect(rest.body['nextCursor']).toBeUndefined();
    const ofOne = await test.ask('GET', `${v1}/partitions?brokerId=2`);
    expect(ofOne.body['items']).toMatchObject([
      { topic: 'a', broker: 2 },
      { topic: 'b', broker: 2 },
    ]);
    const [topic] = test.memory.topics.values();
    test.memory.topics.set('internal', { ...topic!, name: `${clusterId}:offsets` });
    expect((await test.ask('GET', `${v1}/partitions?brokerId=2`)).body).toEqual(ofOne.body);
    const all = await test.ask('GET', `${v1}/partitions?brokerId=2&internal=true`);
    expect(all.body['items']).toMatchObject([
      { topic: 'a', internal: false },
      { topic: 'b', internal: false },
      { topic: 'offsets', internal: true },
    ]);
  });

  it('is shown in one overview, which is refreshed after a moment', async () => {
    const clusterId = await test.cluster();
    for (const name of ['a', 'b']) {
      await test.ask('POST', `${v1}/clusters/${clusterId}/topics`, { name, partitions: 3 });
    }
    test.memory.emit('x', 1);
    test.memory.place(1, { reason: 'broker-dead', movedAtMs: 50 });
    const engine = (await test.ask('GET', `${v1}/engine`)).body;
    expect(engine).toMatchObject({
      ready: true,
      lastEventId: '1-1',
      zones: [
        { zone: 'a', state: 'serving', brokers: 1, serving: 1, partitions: 2 },
        { zone: 'b', state: 'serving' },
        { zone: 'c', state: 'serving' },
      ],
      partitions: { total: 6, withoutOwner: 0, moving: 0 },
      moves: [
        { topic: 'a', partition: 1, broker: 2, reason: 'broker-dead', movedAtMs: 50 },
        { topic: 'b', partition: 1 },
      ],
    });
    test.memory.emit('y', 2);
    expect((await test.ask('GET', `${v1}/engine`)).body['lastEventId']).toBe('1-1');
    await test.clock.advance(250);
    expect((await test.ask('GET', `${v1}/engine`)).body['lastEventId']).toBe('2-2');
  });

  it('is shown with what is down, and with its latest moves', async () => {
    const clusterId = await test.cluster();
    await test.ask('POST', `${v1}/clusters/${clusterId}/topics`, { name: 'a', partitions: 200 });
    for (let index = 0; index < 200; index++) {
      const movedAtMs = 1_000 + ((index * 77) % 200);
      test.memory.place(index, { reason: 'balance', movedAtMs, ...(index < 3 && { brokerId: -1 }) });
    }
    const brokers = test.memory.brokers();
    const states = { b: ['fenced', 'draining'], a: ['closed', 'fenced'], c: ['serving', 'serving'] } as const;
    test.memory.brokers = () =>
      Object.entries(states).flatMap(([zone, both], z) =>
        both.map((state, i) => ({ ...brokers[z]!, brokerId: 2 * z + i, zone, state, partitions: 10, moving: z + i })),
      );
    const engine = (await test.ask('GET', `${v1}/engine`)).body;
    expect(engine).toMatchObject({
      lastEventId: null,
      zones: [
        { zone: 'a', state: 'down', brokers: 2, serving: 0, partitions: 20 },
        { zone: 'b', state: 'degraded', brokers: 2, serving: 1, partitions: 20 },
        { zone: 'c', state: 'serving', brokers: 2, serving: 2, partitions: 20 },
      ],
      partitions: { total: 200, withoutOwner: 3, moving: 9 },
    });
    const moves = engine['moves'] as { readonly movedAtMs: number }[];
    expect(moves.map(({ movedAtMs }) => movedAtMs)).toEqual(Array.from({ length: 40 }, (_, i) => 1_199 - i));
    const metrics = String((await test.ask('GET', '/metrics')).body['text']);
    for (const [state, count] of Object.entries({ serving: 2, draining: 1, fenced: 2, closed: 1 }))
      expect(metrics).toContain(`headgate_brokers{state="${state}"} ${count}\n`);
    expect(metrics).toContain('headgate_partitions_without_owner 3\n');
  });

  it('lists its decisions, starting from any of them', async () => {
    for (const [kind, atMs] of [
      ['x', 1],
      ['y', 1],
      ['z', 2],
    ] as const)
      test.memory.emit(kind, atMs);
    const all = (await test.ask('GET', `${v1}/events`)).body['items'] as { id: string; kind: string }[];
    expect(all.map(({ id, kind }) => `${id} ${kind}`)).toEqual(['1-1 x', '1-2 y', '2-3 z']);
    expect((await test.ask('GET', `${v1}/events?since=1-1`)).body['items']).toMatchObject([
      { kind: 'y' },
      { kind: 'z' },
    ]);
    expect((await test.ask('GET', `${v1}/events?since=1`)).body['items']).toMatchObject([{ kind: 'z' }]);
    expect((await test.ask('GET', `${v1}/events?since=nonsense`)).status).toBe(400);
    // Ids that have left the ring.
    const since = async (id: string): Promise<unknown> => (await test.ask('GET', `${v1}/events?since=${id}`)).body;
    expect(await since('1-0')).toMatchObject({ items: [{ kind: 'x' }, { kind: 'y' }, { kind: 'z' }] });
    expect(await since('1-9')).toMatchObject({ items: [{ kind: 'z' }] });
    expect(await since('3-1')).toEqual({ items: [] });
  });
});
