/**
 * Who is calling. A key works while its row exists, it has not expired, and its cluster exists. Whether the cluster serves
 * is for the doors to ask: the holder of a right key is told that the cluster is suspended, not that the key is wrong. When
 * any of these ends, the key leaves the cache and the doors are told, which close everything it opened.
 *
 *   row removed here or elsewhere  -> keyChanged
 *   end of a rotation's grace      -> a timer of this process; the first process to notice removes the row
 *   cluster suspended or deleted   -> clusterStopped
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock, Timer } from '../../engine/kernel/clock.ts';
import type { ApiKeyRow } from '../rows/api-key.ts';
import type { Access, Principal } from '../tenancy.ts';
import { hashSecret, parseApiKey } from './api-key-text.ts';
import { VerifiedKeys } from './verified-keys.ts';

interface LiveKey {
  readonly row: ApiKeyRow;
  readonly hash: Buffer;
}

/** The wall clock may jump while a timer runs, so a distant expiry is checked again from time to time. */
const expiryLookMsMax = 60_000;
const noHash = Buffer.alloc(32);

export interface KeyAccessOptions {
  readonly clock: Clock;
  readonly verifiedKeysMax: number;
  /** The tenant of the cluster, whether or not it serves; undefined when there is no such cluster. */
  tenantOf(clusterId: string): string | undefined;
  /** Called when a key expires on this process: its row can be removed. */
  expired(keyId: string): void;
}

export class KeyAccess implements Access {
  readonly #options: KeyAccessOptions;
  readonly #keys = new Map<string, LiveKey>();
  readonly #keysOfCluster = new Map<string, Set<string>>();
  readonly #verified: VerifiedKeys;
  readonly #expiries = new Map<string, Timer>();
  readonly #listeners = new Set<(keyId: string) => void>();

  constructor(options: KeyAccessOptions) {
    this.#options = options;
    this.#verified = new VerifiedKeys(options.verifiedKeysMax);
  }

  authenticate(apiKey: string): Principal | undefined {
    return this.#verified.get(apiKey) ?? this.#verify(apiKey);
  }

  authenticatePlain(username: string, password: string): Principal | undefined {
    const principal = this.authenticate(password);
    return principal?.keyId === username ? principal : undefined;
  }

  onRevoked(listener: (keyId: string) => void): () => void {
    // A function of its own, because the same listener may be registered twice.
    const own = (keyId: string): void => listener(keyId);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  keyIds(clusterId: string): Iterable<string> {
    return this.#keysOfCluster.get(clusterId) ?? [];
  }

  keyCount(clusterId: string): number {
    return this.#keysOfCluster.get(clusterId)?.size ?? 0;
  }

  /** A row has appeared, changed, or gone (undefined). */
  keyChanged(keyId: string, row: ApiKeyRow | undefined): void {
    const known = this.#keys.get(keyId);
    if (row === undefined) {
      if (!known) return;
      this.#keys.delete(keyId);
      this.#leaveCluster(known.row.clusterId, keyId);
      const expiry = this.#expiries.get(keyId);
      expiry?.cancel();
      this.#expiries.delete(keyId);
      // A key with an expiry and no timer: its grace is over, and that was announced already.
      if (expiry || known.row.expiresAtMs === 0) this.#end(keyId);
      return;
    }
    this.#keys.set(keyId, { row, hash: Buffer.from(row.secretHash, 'hex') });
    const ofCluster = this.#keysOfCluster.get(row.clusterId);
    if (ofCluster) ofCluster.add(keyId);
    else this.#keysOfCluster.set(row.clusterId, new Set([keyId]));
    this.#expiries.get(keyId)?.cancel();
    this.#expiries.delete(keyId);
    if (row.expiresAtMs > 0) this.#awaitExpiry(keyId, row.expiresAtMs);
  }

  /** The cluster no longer serves. */
  clusterStopped(clusterId: string): void {
    for (const keyId of this.keyIds(clusterId)) this.#end(keyId);
  }

  close(): void {
    for (const timer of this.#expiries.values()) timer.cancel();
    this.#expiries.clear();
    this.#listeners.clear();
  }

  #verify(apiKey: string): Principal | undefined {
    const parsed = parseApiKey(apiKey);
    if (!parsed) return undefined;
    const key = this.#keys.get(parsed.keyId);
    // An unknown id is compared as well, so that the response time does not reveal which ids exist.
    const equal = timingSafeEqual(hashSecret(parsed.secret), key?.hash ?? noHash);
    if (!key || !equal || this.#isOver(key.row)) return undefined;
    const tenantId = this.#options.tenantOf(key.row.clusterId);
    if (tenantId === undefined) return undefined;
    const principal: Principal = Object.freeze({ tenantId, clusterId: key.row.clusterId, keyId: parsed.keyId });
    this.#verified.add(apiKey, principal);
    return principal;
  }

  #isOver(row: ApiKeyRow): boolean {
    return row.expiresAtMs > 0 && this.#options.clock.wallMs() >= row.expiresAtMs;
  }

  #awaitExpiry(keyId: string, expiresAtMs: number): void {
    const { clock } = this.#options;
    const delayMs = Math.min(expiryLookMsMax, Math.max(0, expiresAtMs - clock.wallMs()));
    const look = (): void => {
      if (clock.wallMs() < expiresAtMs) {
        this.#awaitExpiry(keyId, expiresAtMs);
        return;
      }
      this.#expiries.delete(keyId);
      this.#end(keyId);
      this.#options.expired(keyId);
    };
    this.#expiries.set(keyId, clock.after(delayMs, look, 'background'));
  }

  #end(keyId: string): void {
    this.#verified.forget(keyId);
    for (const listener of this.#listeners) listener(keyId);
  }

  #leaveCluster(clusterId: string, keyId: string): void {
    const ofCluster = this.#keysOfCluster.get(clusterId);
    ofCluster?.delete(keyId);
    if (ofCluster?.size === 0) this.#keysOfCluster.delete(clusterId);
  }
}
