/**
 * A topic. Key: SHARD#<s> TOPIC#<name>. Value: topicId, clusterId, partitions, configs, createdAtMs, plus
 * replicationFactor and replicas when clients asked for them (engine.ts). The locations of its partitions are in a row
 * of their own (placement.ts), because they change with every move.
 */
import { parseUuid, type Uuid, uuidText } from '../../kernel/uuid.ts';
import type { AskedReplicas } from '../../engine.ts';
import type { Row, RowKey } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { RowCorrupt, type RowFields, rowFields } from '../../store-row-json.ts';
import { shardPk } from './shard.ts';

export interface TopicRow {
  readonly name: string;
  readonly topicId: Uuid;
  readonly clusterId: string;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly replicas?: AskedReplicas;
}

export const topicSkPrefix = 'TOPIC#';

export function topicKey(shard: number, name: string): RowKey {
  return { pk: shardPk(shard), sk: topicSkPrefix + name };
}

export function encodeTopic(topic: TopicRow): string {
  const { topicId, clusterId, partitions, configs, createdAtMs, replicas } = topic;
  const asked = replicas && { replicationFactor: replicas.factor, replicas: replicas.nodeIds };
  return rowText({ topicId: uuidText(topicId), clusterId, partitions, configs, createdAtMs, ...asked });
}

/** Throws RowCorrupt. */
export function decodeTopic(row: Row): TopicRow {
  const fields = rowFields(row);
  if (!row.sk.startsWith(topicSkPrefix)) throw new RowCorrupt(row, 'not a topic');
  const topicId = parseUuid(fields.text('topicId'));
  if (topicId === undefined) throw new RowCorrupt(row, 'topicId is no id');
  return {
    name: row.sk.slice(topicSkPrefix.length),
    topicId,
    clusterId: fields.text('clusterId'),
    partitions: fields.whole('partitions'),
    configs: fields.textMap('configs'),
    createdAtMs: fields.whole('createdAtMs'),
    ...(fields.has('replicationFactor') ? { replicas: askedReplicas(row, fields) } : {}),
  };
}

function askedReplicas(row: Row, fields: RowFields): AskedReplicas {
  const factor = fields.whole('replicationFactor');
  const nodeIds = fields.wholeLists('replicas');
  if (factor === 0 || nodeIds.some((each) => each.length === 0))
    throw new RowCorrupt(row, 'a partition has no replicas');
  return { factor, nodeIds };
}
