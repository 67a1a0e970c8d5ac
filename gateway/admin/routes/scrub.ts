/** The scrub: how far each broker has got in checking its stored data, and what it found. */
import { createRoute, z } from '@hono/zod-openapi';
import { NotFound } from '../../../tenancy/failures.ts';
import type { AdminContext } from '../options.ts';
import { damageSchema, scrubSchema } from '../schemas.ts';
import { type AdminApp, brokerParams, json, prefix, problems, security } from './route.ts';

const shared = { tags: ['Fleet'], security };

const scrub = createRoute({
  ...shared,
  operationId: 'scrubBroker',
  method: 'post',
  path: `${prefix}/brokers/{brokerId}/scrub`,
  summary: 'Show, start, pause or resume the scrub of the segments that a broker looks after',
  request: {
    params: brokerParams,
    query: z.object({ act: z.enum(['status', 'start', 'pause', 'resume']).default('status') }),
  },
  responses: { 200: json(scrubSchema, 'How far the scrub is.'), ...problems },
});

const damage = createRoute({
  ...shared,
  operationId: 'listDamage',
  method: 'get',
  path: `${prefix}/damage`,
  summary: 'List the damage that scrubs have found in the segment store',
  responses: { 200: json(z.object({ items: z.array(damageSchema) }).openapi('DamageList'), 'All of it.'), ...problems },
});

export function scrubRoutes(app: AdminApp, { fleet }: AdminContext): void {
  app.openapi(scrub, async (c) => {
    const { brokerId } = c.req.valid('param');
    if (!fleet.brokers().some((broker) => broker.brokerId === brokerId)) throw new NotFound('broker', String(brokerId));
    return c.json({ brokerId, ...(await fleet.scrub(brokerId, c.req.valid('query').act)) }, 200);
  });
  app.openapi(damage, (c) => c.json({ items: [...fleet.damage()] }, 200));
}
