/** Tenants: list, create, get, delete. */
import { createRoute, z } from '@hono/zod-openapi';
import { NotFound } from '../../../tenancy/failures.ts';
import type { TenantView } from '../../../tenancy/tenancy.ts';
import type { AdminContext } from '../options.ts';
import { pageOf } from '../pages.ts';
import { newName, pageQuery, pageSchema, tenantSchema } from '../schemas.ts';
import { type AdminApp, body, json, noContent, prefix, problems, security } from './route.ts';

const shared = { tags: ['Tenants'], security };
const params = z.object({ tenantId: z.string().min(1).max(64) });
const newTenant = z.strictObject({ name: newName }).openapi('NewTenant');

const list = createRoute({
  ...shared,
  operationId: 'listTenants',
  method: 'get',
  path: `${prefix}/tenants`,
  summary: 'List tenants',
  request: { query: pageQuery },
  responses: { 200: json(pageSchema(tenantSchema, 'Tenants'), 'A page, in order of creation.'), ...problems },
});

const create = createRoute({
  ...shared,
  operationId: 'createTenant',
  method: 'post',
  path: `${prefix}/tenants`,
  summary: 'Create a tenant',
  request: { body: body(newTenant) },
  responses: { 201: json(tenantSchema, 'The tenant.'), ...problems },
});

const get = createRoute({
  ...shared,
  operationId: 'getTenant',
  method: 'get',
  path: `${prefix}/tenants/{tenantId}`,
  summary: 'Get a tenant',
  request: { params },
  responses: { 200: json(tenantSchema, 'The tenant.'), ...problems },
});

const remove = createRoute({
  ...shared,
  operationId: 'deleteTenant',
  method: 'delete',
  path: `${prefix}/tenants/{tenantId}`,
  summary: 'Delete a tenant that has no clusters',
  request: { params },
  responses: { 204: noContent, ...problems },
});

export function tenantRoutes(app: AdminApp, { context: { tenancy } }: AdminContext): void {
  const find = (tenantId: string): TenantView => {
    const tenant = tenancy.tenants().find((t) => t.tenantId === tenantId);
    if (!tenant) throw new NotFound('tenant', tenantId);
    return tenant;
  };
  app.openapi(list, (c) => {
    const page = pageOf(
      tenancy.tenants(),
      { parts: ['number', 'string'], keyOf: (t) => [t.createdAtMs, t.tenantId] },
      (t) => t,
      c.req.valid('query'),
    );
    return c.json(page, 200);
  });
  app.openapi(create, async (c) => c.json(await tenancy.createTenant(c.req.valid('json').name), 201));
  app.openapi(get, (c) => c.json(find(c.req.valid('param').tenantId), 200));
  app.openapi(remove, async (c) => {
    await tenancy.deleteTenant(c.req.valid('param').tenantId);
    return c.body(null, 204);
  });
}
