/**
 * Who sent an Authorization header. The header's text is the key of a cache, so that the hot path is one Map lookup, without
 * taking the header apart or hashing the key; a key that stops working leaves the cache at once. A Map finds by the text's hash: a
 * comparison with what came last would be quicker by nothing that shows, and ends at the first byte that differs.
 */
import { Unauthenticated } from '../../tenancy/failures.ts';
import type { Access, Principal } from '../../tenancy/tenancy.ts';

const headersCachedMax = 10_000;

export class Credentials {
  readonly #access: Access;
  readonly #cached = new Map<string, Principal>();
  readonly #stop: () => void;

  constructor(access: Access) {
    this.#access = access;
    this.#stop = access.onRevoked((keyId) => {
      for (const [header, principal] of this.#cached) if (principal.keyId === keyId) this.#cached.delete(header);
    });
  }

  close(): void {
    this.#stop();
  }

  /** Throws Unauthenticated. */
  ofHeader(header: string | undefined): Principal {
    if (header === undefined) throw new Unauthenticated();
    const known = this.#cached.get(header);
    if (known) return known;
    const principal = this.#check(header);
    if (!principal) throw new Unauthenticated();
    // Oldest out: those in use come back with one check.
    if (this.#cached.size >= headersCachedMax) this.#cached.delete(this.#cached.keys().next().value!);
    this.#cached.set(header, principal);
    return principal;
  }

  /** Throws Unauthenticated. */
  ofKey(apiKey: string): Principal {
    const principal = this.#access.authenticate(apiKey);
    if (!principal) throw new Unauthenticated();
    return principal;
  }

  #check(header: string): Principal | undefined {
    const match = /^(bearer|basic) +(\S+)$/i.exec(header);
    const [, scheme, text] = match ?? [];
    if (scheme === undefined || text === undefined) return undefined;
    if (scheme.toLowerCase() === 'bearer') return this.#access.authenticate(text);
    const pair = Buffer.from(text, 'base64').toString();
    const colon = pair.indexOf(':');
    return colon < 0 ? undefined : this.#access.authenticatePlain(pair.slice(0, colon), pair.slice(colon + 1));
  }
}
