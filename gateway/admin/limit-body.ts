/**
 * Bounds request bodies. Not hono's body-limit: it makes requests anew with the global Request, which does not take those
 * of the node adapter unless that one replaces the globals of the whole process.
 */
import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';

export function limitBody(bytesMax: number): MiddlewareHandler {
  return async (c, next) => {
    // Of a body without a length nobody knows when it ends, and no document of this API needs one.
    if (c.req.header('Transfer-Encoding') !== undefined) {
      throw new HTTPException(411, { message: 'send the body with a Content-Length' });
    }
    if (Number(c.req.header('Content-Length') ?? 0) > bytesMax) throw new HTTPException(413);
    // hono keeps the text for the route's own read.
    if (c.req.method !== 'GET' && (await c.req.text()).length > bytesMax) throw new HTTPException(413);
    await next();
  };
}
