/** The fleet: brokers with the operator's requests for them, and where every partition is. */
import { createRoute, z } from '@hono/zod-openapi';
import type { BrokerEntry, PartitionEntry } from '../../../engine/engine.ts';
import { clusterIdLength, tenantName } from '../../../tenancy/naming.ts';
import { NotFound } from '../../../tenancy/failures.ts';
import type { GatewayContext } from '../../context.ts';
import type { AdminContext, FleetOperations } from '../options.ts';
import { pageOf } from '../pages.ts';
import { brokerSchema, drainedSchema, pageQuery, pageSchema, partitionSchema, wholeNumber } from '../schemas.ts';
import { placementShown, zonesOf } from '../views.ts';
import { type AdminApp, brokerParams, json, prefix, problems, security } from './route.ts';

const shared = { tags: ['Fleet'], security };
const path = `${prefix}/brokers/{brokerId}` as const;

const list = createRoute({
  ...shared,
  operationId: 'listBrokers',
  method: 'get',
  path: `${prefix}/brokers`,
  summary: 'List the brokers',
  responses: { 200: json(z.object({ items: z.array(brokerSchema) }).openapi('Brokers'), 'All of them.'), ...problems },
});

const drain = createRoute({
  ...shared,
  operationId: 'drainBroker',
  method: 'post',
  path: `${path}/drain`,
  summary: 'Move everything off a broker and keep it off; answers when that is done',
  request: { params: brokerParams },
  responses: {
    200: json(drainedSchema, 'The broker is drained, as far as others could take over its partitions.'),
    ...problems,
  },
});

const undrain = createRoute({
  ...shared,
  operationId: 'undrainBroker',
  method: 'post',
  path: `${path}/undrain`,
  summary: 'Let a broker own partitions again',
  request: { params: brokerParams },
  responses: { 200: json(brokerSchema, 'The broker.'), ...problems },
});

const restart = createRoute({
  ...shared,
  operationId: 'restartBroker',
  method: 'post',
  path: `${path}/restart`,
  summary: 'Drain a broker, stop its process and start it again; answers when it serves',
  request: { params: brokerParams },
  responses: { 200: json(brokerSchema, 'The broker.'), ...problems },
});

const replace = createRoute({
  ...shared,
  operationId: 'replaceBroker',
  method: 'post',
  path: `${path}/replace`,
  summary: 'Kill a broker that no longer responds, and start another in its slot; answers when the new one serves',
  request: { params: brokerParams },
  responses: { 200: json(brokerSchema, 'The broker.'), ...problems },
});

const partitions = createRoute({
  ...shared,
  operationId: 'listPartitions',
  method: 'get',
  path: `${prefix}/partitions`,
  summary: 'List partitions with their owners, of all clusters or of some',
  request: {
    query: pageQuery.extend({
      clusterId: z.string().optional(),
      brokerId: wholeNumber(0).optional(),
      internal: z.enum(['true', 'false']).default('false').openapi({ description: "Include Headgate's own topics." }),
    }),
  },
  responses: { 200: json(pageSchema(partitionSchema, 'Partitions'), 'A page.'), ...problems },
});

export function brokerRoutes(app: AdminApp, { context, fleet }: AdminContext): void {
  app.openapi(list, (c) => c.json({ items: [...fleet.brokers()] }, 200));
  app.openapi(drain, async (c) => {
    const { brokerId } = existing(fleet, c.req.valid('param').brokerId);
    const partitionsLeft = await fleet.drainBroker(brokerId);
    return c.json({ broker: existing(fleet, brokerId), partitionsLeft }, 200);
  });
  app.openapi(undrain, async (c) => {
    const { brokerId } = existing(fleet, c.req.valid('param').brokerId);
    await fleet.undrainBroker(brokerId);
    return c.json(existing(fleet, brokerId), 200);
  });
  app.openapi(restart, async (c) => {
    const { brokerId } = existing(fleet, c.req.valid('param').brokerId);
    await fleet.restartBroker(brokerId);
    return c.json(existing(fleet, brokerId), 200);
  });
  app.openapi(replace, async (c) => {
    const { brokerId } = existing(fleet, c.req.valid('param').brokerId);
    await fleet.replaceBroker(brokerId);
    return c.json(existing(fleet, brokerId), 200);
  });
  app.openapi(partitions, (c) => {
    const query = c.req.valid('query');
    const zones = zonesOf(fleet.brokers());
    const wanted = (p: Placed): boolean =>
      (query.internal === 'true' || !p.internal) &&
      (query.brokerId === undefined || p.entry.brokerId === query.brokerId);
    const page = pageOf(
      filtered(placedPartitions(context, query.clusterId), wanted),
      { parts: ['string', 'string', 'number'], keyOf: (p) => [p.clusterId, p.inner, p.entry.index] },
      ({ clusterId, topic, internal, entry }) => ({ clusterId, topic, internal, ...placementShown(entry, zones) }),
      query,
    );
    return c.json(page, 200);
  });
}

function existing(fleet: FleetOperations, brokerId: number): BrokerEntry {
  const broker = fleet.brokers().find((b) => b.brokerId === brokerId);
  if (!broker) throw new NotFound('broker', String(brokerId));
  return broker;
}

export interface Placed {
  readonly clusterId: string;
  readonly inner: string;
  readonly topic: string;
  readonly internal: boolean;
  readonly entry: PartitionEntry;
}

/** Every partition of one cluster or of all, ordered by cluster, topic, index. */
export function* placedPartitions({ tenancy, engine }: GatewayContext, clusterId?: string): Generator<Placed> {
  const ids = tenancy.clusters().map((cluster) => cluster.clusterId);
  for (const id of ids.filter((known) => clusterId === undefined || known === clusterId).sort()) {
    for (const { name: inner, partitions: entries } of engine.catalogue.ofCluster(id)) {
      const own = tenantName(id, inner);
      const topic = own ?? inner.slice(clusterIdLength + 1);
      for (const entry of entries) yield { clusterId: id, inner, topic, internal: own === undefined, entry };
    }
  }
}

function* filtered<T>(items: Iterable<T>, wanted: (item: T) => boolean): Generator<T> {
  for (const item of items) if (wanted(item)) yield item;
}
