/** What all routes have in common: JSON bodies, problems, and the key. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { problemSchema } from '../schemas.ts';

export interface AdminEnv {
  Variables: { requestId: string };
}

export type AdminApp = OpenAPIHono<AdminEnv>;

export const prefix = '/admin/v1';

export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } };
}

export function body<T extends z.ZodType>(schema: T) {
  return { required: true, content: { 'application/json': { schema } } };
}

export const problems = {
  default: {
    description: 'A problem (RFC 9457).',
    content: { 'application/problem+json': { schema: problemSchema } },
  },
} as const;

export const noContent = { description: 'Done.' };
export const security = [{ adminKey: [] }];

export const clusterParams = z.object({ clusterId: z.string().min(1).max(64) });
