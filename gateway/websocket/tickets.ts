/**
 * Tickets for clients that cannot set headers (browsers): a signed text, valid once and for a short time, in the URL in
 * place of the API key, which would end up in logs. Single use is enforced in this process's memory, of which one cluster's
 * tickets may fill half. A ticket signed with a secret that several gateways share could be used once at each.
 */
import { jwtVerify, SignJWT } from 'jose';
import { Unauthenticated } from '../../tenancy/failures.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import { ClusterShares } from '../cluster-shares.ts';
import type { GatewayContext } from '../context.ts';

const audience = 'headgate-websocket';
const secretBytes = 32;

type TicketContext = Pick<GatewayContext, 'clock' | 'random' | 'tenancy'>;

export interface TicketSettings {
  readonly ticketMs: number;
  readonly ticketsUsedMax: number;
  readonly ticketSecret?: Uint8Array;
}

export class Tickets {
  readonly #context: TicketContext;
  readonly #settings: TicketSettings;
  readonly #secret: Uint8Array;
  /** Used tickets, oldest first, kept until they would have expired. */
  readonly #used = new Map<string, { readonly clusterId: string; readonly expiresMs: number }>();
  readonly #remembered: ClusterShares;

  constructor(context: TicketContext, settings: TicketSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#remembered = new ClusterShares(settings.ticketsUsedMax);
    this.#secret = settings.ticketSecret ?? context.random.bytes(secretBytes);
  }

  issue({ tenantId, clusterId, keyId }: Principal): Promise<string> {
    const { clock, random } = this.#context;
    const issuedS = Math.floor(clock.wallMs() / 1000);
    return new SignJWT({ tenantId, clusterId })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(keyId)
      .setAudience(audience)
      .setJti(random.bytes(16).toString('base64url'))
      .setIssuedAt(issuedS)
      .setExpirationTime(issuedS + Math.ceil(this.#settings.ticketMs / 1000))
      .sign(this.#secret);
  }

  /** Throws Unauthenticated: forged, expired, used, or its key no longer works. */
  async redeem(ticket: string): Promise<Principal> {
    const { clock, tenancy } = this.#context;
    const nowMs = clock.wallMs();
    const { payload } = await jwtVerify(ticket, this.#secret, {
      algorithms: ['HS256'],
      audience,
      currentDate: new Date(nowMs),
    }).catch(() => {
      throw new Unauthenticated();
    });
    const { sub: keyId, jti, exp, tenantId, clusterId } = payload;
    if (!keyId || !jti || !exp || typeof tenantId !== 'string' || typeof clusterId !== 'string')
      throw new Unauthenticated();
    this.#forget(nowMs);
    if (this.#used.has(jti) || !this.#remembered.tryTake(clusterId, 1)) throw new Unauthenticated();
    this.#used.set(jti, { clusterId, expiresMs: exp * 1000 });
    if (!tenancy.keys(clusterId).some((known) => known.keyId === keyId)) throw new Unauthenticated();
    return { tenantId, clusterId, keyId };
  }

  #forget(nowMs: number): void {
    for (const [jti, { clusterId, expiresMs }] of this.#used) {
      if (expiresMs > nowMs) return;
      this.#used.delete(jti);
      this.#remembered.give(clusterId, 1);
    }
  }
}
