/**
 * Creates, rotates and revokes API keys. Each change is durable before it takes effect here. A new key is written on
 * condition of the cluster row's version. Deletion changes that row before it lists the keys, so no key can slip in after
 * the listing.
 */
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { assert } from '../../engine/kernel/assert.ts';
import { StoreConflict, type StoreOp } from '../../engine/ports.ts';
import { getSurely, type Persistence, transactSurely } from '../../engine/store-surely.ts';
import { Forbidden, NotFound } from '../failures.ts';
import { checkKeyName } from '../names.ts';
import { type ApiKeyRow, apiKeyKey, decodeApiKey, encodeApiKey } from '../rows/api-key.ts';
import { clusterKey, decodeCluster } from '../rows/cluster.ts';
import type { IssuedKey, KeyView } from '../tenancy.ts';
import type { WatchedRows } from '../watched-rows.ts';
import { untilNoConflict } from '../write-rows.ts';
import type { KeyAccess } from './access.ts';
import { hashSecret, newApiKey, parseApiKey } from './api-key-text.ts';

/** One year. A longer grace would mean that the key was never rotated. */
export const rotationGraceMsMax = 366 * 24 * 3_600_000;

export interface KeysOptions {
  readonly persistence: Persistence;
  readonly rows: WatchedRows<ApiKeyRow>;
  readonly access: KeyAccess;
  readonly storeWaitMsMax: number;
  readonly keysPerClusterMax: number;
}

export class Keys {
  readonly #options: KeysOptions;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  /** In order of creation, without expired keys. */
  list(clusterId: string): KeyView[] {
    const nowMs = this.#options.persistence.clock.wallMs();
    const views: KeyView[] = [];
    for (const keyId of this.#options.access.keyIds(clusterId)) {
      const row = this.#options.rows.get(keyId)?.value;
      if (!row || (row.expiresAtMs > 0 && row.expiresAtMs <= nowMs)) continue;
      const { name, createdAtMs, expiresAtMs } = row;
      views.push({ keyId, name, createdAtMs, expiresAtMs: expiresAtMs === 0 ? undefined : expiresAtMs });
    }
    return views.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.keyId < b.keyId ? -1 : 1));
  }

  /**
   * Throws NotFound, Forbidden (being deleted), InvalidRequest.
   *
   * @param apiKey The key itself, when several processes may issue the same one: the later ones find it issued.
   */
  async issue(clusterId: string, name: string, apiKey?: string): Promise<IssuedKey> {
    checkKeyName(name);
    this.#checkRoom(clusterId);
    return untilNoConflict(async () => {
      const guard = await this.#clusterGuard(clusterId);
      const made = this.#make(clusterId, name, apiKey);
      try {
        await this.#write([guard, made.op]);
      } catch (failure) {
        const current = failure instanceof StoreConflict && failure.index === 1 ? failure.current : undefined;
        if (apiKey === undefined || !current || decodeApiKey(current).clusterId !== clusterId) throw failure;
        this.#options.rows.put(made.issued.keyId, decodeApiKey(current), current.version);
        return made.issued;
      }
      this.#options.rows.put(made.issued.keyId, made.row, 1);
      return made.issued;
    });
  }

  /** Throws NotFound, Forbidden (being deleted), InvalidRequest (field graceMs). */
  async rotate(clusterId: string, keyId: string, graceMs: number): Promise<IssuedKey> {
    if (!Number.isSafeInteger(graceMs) || graceMs < 0 || graceMs > rotationGraceMsMax) {
      throw new InvalidRequest('graceMs', `graceMs must be a whole number from 0 to ${rotationGraceMsMax}`);
    }
    // Without a grace the new key takes the old one's place.
    if (graceMs > 0) this.#checkRoom(clusterId);
    const { rows, persistence } = this.#options;
    return untilNoConflict(async () => {
      const guard = await this.#clusterGuard(clusterId);
      const old = await this.#read(clusterId, keyId);
      const made = this.#make(clusterId, old.row.name);
      const endMs = persistence.clock.wallMs() + graceMs;
      // A second rotation does not extend the life of a key that is already expiring.
      const expiresAtMs = old.row.expiresAtMs === 0 ? endMs : Math.min(old.row.expiresAtMs, endMs);
      const ending: ApiKeyRow = { ...old.row, expiresAtMs };
      const key = apiKeyKey(keyId);
      const oldOp: StoreOp =
        graceMs === 0
          ? { op: 'delete', key, if: { version: old.version } }
          : { op: 'put', key, value: encodeApiKey(ending), if: { version: old.version } };
      await this.#write([guard, oldOp, made.op]);
      rows.put(made.issued.keyId, made.row, 1);
      if (graceMs === 0) rows.remove(keyId);
      else rows.put(keyId, ending, old.version + 1);
      return made.issued;
    });
  }

  /** Throws NotFound. */
  async revoke(clusterId: string, keyId: string): Promise<void> {
    await untilNoConflict(async () => {
      const { version } = await this.#read(clusterId, keyId);
      await this.#write([{ op: 'delete', key: apiKeyKey(keyId), if: { version } }]);
    });
    this.#options.rows.remove(keyId);
  }

  /** Removes the row of an expired key, unless another process was first. If that fails, the row is left for the next start. */
  async sweep(keyId: string): Promise<void> {
    const known = this.#options.rows.get(keyId);
    if (!known) return;
    try {
      await this.#write([{ op: 'delete', key: apiKeyKey(keyId), if: { version: known.version } }]);
    } catch {
      return;
    }
    this.#options.rows.remove(keyId);
  }

  #make(clusterId: string, name: string, given?: string): { op: StoreOp; row: ApiKeyRow; issued: IssuedKey } {
    const { random, clock } = this.#options.persistence;
    const apiKey = given ?? newApiKey(random);
    const parts = parseApiKey(apiKey);
    assert(parts !== undefined, 'who gives a key gives one that was made as one');
    const { keyId, secret } = parts;
    const secretHash = hashSecret(secret).toString('hex');
    const row: ApiKeyRow = { clusterId, name, secretHash, createdAtMs: clock.wallMs(), expiresAtMs: 0 };
    const op: StoreOp = { op: 'put', key: apiKeyKey(keyId), value: encodeApiKey(row), if: { absent: true } };
    return { op, row, issued: { keyId, apiKey } };
  }

  /** Checks what this process has seen: gateways that issue at the same moment can exceed the limit by a few keys. */
  #checkRoom(clusterId: string): void {
    const { access, keysPerClusterMax } = this.#options;
    if (access.keyCount(clusterId) >= keysPerClusterMax) {
      throw new InvalidRequest(
        'clusterId',
        `the cluster has ${keysPerClusterMax} keys, the most it can have: revoke one first`,
      );
    }
  }

  async #clusterGuard(clusterId: string): Promise<StoreOp> {
    const { persistence, storeWaitMsMax } = this.#options;
    const key = clusterKey(clusterId);
    const row = await getSurely(persistence, key, storeWaitMsMax);
    if (!row) throw new NotFound('cluster', clusterId);
    if (decodeCluster(row).state === 'deleting') throw new Forbidden('the cluster is being deleted');
    return { op: 'check', key, if: { version: row.version } };
  }

  /** To the caller, a key of another cluster is the same as one that does not exist. */
  async #read(clusterId: string, keyId: string): Promise<{ row: ApiKeyRow; version: number }> {
    const { persistence, storeWaitMsMax } = this.#options;
    const row = /^[a-z2-7]{12}$/.test(keyId)
      ? await getSurely(persistence, apiKeyKey(keyId), storeWaitMsMax)
      : undefined;
    const decoded = row && decodeApiKey(row);
    if (!row || decoded?.clusterId !== clusterId) throw new NotFound('key', keyId);
    return { row: decoded, version: row.version };
  }

  #write(ops: readonly StoreOp[]): Promise<void> {
    return transactSurely(this.#options.persistence, ops, this.#options.storeWaitMsMax);
  }
}
