/**
 * Who a connection belongs to. SASL/PLAIN is the only mechanism: user name = key id, password = API key.
 *
 *   handshake ──SaslHandshake v1──► authenticating ──SaslAuthenticate──► ready
 *       └───────SaslHandshake v0──► raw-token ───────a bare token──────► ready
 *   authenticating, raw-token ──too many at once──► waiting ──its turn──► ready
 *   any ──refused, revoked, malformed, idle, shutting down──► closing
 *
 * Version 0 of the handshake is followed by the mechanism's own bytes in a frame without a Kafka header.
 */
import '../../engine/kernel/buffer.ts';
import { sleep } from '../../engine/kernel/clock.ts';
import { errorCode, errorName } from '../../engine/protocol/error-codes.ts';
import type { ClusterLimits, Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';

export const mechanism = 'PLAIN';

export type Session =
  | { readonly state: 'handshake' }
  | { readonly state: 'raw-token' }
  | { readonly state: 'authenticating' }
  /** Counted, and not answered until its turn among the cluster's attempts. */
  | { readonly state: 'waiting'; readonly principal: Principal }
  | { readonly state: 'ready'; readonly principal: Principal }
  | { readonly state: 'closing' };

export type LoginResult = { readonly ok: true } | LoginRefused;

interface LoginRefused {
  readonly ok: false;
  /**
   * `quota` set: THROTTLING_QUOTA_EXCEEDED (89). The credentials are right, but the cluster has no room for the connection.
   * SASL_AUTHENTICATION_FAILED would stop a Java client for good; with this code it reports the reason and retries.
   */
  readonly errorCode: number;
  readonly message: string;
  readonly quota?: keyof ClusterLimits;
}

/** When all clients of a cluster reconnect at once each waits for its turn, and only those further behind are refused. */
const attemptWaitMsMax = 5_000;

export interface LoginEvents {
  ready(principal: Principal): void;
  /** The connection must be closed after the answer has left. */
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

  /** Gives back what `ready` took. Nothing is accepted afterwards. */
  end(): void {
    if (this.#session.state === 'ready' || this.#session.state === 'waiting') {
      this.#context.tenancy.limiter.disconnect(this.#session.principal.clusterId);
    }
    this.#session = { state: 'closing' };
  }

  /** The Kafka error code of the SaslHandshake. */
  handshake(version: number, wanted: string): number {
    if (this.#session.state !== 'handshake' && this.#session.state !== 'authenticating') {
      return errorCode.illegalSaslState;
    }
    if (wanted !== mechanism) return errorCode.unsupportedSaslMechanism;
    this.#session = { state: version === 0 ? 'raw-token' : 'authenticating' };
    return errorCode.none;
  }

  authenticate(token: Uint8Array): Promise<LoginResult> | LoginResult {
    const { state } = this.#session;
    if (state !== 'authenticating' && state !== 'raw-token') {
      return { ok: false, errorCode: errorCode.illegalSaslState, message: 'SaslHandshake comes first, and once' };
    }
    const principal = this.#judge(token);
    if ('ok' in principal) return this.#refuse(principal);
    const { tenancy, clock } = this.#context;
    const admission = tenancy.limiter.connect(principal.clusterId, clock.monotonicMs(), attemptWaitMsMax);
    if ('refused' in admission) {
      const { refused: quota } = admission;
      return this.#refuse({
        ok: false,
        errorCode: errorCode.throttlingQuotaExceeded,
        message: `Quota exceeded: ${quota}`,
        quota,
      });
    }
    this.#session = { state: 'waiting', principal };
    return admission.delayMs === 0 ? this.#begin(principal) : this.#beginLater(token, admission.delayMs);
  }

  #begin(principal: Principal): LoginResult {
    this.#session = { state: 'ready', principal };
    this.#events.ready(principal);
    return { ok: true };
  }

  /** Meanwhile the connection may end, and so may the key or its cluster. */
  async #beginLater(token: Uint8Array, delayMs: number): Promise<LoginResult> {
    await sleep(this.#context.clock, delayMs);
    if (this.#session.state !== 'waiting') return refusal('the connection has ended');
    const principal = this.#judge(token);
    if (!('ok' in principal)) return this.#begin(principal);
    this.end();
    return this.#refuse(principal);
  }

  #refuse(result: LoginRefused): LoginResult {
    const { traffic } = this.#context;
    traffic.refused('kafka', errorName(result.errorCode));
    if (result.quota !== undefined) traffic.limited('kafka', result.quota);
    this.#session = { state: 'closing' };
    this.#events.refused(result);
    return result;
  }

  #judge(token: Uint8Array): Principal | LoginRefused {
    const { tenancy } = this.#context;
    const credentials = parsePlain(token);
    const principal = credentials && tenancy.access.authenticatePlain(credentials.username, credentials.password);
    if (!principal) return refusal('Authentication failed: the user name must be a key id, the password its API key');
    const cluster = tenancy.cluster(principal.clusterId);
    if (cluster?.state !== 'serving') {
      return refusal(`Authentication failed: the cluster is ${cluster?.state ?? 'gone'}`);
    }
    return principal;
  }
}

function refusal(message: string): LoginRefused {
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
