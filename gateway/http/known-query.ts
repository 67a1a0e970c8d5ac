/**
 * Which query parameters a route takes, each once. Others are refused by name: a misspelt `form=latest` or a second
 * `partition=` that is ignored reads something else than the caller meant, and nobody would know.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import type { RequestHead } from './servers/server.ts';

export interface KnownQuery {
  /** A refusal lists them. */
  readonly names: readonly string[];
  /** Refused by the route itself, with better advice. */
  readonly unlisted?: readonly string[];
}

export const noQuery: KnownQuery = { names: [] };

/** Throws InvalidRequest, whose field is the parameter. */
export function refuseUnknownQuery(
  request: Pick<RequestHead, 'queryString' | 'query'>,
  { names, unlisted = [] }: KnownQuery,
): void {
  if (request.queryString === '') return;
  const seen = new Set<string>();
  for (const name of request.query().keys()) {
    if (!names.includes(name) && !unlisted.includes(name)) {
      const known = names.length === 0 ? 'this request takes none' : `use ${names.join(', ')}`;
      throw new InvalidRequest(name, `unknown query parameter '${name}': ${known}`);
    }
    if (seen.has(name)) throw new InvalidRequest(name, `the query parameter '${name}' is given twice`);
    seen.add(name);
  }
}
