/**
 * Failures as RFC 9457 problem documents, using the HTTP door's mapping (gateway/http/failures.ts), so that a code means
 * the same on every port.
 */
import { HTTPException } from 'hono/http-exception';
import { type Problem, problem, problemOf } from '../http/failures.ts';

/** The caller's mistake before a route was reached, or undefined for an error that may be a bug. */
export function problemOfError(error: unknown): Problem {
  if (!(error instanceof HTTPException)) return problemOf(error);
  if (error.status === 413) return problem('body-too-large', 'the body is larger than this API accepts');
  if (error.status === 415)
    return problem('unsupported-media-type', 'send the body with Content-Type: application/json');
  return problem(error.message.includes('JSON') ? 'invalid-json' : 'invalid-request', error.message);
}

export function problemResponse(answer: Problem, requestId: string): Response {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (answer.status === 401) headers['WWW-Authenticate'] = 'Bearer realm="headgate control plane"';
  const waitMs = answer.retry_after_ms;
  if (waitMs !== undefined) headers['Retry-After'] = String(Math.max(1, Math.ceil(waitMs / 1000)));
  return new Response(JSON.stringify({ ...answer, instance: requestId }), { status: answer.status, headers });
}

interface ShapeIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The schema errors of a request: the first as `field`, all of them as `faults`. */
export function shapeProblem(issues: readonly ShapeIssue[]): Problem {
  const faults = issues.map(({ path, message }) => ({ field: path.map(String).join('.'), message }));
  const first = faults[0];
  const detail = first ? `${first.field || 'body'}: ${first.message}` : 'the request has the wrong shape';
  return problem('invalid-request', detail, { ...(first && { field: first.field }), faults });
}
