/** API keys of a cluster. Only the answer that creates a secret contains it, so those answers are never cached. */
import { createRoute, z } from '@hono/zod-openapi';
import { rotationGraceMsMax } from '../../../tenancy/access/keys.ts';
import { keyNameLengthMax } from '../../../tenancy/names.ts';
import type { AdminContext } from '../options.ts';
import { pageOf } from '../pages.ts';
import { issuedKeySchema, keySchema, pageQuery, pageSchema } from '../schemas.ts';
import { clusterOf } from '../views.ts';
import { type AdminApp, body, clusterParams, json, noContent, prefix, problems, security } from './route.ts';

const shared = { tags: ['Keys'], security };
const path = `${prefix}/clusters/{clusterId}/keys` as const;
const keyParams = clusterParams.extend({ keyId: z.string().min(1).max(64) });
const newKey = z
  .strictObject({ name: z.string().openapi({ minLength: 1, maxLength: keyNameLengthMax }) })
  .openapi('NewKey');
const rotation = z
  .strictObject({
    graceMs: z
      .number()
      .int()
      .min(0)
      .default(0)
      .openapi({ maximum: rotationGraceMsMax, description: 'How long the old key keeps working.' }),
  })
  .openapi('KeyRotation');

const list = createRoute({
  ...shared,
  operationId: 'listKeys',
  method: 'get',
  path,
  summary: 'List the keys of a cluster',
  request: { params: clusterParams, query: pageQuery },
  responses: { 200: json(pageSchema(keySchema, 'Keys'), 'A page, without secrets.'), ...problems },
});

const create = createRoute({
  ...shared,
  operationId: 'createKey',
  method: 'post',
  path,
  summary: 'Create a key; its secret is shown once',
  request: { params: clusterParams, body: body(newKey) },
  responses: { 201: json(issuedKeySchema, 'The key with its secret.'), ...problems },
});

const rotate = createRoute({
  ...shared,
  operationId: 'rotateKey',
  method: 'post',
  path: `${path}/{keyId}/rotate`,
  summary: 'Replace a key with a new one of the same name',
  request: { params: keyParams, body: body(rotation) },
  responses: { 201: json(issuedKeySchema, 'The new key with its secret.'), ...problems },
});

const revoke = createRoute({
  ...shared,
  operationId: 'revokeKey',
  method: 'delete',
  path: `${path}/{keyId}`,
  summary: 'Revoke a key and close the connections that it opened',
  request: { params: keyParams },
  responses: { 204: noContent, ...problems },
});

export function keyRoutes(app: AdminApp, { context }: AdminContext): void {
  const { tenancy } = context;
  app.openapi(list, (c) => {
    const { clusterId } = clusterOf(context, c.req.valid('param').clusterId);
    const page = pageOf(
      tenancy.keys(clusterId),
      { parts: ['number', 'string'], keyOf: (k) => [k.createdAtMs, k.keyId] },
      ({ expiresAtMs, ...key }) => ({ ...key, expiresAtMs: expiresAtMs ?? null }),
      c.req.valid('query'),
    );
    return c.json(page, 200);
  });
  app.openapi(create, async (c) => {
    const issued = await tenancy.issueKey(c.req.valid('param').clusterId, c.req.valid('json').name);
    return c.json(issued, 201);
  });
  app.openapi(rotate, async (c) => {
    const { clusterId, keyId } = c.req.valid('param');
    return c.json(await tenancy.rotateKey(clusterId, keyId, c.req.valid('json').graceMs), 201);
  });
  app.openapi(revoke, async (c) => {
    const { clusterId, keyId } = c.req.valid('param');
    await tenancy.revokeKey(clusterId, keyId);
    return c.body(null, 204);
  });
}
