/**
 * Failures as RFC 9457 problem documents: the control plane's one mapping from failure codes to HTTP. A bug of ours is a
 * 500 that names the request id and nothing else; the log has the rest.
 */
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { Failure, type FailureCode, InvalidRequest } from '../../engine/kernel/failure.ts';
import { NotFound, QuotaExceeded } from '../../tenancy/failures.ts';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly retryable: boolean;
  /** The part of the request that is wrong. */
  readonly field?: string;
  /** Every fault of the request's shape. */
  readonly faults?: readonly { readonly field: string; readonly message: string }[];
  readonly quota?: string;
  readonly used?: number;
  readonly limit?: number;
}

const statuses: Readonly<Record<FailureCode, readonly [status: number, title: string]>> = {
  'store-conflict': [409, 'Changed by someone else at the same time'],
  'store-throttled': [503, 'Metadata store is throttled'],
  'store-unavailable': [503, 'Metadata store is unavailable'],
  'store-ambiguous': [503, 'The outcome is not known'],
  'store-limit': [413, 'Too large for the metadata store'],
  'disk-full': [507, 'Disk is full'],
  'disk-fault': [503, 'Disk has failed'],
  'data-corrupt': [500, 'Stored data is damaged'],
  'link-closed': [503, 'Broker is unavailable'],
  'not-owner': [503, 'Partition is moving'],
  'owner-unavailable': [503, 'Partition is unavailable'],
  fenced: [503, 'Broker is being replaced'],
  overloaded: [503, 'Overloaded'],
  'shutting-down': [503, 'Shutting down'],
  'malformed-frame': [400, 'Malformed'],
  'unsupported-version': [400, 'Unsupported version'],
  unauthenticated: [401, 'Unauthenticated'],
  forbidden: [403, 'Forbidden'],
  'not-found': [404, 'Not found'],
  'already-exists': [409, 'Already exists'],
  'quota-exceeded': [429, 'Quota exceeded'],
  'invalid-request': [400, 'Invalid request'],
  'cursor-invalid': [400, 'Invalid cursor'],
};

/** Seconds that a caller is asked to wait when a failure is retryable and says no time of its own. */
const retryAfterSeconds = 1;

export interface ProblemReply {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

/** Pure. Undefined for what is no failure of the world: a bug. */
export function problemOf(error: unknown, requestId: string): ProblemReply | undefined {
  if (error instanceof Failure) return failureProblem(error, requestId);
  if (error instanceof HTTPException) {
    const code = error.status === 413 ? 'body-too-large' : 'invalid-request';
    return { problem: problem(error.status, 'Invalid request', error.message, code, requestId), headers: {} };
  }
  return undefined;
}

function failureProblem(error: Failure, requestId: string): ProblemReply {
  const [status, title] = statuses[error.code];
  const base = { ...problem(status, title, error.message, error.code, requestId), retryable: error.retryable };
  const headers: Record<string, string> = error.retryable ? { 'Retry-After': String(retryAfterSeconds) } : {};
  if (error.code === 'unauthenticated') headers['WWW-Authenticate'] = 'Bearer realm="headgate control plane"';
  if (error instanceof InvalidRequest) return { problem: { ...base, field: error.field }, headers };
  if (error instanceof QuotaExceeded) {
    const { quota, used, limit, retryAfterMs } = error;
    if (retryAfterMs > 0) headers['Retry-After'] = String(Math.ceil(retryAfterMs / 1000));
    return { problem: { ...base, quota, used, limit }, headers };
  }
  return { problem: base, headers };
}

export function problem(status: number, title: string, detail: string, code: string, requestId: string): Problem {
  return { type: `urn:headgate:problem:${code}`, title, status, detail, code, requestId, retryable: false };
}

export function problemResponse(reply: ProblemReply): Response {
  return new Response(JSON.stringify(reply.problem), {
    status: reply.problem.status,
    headers: { 'Content-Type': 'application/problem+json', ...reply.headers },
  });
}

interface ShapeIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What the schemas found wrong with a request. */
export function shapeProblem(issues: readonly ShapeIssue[], requestId: string): ProblemReply {
  const faults = issues.map(({ path, message }) => ({ field: path.map(String).join('.'), message }));
  const first = faults[0];
  const detail = first ? `${first.field || 'body'}: ${first.message}` : 'the request has the wrong shape';
  const base = problem(400, 'Invalid request', detail, 'invalid-request', requestId);
  return { problem: { ...base, ...(first && { field: first.field }), faults }, headers: {} };
}

export function notFoundResponse(c: Context, requestId: string): Response {
  return problemResponse(failureProblem(new NotFound('route', `${c.req.method} ${c.req.path}`), requestId));
}
