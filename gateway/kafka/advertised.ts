/**
 * The brokers that a tenant's clients see: three, one per zone label, which never change. Any gateway answers for any of
 * them, so a node id is a hint for spreading connections and says nothing about where a log lives: when a real broker dies
 * no client sees another address, leader or coordinator.
 *
 * Usually all of them share one host and port. Java and librdkafka tell brokers apart by id and do not mind. kafkajs 2
 * takes every broker with its bootstrap server's address for that server and gives it the last id it saw. It then sends
 * produce requests without the records of the other ids' partitions, and those requests succeed. So clients of the old,
 * inflexible protocol (kafkajs knows nothing later) see one broker that leads and coordinates everything. Ids are hints, so
 * an old client's answer is right for a new one as well. Brokers with their own ports are shown to every client.
 */
import type { TopicEntry } from '../../engine/engine.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';

export interface VirtualBroker {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string;
}

const racks = ['a', 'b', 'c'] as const;
export const nodeCount = racks.length;
/**
 * For topics created without a replication factor. Only shown: the engine keeps one copy of a log on durable storage, as
 * MSK Express brokers do.
 */
export const replicationFactorDefault: number = racks.length;
export const controllerId = 1;

export class Advertised {
  readonly brokers: readonly VirtualBroker[];
  /** The only broker shown to a client of the old protocol; undefined: all are shown, because they have their own ports. */
  readonly only: VirtualBroker | undefined;

  /** `brokerPorts`: one for each broker, or none when they share `port`. */
  constructor(host: string, port: number, brokerPorts: readonly number[] = []) {
    this.brokers = racks.map((rack, i) => ({ nodeId: i + 1, host, port: brokerPorts[i] ?? port, rack }));
    this.only = brokerPorts.length > 0 ? undefined : this.brokers[0];
  }

  coordinator(group: string): VirtualBroker {
    return this.brokers[hash(group) % nodeCount]!;
  }
}

/** The replication factor as Kafka reports it: of the first partition. */
export function replicationFactorOf({ replicas }: Pick<TopicEntry, 'replicas'>): number {
  return replicas?.nodeIds[0]?.length ?? replicas?.factor ?? replicationFactorDefault;
}

/**
 * The leader first, then the others: the replicas the client asked for, or the next node in rotation and those after it.
 */
export function replicasOf(topic: Pick<TopicEntry, 'topicId' | 'replicas'>, partition: number): number[] {
  const asked = topic.replicas?.nodeIds[partition];
  if (asked) return [...asked];
  const first = turnOf(topic.topicId, partition);
  return Array.from({ length: replicationFactorOf(topic) }, (_, i) => 1 + ((first + i) % nodeCount));
}

export function leaderOf({ topicId, replicas }: Pick<TopicEntry, 'topicId' | 'replicas'>, partition: number): number {
  return replicas?.nodeIds[partition]?.[0] ?? 1 + turnOf(topicId, partition);
}

/** Consecutive partitions of a topic rotate over the nodes; topics begin at different ones. */
function turnOf(topicId: Uuid, partition: number): number {
  return (hash(topicId) + partition) % nodeCount;
}

/** FNV-1a over the UTF-16 units: stable across processes and releases. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
