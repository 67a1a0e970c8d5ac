/** Requests that no route takes: an unknown path, or a method that the path does not have. */
import type { Context } from 'hono';
import { problem } from '../http/failures.ts';
import { problemResponse } from './problems.ts';
import type { AdminApp, AdminEnv } from './routes/route.ts';

export function nothingHere(app: AdminApp, c: Context<AdminEnv>): Response {
  const { method, path } = c.req;
  const allowed = methodsOf(app, path);
  if (allowed.length === 0) {
    const detail = `there is no ${method} ${path}: GET /docs lists what there is, and topics and records have a port of their own`;
    return problemResponse(problem('not-found', detail, { kind: 'path' }), c.get('requestId'));
  }
  const allow = allowed.join(', ');
  const answer = problem('method-not-allowed', `${path} does not accept ${method}: use ${allow}`);
  const response = problemResponse(answer, c.get('requestId'));
  response.headers.set('Allow', allow);
  return response;
}

/** Asks the router itself, which also matches the handlers before every route (method ALL). */
function methodsOf(app: AdminApp, path: string): string[] {
  const methods = [...new Set(app.routes.map((route) => route.method))].filter((method) => method !== 'ALL');
  const allowed = methods.filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method !== 'ALL'),
  );
  return allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).sort();
}
