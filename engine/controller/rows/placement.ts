/**
 * Where a topic's partitions are. Key: SHARD#<s> PLACE#<topicId>. Value: owner, leader epoch, reason and time of each
 * partition, stored as columns: about 25 bytes a partition, so losing a broker costs one write per topic.
 */
import { parseUuid, type Uuid, uuidText } from '../../kernel/uuid.ts';
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../store-row-json.ts';
import { shardPk } from './shard.ts';

export interface PartitionPlacement {
  /** The owner, or -1 while none is assigned. */
  readonly brokerId: number;
  /** Grows by one with each change of owner; never falls. */
  readonly leaderEpoch: number;
  /**
   * 'created', 'broker-dead', 'zone-dead', 'drain', 'balance'. Stored as text, so rows of a later version stay
   * readable.
   */
  readonly reason: string;
  /** Wall time. */
  readonly movedAtMs: number;
}

export interface PlacementRow {
  readonly topicId: Uuid;
  /** By partition index. */
  readonly partitions: readonly PartitionPlacement[];
}

export const placementSkPrefix = 'PLACE#';

/** Keeps a row below half of what a store takes in one value. */
export const partitionsPerTopicMax = 8000;

export function placementKey(shard: number, topicId: Uuid): RowKey {
  return { pk: shardPk(shard), sk: placementSkPrefix + uuidText(topicId) };
}

export function encodePlacement(placement: PlacementRow): string {
  const { partitions } = placement;
  const names = [...new Set(partitions.map((p) => p.reason))];
  const places = new Map(names.map((name, i) => [name, i]));
  return rowText({
    owners: partitions.map((p) => p.brokerId),
    epochs: partitions.map((p) => p.leaderEpoch),
    reasonNames: names,
    reasons: partitions.map((p) => places.get(p.reason)),
    movedAtMs: partitions.map((p) => p.movedAtMs),
  });
}

/** Throws RowCorrupt. */
export function decodePlacement(row: Row): PlacementRow {
  const fields = rowFields(row);
  const topicId = row.sk.startsWith(placementSkPrefix) ? parseUuid(row.sk.slice(placementSkPrefix.length)) : undefined;
  if (topicId === undefined) throw new RowCorrupt(row, 'not a placement');
  const owners = fields.wholes('owners');
  const epochs = fields.wholes('epochs');
  const names = fields.texts('reasonNames');
  const reasons = fields.wholes('reasons');
  const times = fields.wholes('movedAtMs');
  if (epochs.length !== owners.length || reasons.length !== owners.length || times.length !== owners.length) {
    throw new RowCorrupt(row, 'columns of different length');
  }
  const partitions = owners.map((brokerId, i) => {
    const reason = names[reasons[i]!];
    if (reason === undefined) throw new RowCorrupt(row, `partition ${i} has an unknown reason`);
    return { brokerId, leaderEpoch: epochs[i]!, reason, movedAtMs: times[i]! };
  });
  return { topicId, partitions };
}
