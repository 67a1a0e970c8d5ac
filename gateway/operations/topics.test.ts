import { beforeEach, expect, it } from 'vitest';
import { TopicNotFound } from '../../engine/controller/topics/topics.ts';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { NameCollides, NotFound } from '../../tenancy/failures.ts';
import { innerName } from '../../tenancy/naming.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import type { MemoryEngine } from '../kafka/testing/memory-engine.ts';
import { alterConfigs, alterReplicas, createPartitions, createTopic, deleteTopic, topicsOf } from './topics.ts';
import { findOrCreateTopic } from './first-use.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';

let clock: ManualClock;
let engine: MemoryEngine;
let context: GatewayContext;
let principal: Principal;

beforeEach(async () => {
  clock = manualClock();
  const gateway = await gatewayInTest({ clock, random: seededRandom(1) });
  ({ engine, context } = gateway);
  const { tenancy } = gateway;
  const { tenantId } = await tenancy.createTenant('t');
  const { clusterId } = await tenancy.createCluster({ tenantId, name: 'c' });
  principal = { tenantId, clusterId, keyId: 'k' };
  await createTopic(context, principal, { name: 'orders', configs: {} });
});

const changes: readonly [string, () => Promise<unknown>][] = [
  ['its configs', () => alterConfigs(context, principal, 'orders', () => ({ 'retention.ms': '1' }))],
  ['its replicas', () => alterReplicas(context, principal, 'orders', () => ({ factor: 1, nodeIds: [] }))],
  ['the number of its partitions', () => createPartitions(context, principal, 'orders', 3)],
  ['whether it is there', () => deleteTopic(context, principal, 'orders')],
];

it.each(changes)(
  'a change of %s that comes behind a deletion names the topic as its tenant does',
  async (_of, change) => {
    const gone = (inner: string): Promise<never> => Promise.reject(new TopicNotFound(inner));
    Object.assign(engine, { alterConfigs: gone, alterReplicas: gone, createPartitions: gone, deleteTopic: gone });
    await expect(change()).rejects.toThrow(new NotFound('topic', 'orders'));
  },
);

it('of creations at once whose names differ in dots and underscores, one takes effect', async () => {
  const names = ['a.b', 'a_b', 'a.b'];
  const made = await Promise.allSettled(names.map((name) => createTopic(context, principal, { name, configs: {} })));
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const [topic] = [...topicsOf(context, principal)].map(([name]) => name).filter((name) => name !== 'orders');
  const other = topic === 'a.b' ? 'a_b' : 'a.b';
  await expect(createTopic(context, principal, { name: other, configs: {} })).rejects.toThrow(NameCollides);
  await deleteTopic(context, principal, topic!);
  await createTopic(context, principal, { name: other, configs: {} });
});

it('a topic from before names were claimed keeps others away, and its deletion frees the name', async () => {
  const { clusterId } = principal;
  await engine.createTopic({ name: innerName(clusterId, 'x.y'), clusterId, partitions: 1, configs: {} });
  const create = (name: string) => createTopic(context, principal, { name, configs: {} });
  await expect(create('x_y')).rejects.toThrow(new NameCollides('x_y', 'x.y'));
  await expect(findOrCreateTopic(context, principal, 'x_y')).rejects.toThrow(NameCollides);
  await create('x-y');
  await deleteTopic(context, principal, 'x.y');
  await create('x_y');
});

it.each(changes.slice(0, 2))('a change of %s is done when who looks next sees it', async (_of, change) => {
  const topic = [...engine.catalogue.ofCluster(principal.clusterId)][0]!;
  const byId = engine.catalogue.byId.bind(engine.catalogue);
  let isBehind = true;
  Object.assign(engine.catalogue, { byId: (id: string) => (isBehind ? topic : byId(id)) });
  let isDone = false;
  const altered = change().then(() => (isDone = true));
  await clock.advance(100);
  expect(isDone).toBe(false);
  isBehind = false;
  await clock.advance(100);
  await altered;
});
