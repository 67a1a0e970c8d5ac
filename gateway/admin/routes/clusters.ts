/** Clusters: list, create, get with limits and usage, change, delete with all their topics; and their usage. */
import { createRoute, z } from '@hono/zod-openapi';
import type { AdminContext } from '../options.ts';
import { pageOf } from '../pages.ts';
import {
  clusterChangeSchema,
  clusterSchema,
  newClusterSchema,
  pageQuery,
  pageSchema,
  usageSchema,
} from '../schemas.ts';
import { deleteTopicsOf } from '../delete-topics.ts';
import { clusterOf, clusterShown, given, limitsRead } from '../views.ts';
import {
  type AdminApp,
  body,
  bodyNeeded,
  clusterParams,
  json,
  noContent,
  prefix,
  problems,
  security,
} from './route.ts';

const shared = { tags: ['Clusters'], security };
const path = `${prefix}/clusters/{clusterId}` as const;

const list = createRoute({
  ...shared,
  operationId: 'listClusters',
  method: 'get',
  path: `${prefix}/clusters`,
  summary: 'List clusters, of all tenants or of one',
  request: { query: pageQuery.extend({ tenantId: z.string().optional() }) },
  responses: { 200: json(pageSchema(clusterSchema, 'Clusters'), 'A page, in order of creation.'), ...problems },
});

const create = createRoute({
  ...shared,
  operationId: 'createCluster',
  method: 'post',
  path: `${prefix}/clusters`,
  summary: 'Create a cluster',
  request: { body: body(newClusterSchema) },
  responses: { 201: json(clusterSchema, 'The cluster.'), ...problems },
});

const get = createRoute({
  ...shared,
  operationId: 'getCluster',
  method: 'get',
  path,
  summary: 'Get a cluster with its limits and usage',
  request: { params: clusterParams },
  responses: { 200: json(clusterSchema, 'The cluster.'), ...problems },
});

const change = createRoute({
  ...shared,
  operationId: 'changeCluster',
  method: 'patch',
  path,
  summary: 'Change a cluster',
  description: 'Fields that are absent stay as they are. `state: suspended` stops reads and writes and keeps the data.',
  request: { params: clusterParams, body: body(clusterChangeSchema) },
  responses: { 200: json(clusterSchema, 'The cluster.'), ...problems },
});

const remove = createRoute({
  ...shared,
  operationId: 'deleteCluster',
  method: 'delete',
  path,
  summary: 'Delete a cluster with its keys, topics and groups',
  description: 'Its keys stop working at once. If a deletion was interrupted, repeat it to finish it.',
  request: { params: clusterParams },
  responses: { 204: noContent, ...problems },
});

const usage = createRoute({
  ...shared,
  operationId: 'getClusterUsage',
  method: 'get',
  path: `${path}/usage`,
  summary: 'Show what a cluster has produced, fetched and waited for since it was created',
  request: { params: clusterParams },
  responses: { 200: json(usageSchema, 'The totals.'), ...problems },
});

export function clusterRoutes(app: AdminApp, { context }: AdminContext): void {
  const { tenancy } = context;
  app.openapi(list, (c) => {
    const query = c.req.valid('query');
    const clusters = [...tenancy.clusters(query.tenantId)].sort(
      (a, b) => a.createdAtMs - b.createdAtMs || (a.clusterId < b.clusterId ? -1 : 1),
    );
    return c.json(
      pageOf(
        clusters,
        { parts: ['number', 'string'], keyOf: (k) => [k.createdAtMs, k.clusterId] },
        clusterShown,
        query,
      ),
      200,
    );
  });
  app.openapi(create, async (c) => {
    const { limits, tenantId, name, ...rest } = c.req.valid('json');
    const spec = { tenantId, name, ...given(rest), ...(limits && { limits: limitsRead(limits) }) };
    return c.json(clusterShown(await tenancy.createCluster(spec)), 201);
  });
  app.openapi(get, (c) => c.json(clusterShown(clusterOf(context, c.req.valid('param').clusterId)), 200));
  app.patch(`${prefix}/clusters/:clusterId`, bodyNeeded);
  app.openapi(change, async (c) => {
    const { limits, ...rest } = c.req.valid('json');
    const changes = { ...given(rest), ...(limits && { limits: limitsRead(limits) }) };
    return c.json(clusterShown(await tenancy.updateCluster(c.req.valid('param').clusterId, changes)), 200);
  });
  app.openapi(remove, async (c) => {
    const { clusterId } = c.req.valid('param');
    await tenancy.deleteCluster(clusterId, () => deleteTopicsOf(context, clusterId));
    return c.body(null, 204);
  });
  app.openapi(usage, (c) => {
    const { clusterId } = clusterOf(context, c.req.valid('param').clusterId);
    const { throttledMs, ...totals } = tenancy.usage(clusterId);
    const delays: Record<string, number> = { ...throttledMs };
    return c.json({ ...totals, throttledMs: delays }, 200);
  });
}
