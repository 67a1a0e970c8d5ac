/**
 * Finds the caller behind an Authorization header. The cache is keyed by the header's text, so the hot path is one Map
 * lookup: it neither parses the header nor hashes the key. A key that stops working leaves the cache at once. A Map looks
 * up by the text's hash. Comparing with the previous header first would not be measurably faster, and such a comparison
 * ends at the first byte that differs.
 */
import { Unauthenticated } from '../../tenancy/failures.ts';
import type { Access, Principal } from '../../tenancy/tenancy.ts';

const headersCachedMax = 10_000;
const withScheme = /^(bearer|basic) +(\S+)$/i;
const noKey = 'the request names no API key: send the header `Authorization: Bearer <API key>`';

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
    if (header === undefined) throw new Unauthenticated(noKey);
    const known = this.#cached.get(header);
    if (known) return known;
    const principal = this.#check(header);
    if (!principal) throw new Unauthenticated(withScheme.test(header) ? undefined : noKey);
    // Evict the oldest: headers still in use come back with one check.
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
    const match = withScheme.exec(header);
    const [, scheme, text] = match ?? [];
    if (scheme === undefined || text === undefined) return undefined;
    if (scheme.toLowerCase() === 'bearer') return this.#access.authenticate(text);
    const pair = Buffer.from(text, 'base64').toString();
    const colon = pair.indexOf(':');
    return colon < 0 ? undefined : this.#access.authenticatePlain(pair.slice(0, colon), pair.slice(colon + 1));
  }
}
