/**
 * Who owns a shard. Key: SHARD <00..63>. Value: controllerId, epoch. The row changes only when the shard changes hands.
 * Every write of the shard is conditional on its version, and a conflict on it means that the shard was lost.
 */
import { assert } from '../../kernel/assert.ts';
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { rowFields, unlessDamaged } from '../../store-row-json.ts';

export interface ShardRow {
  readonly controllerId: string;
  /** Grows by one with each owner. */
  readonly epoch: number;
}

export const shardsPk = 'SHARD';

/** Fixed for ever: the shard of a cluster is part of its rows' keys. */
export const shardCount = 64;

export function shardKey(shard: number): RowKey {
  return { pk: shardsPk, sk: shardText(shard) };
}

/** Partition key of the shard's topics and placements, e.g. 'SHARD#07'. */
export function shardPk(shard: number): string {
  return `${shardsPk}#${shardText(shard)}`;
}

export function encodeShard(shard: ShardRow): string {
  const { controllerId, epoch } = shard;
  return rowText({ controllerId, epoch });
}

/** Throws RowCorrupt. */
export function decodeShard(row: Row): ShardRow {
  const fields = rowFields(row);
  return { controllerId: fields.text('controllerId'), epoch: fields.whole('epoch') };
}

/**
 * The epoch of the next owner. The row is written once for each owner and never deleted, so where it is damaged its
 * version is the epoch.
 */
export function nextShardEpoch(row: Row | undefined): number {
  return row ? (unlessDamaged(row, decodeShard)?.epoch ?? row.version) + 1 : 1;
}

/** Undefined for a damaged row too: like a shard without an owner, it is taken, by a write conditional on its version. */
export function shardOwner(row: Row | undefined): string | undefined {
  return row && unlessDamaged(row, decodeShard)?.controllerId;
}

function shardText(shard: number): string {
  assert(Number.isInteger(shard) && shard >= 0 && shard < shardCount, 'a shard is within 0..63');
  return String(shard).padStart(2, '0');
}
