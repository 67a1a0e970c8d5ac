/** The control plane has one key. It is compared by hash in constant time, so that neither its bytes nor its length leak. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import { Unauthenticated } from '../../tenancy/failures.ts';

/** Whether an Authorization header holds the key. */
export type HasKey = (header: string | undefined) => boolean;

export function hasKey(adminKey: string): HasKey {
  const expected = hash(adminKey);
  return (header) => {
    const given = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(header ?? '')?.[1];
    // An empty key would admit every caller without one, so it admits nobody.
    return adminKey !== '' && given !== undefined && timingSafeEqual(hash(given), expected);
  };
}

/** `known`: called for each request with the key, unless it came through no socket. */
export function requireAdminKey(
  has: HasKey,
  known: (bindings: HttpBindings) => void,
): MiddlewareHandler<{ Bindings: Partial<HttpBindings> }> {
  return async (c, next) => {
    if (!has(c.req.header('Authorization')))
      throw new Unauthenticated('the admin key is missing or wrong: send `Authorization: Bearer <admin key>`');
    if (c.env?.incoming) known(c.env as HttpBindings);
    await next();
  };
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
