/**
 * Query parameters that a route of the control plane does not declare are refused by name, as tenants' doors do: with
 * `?tenant=acme` ignored, a script that means `tenantId` goes on with the clusters of everybody.
 */
import { z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { type KnownQuery, noQuery, refuseUnknownQuery } from '../http/known-query.ts';
import type { AdminApp, AdminEnv } from './routes/route.ts';

/** EventSource polyfills repeat the id of their Last-Event-ID header here. */
const polyfills = ['lastEventId'];

export function refuseUnknownParameters(app: AdminApp): MiddlewareHandler<AdminEnv> {
  // The routes come after this handler, so they are listed at the first request.
  let known: ReadonlyMap<string, KnownQuery> | undefined;
  return async (c, next) => {
    const url = new URL(c.req.url);
    if (url.search !== '') {
      known ??= declared(app);
      const route = matchedRoutes(c).find(({ method }) => method !== 'ALL');
      // Without a route the answer is that there is none.
      if (route) {
        const query = known.get(keyOf(route.method, route.path)) ?? noQuery;
        refuseUnknownQuery({ queryString: url.search, query: () => url.searchParams }, query);
      }
    }
    await next();
  };
}

function declared(app: AdminApp): Map<string, KnownQuery> {
  const known = new Map<string, KnownQuery>();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { method, path, request } = definition.route;
    const names = request?.query instanceof z.ZodObject ? Object.keys(request.query.shape) : [];
    const unlisted = path.endsWith('/stream') ? polyfills : [];
    known.set(keyOf(method, path.replace(/\{(\w+)\}/g, ':$1')), { names, unlisted });
  }
  return known;
}

function keyOf(method: string, path: string): string {
  return `${method.toUpperCase()} ${path}`;
}
