/**
 * Two tenants with topics and groups of the same names on one installation: neither can see, guess or touch anything of
 * the other over any door.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Instance, TenantAccess } from '../../bin/demo/instance.ts';
import { startInstallation } from '../installation.ts';
import { authorized, createTopic, httpSender, kafkaOf, readAll } from './doors.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe('two tenants', () => {
  let instance: Instance;
  let north: TenantAccess;
  let south: TenantAccess;

  beforeAll(async () => {
    instance = await startInstallation();
    north = await instance.tenant('north');
    south = await instance.tenant('south');
    for (const [access, name] of [
      [north, 'north'],
      [south, 'south'],
    ] as const) {
      await createTopic(instance, access, 'orders', 3);
      await httpSender(instance, access, 'orders')('key', `${name}:0`);
    }
    await createTopic(instance, north, 'only-north', 1);
    await httpSender(instance, north, 'only-north')('key', 'secret:0');
  });
  afterAll(() => instance.remove());

  const ask = (access: TenantAccess, path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${instance.http}${path}`, { ...init, headers: authorized(access) });

  it('each reads its own records from the topic of the same name, over HTTP', async () => {
    expect((await readAll(instance, north, 'orders')).map(({ value }) => value)).toEqual(['north:0']);
    expect((await readAll(instance, south, 'orders')).map(({ value }) => value)).toEqual(['south:0']);
  });

  it('each reads its own records over Kafka, and the same group name means another group', async () => {
    for (const [access, name] of [
      [north, 'north'],
      [south, 'south'],
    ] as const) {
      const consumer = kafkaOf(instance, access).consumer({ groupId: 'shared' });
      await consumer.connect();
      await consumer.subscribe({ topic: 'orders', fromBeginning: true });
      const value = await new Promise<string>((resolve) => {
        void consumer.run({
          eachMessage: ({ message }) => {
            resolve(String(message.value));
            return Promise.resolve();
          },
        });
      });
      expect(value).toBe(`${name}:0`);
      await consumer.disconnect();
    }
  });

  it('a topic of the other tenant does not exist', async () => {
    const foreign = await ask(south, '/v1/topics/only-north');
    const nowhere = await ask(south, '/v1/topics/no-such');
    expect(foreign.status).toBe(404);
    const [a, b] = [await foreign.text(), await nowhere.text()];
    const plain = (text: string, name: string): string => text.replaceAll(name, 'X').replace(/"instance":"[^"]*"/, '');
    expect(plain(a, 'only-north')).toBe(plain(b, 'no-such'));
    const admin = kafkaOf(instance, south).admin();
    await admin.connect();
    expect(await admin.listTopics()).toEqual(['orders']);
    await admin.disconnect();
    expect(
      JSON.parse(await (await ask(south, '/v1/topics')).text()).topics.map((t: { name: string }) => t.name),
    ).toEqual(['orders']);
  });

  it('inner names of the engine reach nothing', async () => {
    const inner = `${north.clusterId}.only-north`;
    expect((await ask(south, `/v1/topics/${inner}`)).status).toBe(404);
    expect((await ask(south, `/v1/topics/${encodeURIComponent(`${north.clusterId}:offsets`)}`)).status).toBe(404);
  });

  it('a cursor of the other tenant is invalid', async () => {
    const page = (await (await ask(north, '/v1/topics/only-north/records?from=earliest')).json()) as { next: string };
    const answer = await ask(south, `/v1/topics/orders/records?cursor=${page.next}`);
    expect([400, 404, 409]).toContain(answer.status);
    expect(await answer.text()).not.toContain('secret');
  });

  it('topics that one deletes and creates do not affect the other', async () => {
    await createTopic(instance, south, 'only-north', 1);
    expect((await ask(south, '/v1/topics/only-north', { method: 'DELETE' })).ok).toBe(true);
    expect((await readAll(instance, north, 'only-north')).map(({ value }) => value)).toEqual(['secret:0']);
  });

  it('each sees its own groups, members and lag', async () => {
    const { groups } = (await (await ask(south, '/v1/groups')).json()) as { groups: { group: string }[] };
    expect(groups).toHaveLength(1);
    expect((await ask(south, '/v1/groups/no-such')).status).toBe(404);
  });

  it('a WebSocket subscription shows only the tenant’s own records', async () => {
    const values = await new Promise<unknown[]>((resolve, reject) => {
      const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, { headers: authorized(south) });
      const seen: unknown[] = [];
      socket.on('error', reject);
      socket.on('open', () => {
        socket.send(
          JSON.stringify({ op: 'subscribe', id: 1, sub: 1, topic: 'orders', from: 'earliest', format: 'string' }),
        );
        socket.send(JSON.stringify({ op: 'subscribe', id: 2, sub: 2, topic: 'only-north', from: 'earliest' }));
      });
      socket.on('message', (data) => {
        const event = JSON.parse(String(data)) as { event: string; id?: number; records?: { value: unknown }[] };
        if (event.event === 'batch') seen.push(...(event.records ?? []).map(({ value }) => value));
        if (event.event === 'error' && event.id === 2) seen.push('refused');
        if (seen.length < 2) return;
        socket.terminate();
        resolve(seen);
      });
    });
    expect(new Set(values)).toEqual(new Set(['refused', 'south:0']));
  });

  it('quota counts match reality, however topics are grown and deleted concurrently', async () => {
    const { clusterId, ...access } = await instance.tenant('counted');
    const limits = { topicMutationsPerSecondMax: 1_000, partitionMutationsPer5MinutesMax: null };
    await instance.admin('PATCH', `/clusters/${clusterId}`, { limits });
    const usage = async (): Promise<object> =>
      (await instance.admin<{ usage: object }>('GET', `/clusters/${clusterId}`)).usage;
    const change = async (method: string, body?: object): Promise<number> => {
      const headers = authorized(access, { 'content-type': 'application/json' });
      const init = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
      const response = await fetch(`${instance.http}/v1/topics/racing`, init);
      await response.arrayBuffer();
      return response.status;
    };
    for (let round = 0; round < 5; round++) {
      await createTopic(instance, access, 'racing', 2);
      const grown = [20, 30, 40].map((partitions) => change('PATCH', { partitions }));
      for (const status of await Promise.all([...grown, change('DELETE'), change('DELETE')])) {
        expect([200, 204, 400, 404]).toContain(status);
      }
    }
    expect(await usage()).toMatchObject({ topics: { used: 0 }, partitions: { used: 0 } });
    await instance.admin('DELETE', `/clusters/${clusterId}`);
  });

  it('the control plane rejects tenant keys', async () => {
    const answer = await fetch(`${instance.environment['HEADGATE_ADMIN']}/admin/v1/tenants`, {
      headers: authorized(north),
    });
    expect(answer.status).toBe(401);
  });

  it('a revoked key stops working on every door, even on open connections', async () => {
    const { keyId, apiKey } = await instance.admin<{ keyId: string; apiKey: string }>(
      'POST',
      `/clusters/${south.clusterId}/keys`,
      { name: 'doomed' },
    );
    const doomed = { keyId, apiKey };
    const socket = new WebSocket(`${instance.http.replace('http', 'ws')}/v1/ws`, { headers: authorized(doomed) });
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('open', resolve));
    const admin = kafkaOf(instance, doomed).admin({ retry: { retries: 0 } });
    await admin.connect();
    await instance.admin('DELETE', `/clusters/${south.clusterId}/keys/${keyId}`);
    expect(await closed).toBe(4401);
    expect((await fetch(`${instance.http}/v1/topics`, { headers: authorized(doomed) })).status).toBe(401);
    await expect(admin.listTopics()).rejects.toThrow();
    await admin.disconnect();
  });
});
