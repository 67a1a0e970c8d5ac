/** The control plane has one key. It is compared by hash in constant time, so that neither its bytes nor its length leak. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import { Unauthenticated } from '../../tenancy/failures.ts';

/** `known`: told of each request with the key, unless it came through no socket. */
export function requireAdminKey(
  adminKey: string,
  known: (bindings: HttpBindings) => void,
): MiddlewareHandler<{ Bindings: Partial<HttpBindings> }> {
  const expected = hash(adminKey);
  return async (c, next) => {
    const given = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(c.req.header('Authorization') ?? '')?.[1];
    // An empty key would let everyone in who sends nothing: it lets nobody in.
    if (adminKey === '' || given === undefined || !timingSafeEqual(hash(given), expected)) throw new Unauthenticated();
    if (c.env?.incoming) known(c.env as HttpBindings);
    await next();
  };
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
