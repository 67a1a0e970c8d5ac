/** The engine in one document: zones, brokers, partitions, controllers and shards. The events report later changes. */
import { createRoute } from '@hono/zod-openapi';
import { engineSchema } from '../engine-schemas.ts';
import { engineState } from '../engine-state.ts';
import type { AdminContext } from '../options.ts';
import { type AdminApp, json, prefix, problems, security } from './route.ts';

const show = createRoute({
  operationId: 'getEngine',
  method: 'get',
  path: `${prefix}/engine`,
  tags: ['Fleet'],
  security,
  summary: 'Show zones, brokers, partitions, controllers and shards at a glance',
  responses: {
    200: json(engineSchema, 'At most a quarter of a second old, a little more in a very large installation.'),
    ...problems,
  },
});

export function engineRoutes(app: AdminApp, admin: AdminContext): void {
  const state = engineState(admin);
  app.openapi(show, async (c) => {
    await admin.readiness.look();
    return c.json(state(), 200);
  });
}
