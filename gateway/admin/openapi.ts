/** The OpenAPI 3.1 description of the control plane, with that of the HTTP door, which listens on another port. */
import { assert } from '../../engine/kernel/assert.ts';
import { dataPlaneOpenapi } from '../http/openapi.ts';
import type { AdminApp } from './routes/route.ts';

const about = `Tenants, clusters, keys, topics and groups, and the fleet of brokers below them. Everything under
\`/admin/v1\` takes the admin key as \`Authorization: Bearer …\`. Errors are problem documents (RFC 9457) with a stable \`code\`.`;

export function openapiDocument(app: AdminApp): (httpAddress: string | undefined) => Readonly<Record<string, unknown>> {
  app.openAPIRegistry.registerComponent('securitySchemes', 'adminKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'The admin key, which the first start of `headgate serve` created.',
  });
  const own = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Headgate', version: '1', description: about },
    servers: [{ url: '/', description: 'The control plane that served this document.' }],
    tags: ['Tenants', 'Clusters', 'Keys', 'Topics', 'Groups', 'Fleet', 'Health'].map((name) => ({ name })),
  });
  const { schemas, securitySchemes } = dataPlaneOpenapi.components;
  const ownSchemas = own.components?.schemas ?? {};
  for (const name of Object.keys(schemas)) assert(!Object.hasOwn(ownSchemas, name), `two schemas are named ${name}`);
  const components = {
    ...own.components,
    schemas: { ...ownSchemas, ...schemas },
    securitySchemes: { ...own.components?.securitySchemes, ...securitySchemes },
  };
  return (httpAddress) => {
    const servers = doorServers(httpAddress);
    const doorPaths = Object.entries(dataPlaneOpenapi.paths).map(([path, item]) => [
      path,
      { ...(item as object), servers },
    ]);
    return { ...own, paths: { ...own.paths, ...Object.fromEntries(doorPaths) }, components };
  };
}

/**
 * Where the data plane is. Generated clients use the first entry as it stands; callers that use another address fill in the
 * second.
 */
function doorServers(address: string | undefined): readonly object[] {
  const elsewhere = { url: '{address}', variables: { address: { default: address ?? 'http://127.0.0.1:8080' } } };
  return address === undefined ? [elsewhere] : [{ url: address }, elsewhere];
}
