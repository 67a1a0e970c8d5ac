/** Shared by all routes: JSON bodies, problems, and the key. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { problemSchema, wholeNumber } from '../schemas.ts';

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

/** For changes: all members are optional, so the schema would accept a missing body as one that changes nothing. */
export const bodyNeeded: MiddlewareHandler<AdminEnv> = async (c, next) => {
  if ((await c.req.text()) === '') throw new InvalidRequest('body', 'send the changes as a JSON object');
  await next();
};

export const noContent = { description: 'Done.' };
export const security = [{ adminKey: [] }];

export const clusterParams = z.object({ clusterId: z.string().min(1).max(64) });
export const brokerParams = z.object({ brokerId: wholeNumber(0).openapi({ param: { required: true } }) });
