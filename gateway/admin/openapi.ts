/** The OpenAPI 3.1 description of the control plane. */
import type { AdminApp } from './routes/route.ts';

const about = `Tenants, clusters, keys, topics and groups, and the fleet under them. All of \`/admin/v1\` takes the admin key
as \`Authorization: Bearer …\`. What goes wrong is answered as a problem document (RFC 9457) whose \`code\` is stable.`;

export function openapiDocument(app: AdminApp): Readonly<Record<string, unknown>> {
  app.openAPIRegistry.registerComponent('securitySchemes', 'adminKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'The admin key that the first start of `headgate serve` made.',
  });
  return {
    ...app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: { title: 'Headgate control plane', version: '1', description: about },
      tags: ['Tenants', 'Clusters', 'Keys', 'Topics', 'Groups', 'Fleet', 'Health'].map((name) => ({ name })),
    }),
  };
}
