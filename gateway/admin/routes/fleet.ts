/** The fleet as a whole: how many brokers there should be and why, zones to drain, restarts one by one. */
import { createRoute, z } from '@hono/zod-openapi';
import { InvalidRequest, Overloaded } from '../../../engine/kernel/failure.ts';
import type { AdminContext } from '../options.ts';
import { drainedZoneSchema, fleetScaleSchema, scalingSchema } from '../fleet-schemas.ts';
import { brokerSchema } from '../schemas.ts';
import { type AdminApp, body, json, prefix, problems, security } from './route.ts';

const shared = { tags: ['Fleet'], security };
const zoneParams = z.object({ zone: z.string().min(1).max(100) });

const show = createRoute({
  ...shared,
  operationId: 'getFleet',
  method: 'get',
  path: `${prefix}/fleet`,
  summary: 'Show how many brokers there should be, and why',
  responses: { 200: json(scalingSchema, 'The last decision.'), ...problems },
});

const scale = createRoute({
  ...shared,
  operationId: 'scaleFleet',
  method: 'post',
  path: `${prefix}/fleet/scale`,
  summary: 'Set the number of brokers, or let the load decide it',
  request: {
    body: body(fleetScaleSchema),
  },
  responses: { 200: json(scalingSchema, 'The decision that this leads to.'), ...problems },
});

const restart = createRoute({
  ...shared,
  operationId: 'restartFleet',
  method: 'post',
  path: `${prefix}/fleet/restart`,
  summary: 'Restart all brokers, one after the other; answers when the last one serves',
  responses: {
    200: json(z.object({ items: z.array(brokerSchema) }).openapi('RestartedBrokers'), 'All of them.'),
    ...problems,
  },
});

const evacuate = createRoute({
  ...shared,
  operationId: 'evacuateZone',
  method: 'post',
  path: `${prefix}/zones/{zone}/evacuate`,
  summary: 'Move everything out of a zone and keep it empty; answers when that is done',
  request: { params: zoneParams },
  responses: {
    200: json(drainedZoneSchema, 'The zone is evacuated, as far as other zones could take over its partitions.'),
    ...problems,
  },
});

const restore = createRoute({
  ...shared,
  operationId: 'restoreZone',
  method: 'post',
  path: `${prefix}/zones/{zone}/restore`,
  summary: 'Let the brokers of a zone own partitions again',
  request: { params: zoneParams },
  responses: { 200: json(drainedZoneSchema, 'The zone.'), ...problems },
});

export function fleetRoutes(app: AdminApp, { fleet }: AdminContext): void {
  app.openapi(show, (c) => {
    const scaling = fleet.scaling();
    if (!scaling) throw new Overloaded('no controller has decided the size of the fleet yet: try again in a moment');
    return c.json(scalingShown(scaling), 200);
  });
  app.openapi(scale, async (c) => {
    const { brokers } = c.req.valid('json');
    const most = fleet.scaling()?.brokersMax ?? Infinity;
    if (brokers !== null && brokers > most) {
      const advice = 'restart the controller with a larger --brokers-max';
      throw new InvalidRequest('brokers', `${brokers} is more than the largest number of brokers, ${most}: ${advice}`);
    }
    return c.json(scalingShown(await fleet.scaleFleet(brokers ?? undefined)), 200);
  });
  app.openapi(restart, async (c) => {
    await fleet.restartBrokers();
    return c.json({ items: [...fleet.brokers()] }, 200);
  });
  app.openapi(evacuate, async (c) => {
    const { zone } = c.req.valid('param');
    return c.json({ zone, evacuated: true, partitionsLeft: await fleet.evacuateZone(zone) }, 200);
  });
  app.openapi(restore, async (c) => {
    const { zone } = c.req.valid('param');
    await fleet.restoreZone(zone);
    return c.json({ zone, evacuated: false, partitionsLeft: 0 }, 200);
  });
}

export function scalingShown(scaling: NonNullable<ReturnType<AdminContext['fleet']['scaling']>>) {
  return { ...scaling, evacuatedZones: [...scaling.evacuatedZones], shares: { ...scaling.shares } };
}
