/**
 * An API key, one row each. Key: KEY <keyId>. Value: clusterId, name, secretHash, createdAtMs, expiresAtMs.
 * The secret itself is not stored. It has 256 bits, so one SHA-256 is as good as a slow hash. Rows are added and removed; a
 * row changes at most once, when a rotation sets the old key's expiry.
 */
import { rowText } from '../../engine/store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';

export interface ApiKeyRow {
  readonly clusterId: string;
  readonly name: string;
  /** SHA-256 of the secret, 64 hex digits. */
  readonly secretHash: string;
  readonly createdAtMs: number;
  /** Wall time from which the key no longer works; 0 while it has no expiry. */
  readonly expiresAtMs: number;
}

export const apiKeysPk = 'KEY';

export function apiKeyKey(keyId: string): RowKey {
  return { pk: apiKeysPk, sk: keyId };
}

export function encodeApiKey(key: ApiKeyRow): string {
  const { clusterId, name, secretHash, createdAtMs, expiresAtMs } = key;
  return rowText({ clusterId, name, secretHash, createdAtMs, expiresAtMs });
}

/** Throws RowCorrupt. */
export function decodeApiKey(row: Row): ApiKeyRow {
  const fields = rowFields(row);
  const secretHash = fields.text('secretHash');
  if (!/^[0-9a-f]{64}$/.test(secretHash)) throw new RowCorrupt(row, 'secretHash is no SHA-256');
  return {
    clusterId: fields.text('clusterId'),
    name: fields.text('name'),
    secretHash,
    createdAtMs: fields.whole('createdAtMs'),
    expiresAtMs: fields.whole('expiresAtMs'),
  };
}
