/**
 * The control plane as one function of requests, without a socket: routes, the key check before them, problem documents
 * behind them, and the OpenAPI document generated from the same schemas that check the requests.
 */
import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import { uuidOf, uuidText } from '../../engine/kernel/uuid.ts';
import { problemPage } from '../http/problem-kinds.ts';
import { hasKey, requireAdminKey } from './authenticate.ts';
import { consolePage } from './console-page.ts';
import { docsPage } from './docs-page.ts';
import { Followers } from './followers.ts';
import { limitBody } from './limit-body.ts';
import { createMetrics } from './metrics.ts';
import { nothingHere } from './nothing-here.ts';
import { openapiDocument } from './openapi.ts';
import { type AdminContext, adminLimitsDefault, type AdminOptions } from './options.ts';
import { problemOfError, problemResponse, shapeProblem } from './problems.ts';
import { refuseUnknownParameters } from './refuse-unknown-query.ts';
import { brokerRoutes } from './routes/brokers.ts';
import { clusterRoutes } from './routes/clusters.ts';
import { engineRoutes } from './routes/engine.ts';
import { eventRoutes } from './routes/events.ts';
import { fleetRoutes } from './routes/fleet.ts';
import { groupRoutes } from './routes/groups.ts';
import { healthRoutes } from './routes/health.ts';
import { keyRoutes } from './routes/keys.ts';
import { type AdminApp, type AdminEnv, prefix } from './routes/route.ts';
import { scrubRoutes } from './routes/scrub.ts';
import { tenantRoutes } from './routes/tenants.ts';
import { topicRoutes } from './routes/topics.ts';

export interface Admin {
  readonly app: AdminApp;
  /** Ends the event streams, which would otherwise never end, and the survey behind the metrics. */
  close(): void;
}

/** `known`: called for each request whose caller has the key, so that its connection counts as authenticated. */
export function createAdminApp(
  options: AdminOptions,
  known: (bindings: HttpBindings) => void = () => undefined,
): Admin {
  const admin: AdminContext = { ...options, limits: { ...adminLimitsDefault, ...options.limits } };
  const { context, limits, fleet } = admin;
  const app: AdminApp = new OpenAPIHono<AdminEnv>({
    defaultHook: (result, c) =>
      result.success ? undefined : problemResponse(shapeProblem(result.error.issues), c.get('requestId')),
  });
  const followers = new Followers(fleet, context.clock, limits);

  app.use(async (c, next) => {
    const given = c.req.header('X-Request-Id');
    const requestId = given && /^[\w.-]{1,64}$/.test(given) ? given : uuidText(uuidOf(context.random));
    c.set('requestId', requestId);
    await next();
    context.traffic.replied('admin', c.res.status);
    c.header('X-Request-Id', requestId);
    c.header('X-Content-Type-Options', 'nosniff');
    // Some answers hold secrets, and all of them describe the current moment.
    if (c.req.path.startsWith(prefix)) c.header('Cache-Control', 'no-store');
  });
  app.onError((error, c) => {
    const requestId = c.get('requestId');
    const answer = problemOfError(error);
    if (answer.code === 'internal') {
      context.log('admin-request-failed', { requestId, path: c.req.path, error: error.stack ?? error.message });
    }
    return problemResponse(answer, requestId);
  });
  app.notFound((c) => nothingHere(app, c));
  const has = hasKey(admin.adminKey);
  app.use(`${prefix}/*`, requireAdminKey(has, known));
  app.use(`${prefix}/*`, refuseUnknownParameters(app));
  app.use(`${prefix}/*`, limitBody(limits.bodyBytesMax));

  const metrics = createMetrics(admin);
  healthRoutes(app, admin, metrics, has);
  tenantRoutes(app, admin);
  clusterRoutes(app, admin);
  keyRoutes(app, admin);
  topicRoutes(app, admin);
  groupRoutes(app, admin);
  brokerRoutes(app, admin);
  fleetRoutes(app, admin);
  scrubRoutes(app, admin);
  engineRoutes(app, admin);
  eventRoutes(app, admin, followers);
  consolePage(app);
  docsPage(app);
  app.get('/problems/:code', (c) => {
    const page = problemPage(c.req.param('code'));
    return page === undefined ? c.notFound() : c.text(page);
  });
  const describe = openapiDocument(app);
  app.get('/openapi.json', (c) => c.json(describe(admin.httpAddress?.())));
  return {
    app,
    close() {
      followers.close();
      metrics.close();
    },
  };
}
