/**
 * For probes and scrapers: open, and without anything that would help someone who has no key. Figures of single clusters
 * are given only to a scraper with the key, because anyone who reaches the port may be one of the tenants.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { Unauthenticated } from '../../../tenancy/failures.ts';
import type { HasKey } from '../authenticate.ts';
import type { AdminContext } from '../options.ts';
import type { Metrics } from '../metrics.ts';
import { type AdminApp, json } from './route.ts';

const health = createRoute({
  operationId: 'isAlive',
  security: [],
  method: 'get',
  path: '/healthz',
  tags: ['Health'],
  summary: 'Tell that the process runs',
  responses: { 200: json(z.object({ status: z.literal('ok') }).openapi('Health'), 'It runs.') },
});

const readiness = z
  .object({ status: z.enum(['ready', 'not-ready']), reasons: z.array(z.string()) })
  .openapi('Readiness');

const ready = createRoute({
  operationId: 'isReady',
  security: [],
  method: 'get',
  path: '/readyz',
  tags: ['Health'],
  summary: 'Tell whether the doors can serve and records can be stored',
  responses: {
    200: json(readiness, 'They can. `reasons`: what is wrong with single brokers.'),
    503: json(readiness, 'They cannot, and why.'),
  },
});

const metricsRoute = createRoute({
  operationId: 'getMetrics',
  security: [{}, { adminKey: [] }],
  method: 'get',
  path: '/metrics',
  tags: ['Health'],
  summary: 'Show metrics for Prometheus; with the admin key also those of single clusters',
  responses: {
    200: {
      description: "Prometheus' text format, or OpenMetrics 1.0 for a scraper that prefers it.",
      content: { 'text/plain': { schema: z.string() }, 'application/openmetrics-text': { schema: z.string() } },
    },
  },
});

export function healthRoutes(app: AdminApp, { readiness: state }: AdminContext, metrics: Metrics, has: HasKey): void {
  app.openapi(health, (c) => c.json({ status: 'ok' as const }, 200));
  app.openapi(ready, async (c) => {
    const { isReady, reasons } = await state.look();
    if (isReady) return c.json({ status: 'ready' as const, reasons: [...reasons] }, 200);
    return c.json({ status: 'not-ready' as const, reasons: [...reasons] }, 503);
  });
  app.openapi(metricsRoute, async (c) => {
    const header = c.req.header('Authorization');
    // A wrong key is reported: fewer series would look as if there were no clusters.
    if (header !== undefined && !has(header)) throw new Unauthenticated();
    await state.look();
    const { text, type } = await metrics.scrape(c.req.header('Accept'), header !== undefined);
    return c.body(text, 200, { 'Content-Type': type });
  });
}
