/**
 * Who a connection belongs to. SASL/PLAIN is the only mechanism: user name = key id, password = API key.
 *
 *   handshake ──SaslHandshake v1──► authenticating ──SaslAuthenticate──► ready
 *       └───────SaslHandshake v0──► raw-token ───────a bare token──────► ready
 *   any ──refused, revoked, malformed, idle, shutting down──► closing
 *
 * Version 0 of the handshake is followed by the mechanism's own bytes in a frame without a Kafka header.
 */
import '../../engine/kernel/buffer.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { ClusterLimits, Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';

export const mechanism = 'PLAIN';

export type Session =
  | { readonly state: 'handshake' }
  | { readonly state: 'raw-token' }
  | { readonly state: 'authenticating' }
  | { readonly state: 'ready'; readonly principal: Principal }
  | { readonly state: 'closing' };

export type LoginResult =
  | { readonly ok: true }
  /** `quota`: the credentials are right, the cluster has no room for the connection. */
  | { readonly ok: false; readonly errorCode: number; readonly message: string; readonly quota?: keyof ClusterLimits };

export interface LoginEvents {
  ready(principal: Principal): void;
  /** The connection is to be closed, after the answer has left. */
  refused(result: LoginResult): void;
}

export class Login {
  readonly #context: GatewayContext;
  readonly #events: LoginEvents;
  #session: Session = { state: 'handshake' };

  constructor(context: GatewayContext, events: LoginEvents) {
    this.#context = context;
    this.#events = events;
  }

  get session(): Session {
    return this.#session;
  }

  /** Gives back what `ready` took. Afterwards nothing is accepted. */
  end(): void {
    if (this.#session.state === 'ready') {
      this.#context.tenancy.limiter.disconnect(this.#session.principal.clusterId);
    }
    this.#session = { state: 'closing' };
  }

  /** Kafka error code of the SaslHandshake. */
  handshake(version: number, wanted: string): number {
    if (this.#session.state !== 'handshake' && this.#session.state !== 'authenticating') {
      return errorCode.illegalSaslState;
    }
    if (wanted !== mechanism) return errorCode.unsupportedSaslMechanism;
    this.#session = { state: version === 0 ? 'raw-token' : 'authenticating' };
    return errorCode.none;
  }

  authenticate(token: Uint8Array): LoginResult {
    const { state } = this.#session;
    if (state !== 'authenticating' && state !== 'raw-token') {
      return { ok: false, errorCode: errorCode.illegalSaslState, message: 'SaslHandshake comes first, and once' };
    }
    const result = this.#judge(token);
    if (!result.ok) {
      this.#session = { state: 'closing' };
      this.#events.refused(result);
    }
    return result;
  }

  #judge(token: Uint8Array): LoginResult {
    const { tenancy, clock } = this.#context;
    const credentials = parsePlain(token);
    const principal = credentials && tenancy.access.authenticatePlain(credentials.username, credentials.password);
    if (!principal) return refusal('Authentication failed: the user name must be a key id, the password its API key');
    const cluster = tenancy.cluster(principal.clusterId);
    if (cluster?.state !== 'serving') {
      return refusal(`Authentication failed: the cluster is ${cluster?.state ?? 'gone'}`);
    }
    const room = tenancy.limiter.connect(principal.clusterId, clock.monotonicMs());
    if (room !== true) return { ...refusal(`Quota exceeded: ${room}`), quota: room };
    this.#session = { state: 'ready', principal };
    this.#events.ready(principal);
    return { ok: true };
  }
}

function refusal(message: string): { ok: false; errorCode: number; message: string } {
  return { ok: false, errorCode: errorCode.saslAuthenticationFailed, message };
}

/** RFC 4616: [authzid] NUL authcid NUL passwd. An authorization id other than the user's own is not served. */
function parsePlain(token: Uint8Array): { username: string; password: string } | undefined {
  const parts = Buffer.from(token.buffer, token.byteOffset, token.length).utf8Slice().split('\0');
  const [authorizationId, username, password] = parts;
  if (parts.length !== 3 || !username || !password) return undefined;
  if (authorizationId !== '' && authorizationId !== username) return undefined;
  return { username, password };
}
