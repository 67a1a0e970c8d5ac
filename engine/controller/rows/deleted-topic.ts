/**
 * Logs of a deleted topic whose space is not known to be free yet. Key: SHARD#<s> DELETED#<topicId>. Value: owner and
 * leader epoch of each remaining partition. The transaction that deletes the topic writes the row, and it is removed
 * when every owner has dropped its logs, so a crash in between cannot leak space.
 */
import { parseUuid, type Uuid, uuidText } from '../../kernel/uuid.ts';
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, rowFields } from '../../store-row-json.ts';
import { shardPk } from './shard.ts';

export interface DeletedPartition {
  readonly index: number;
  /** The last owner, or -1 when there was none. */
  readonly brokerId: number;
  readonly leaderEpoch: number;
}

export interface DeletedTopicRow {
  readonly topicId: Uuid;
  readonly partitions: readonly DeletedPartition[];
}

export const deletedTopicSkPrefix = 'DELETED#';

export function deletedTopicKey(shard: number, topicId: Uuid): RowKey {
  return { pk: shardPk(shard), sk: deletedTopicSkPrefix + uuidText(topicId) };
}

export function encodeDeletedTopic(topic: DeletedTopicRow): string {
  return rowText({
    partitions: topic.partitions.map((p) => p.index),
    owners: topic.partitions.map((p) => p.brokerId),
    epochs: topic.partitions.map((p) => p.leaderEpoch),
  });
}

/** Throws RowCorrupt. */
export function decodeDeletedTopic(row: Row): DeletedTopicRow {
  const fields = rowFields(row);
  const prefixed = row.sk.startsWith(deletedTopicSkPrefix);
  const topicId = prefixed ? parseUuid(row.sk.slice(deletedTopicSkPrefix.length)) : undefined;
  if (topicId === undefined) throw new RowCorrupt(row, 'not a deleted topic');
  const indexes = fields.wholes('partitions');
  const owners = fields.wholes('owners');
  const epochs = fields.wholes('epochs');
  if (owners.length !== indexes.length || epochs.length !== indexes.length) {
    throw new RowCorrupt(row, 'columns of different length');
  }
  return {
    topicId,
    partitions: indexes.map((index, i) => ({ index, brokerId: owners[i]!, leaderEpoch: epochs[i]! })),
  };
}
