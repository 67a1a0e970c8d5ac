/** Consumer groups of a cluster: list, members and lag, delete. */
import { createRoute, z } from '@hono/zod-openapi';
import { deleteGroup, describeGroup, listGroups } from '../../operations/groups.ts';
import type { AdminContext } from '../options.ts';
import { pageOf } from '../pages.ts';
import { groupDetailSchema, groupSchema, pageQuery, pageSchema } from '../schemas.ts';
import { operatorOf } from '../views.ts';
import { type AdminApp, clusterParams, json, noContent, prefix, problems, security } from './route.ts';

const shared = { tags: ['Groups'], security };
const path = `${prefix}/clusters/{clusterId}/groups` as const;
const groupParams = clusterParams.extend({ groupId: z.string().min(1).max(1000) });

const list = createRoute({
  ...shared,
  operationId: 'listClusterGroups',
  method: 'get',
  path,
  summary: 'List the consumer groups of a cluster',
  request: { params: clusterParams, query: pageQuery },
  responses: { 200: json(pageSchema(groupSchema, 'Groups'), 'A page, in order of ids.'), ...problems },
});

const get = createRoute({
  ...shared,
  operationId: 'getClusterGroup',
  method: 'get',
  path: `${path}/{groupId}`,
  summary: 'Get a group with its members, committed offsets and lag',
  request: { params: groupParams },
  responses: { 200: json(groupDetailSchema, 'The group.'), ...problems },
});

const remove = createRoute({
  ...shared,
  operationId: 'deleteClusterGroup',
  method: 'delete',
  path: `${path}/{groupId}`,
  summary: 'Delete a group that has no members',
  request: { params: groupParams },
  responses: { 204: noContent, ...problems },
});

export function groupRoutes(app: AdminApp, { context }: AdminContext): void {
  app.openapi(list, async (c) => {
    const groups = await listGroups(context, operatorOf(context, c.req.valid('param').clusterId));
    return c.json(
      pageOf(groups, { parts: ['string'], keyOf: (g) => [g.groupId] }, (g) => g, c.req.valid('query')),
      200,
    );
  });
  app.openapi(get, async (c) => {
    const { clusterId, groupId } = c.req.valid('param');
    const group = await describeGroup(context, operatorOf(context, clusterId), groupId);
    return c.json({ ...group, members: [...group.members], offsets: [...group.offsets] }, 200);
  });
  app.openapi(remove, async (c) => {
    const { clusterId, groupId } = c.req.valid('param');
    await deleteGroup(context, operatorOf(context, clusterId), groupId);
    return c.body(null, 204);
  });
}
