import { jsonWeightMax } from '../operations/json-weight.ts';

/**
 * Why the server closes a socket. 4xxx codes follow HTTP's numbers. `reconnect`: a client should connect again (with a
 * pause and jitter) and resume from its cursors; otherwise something must change first.
 */
export interface CloseCode {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: boolean;
}

export const closeCodes = {
  malformed: { code: 4400, reason: 'malformed message', reconnect: false },
  unknownQuery: { code: 4400, reason: 'the URL takes no query parameter but ticket', reconnect: false },
  unauthenticated: { code: 4401, reason: 'API key missing, unknown or revoked', reconnect: false },
  forbidden: { code: 4403, reason: 'the cluster is not in service', reconnect: false },
  tooManyValues: {
    code: 4413,
    reason: `more than ${jsonWeightMax} values, where an object or an array counts as four`,
    reconnect: false,
  },
  slowConsumer: { code: 4408, reason: 'the client does not read its answers', reconnect: true },
  quota: { code: 4429, reason: 'connection quota exceeded', reconnect: true },
  internal: { code: 4500, reason: 'internal error', reconnect: true },
  goingAway: { code: 4503, reason: 'going away', reconnect: true },
} as const satisfies Readonly<Record<string, CloseCode>>;
