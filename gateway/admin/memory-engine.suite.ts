/**
 * An in-memory engine for tests of the control plane: topics are created under their guards in a real metadata store;
 * brokers, offsets and groups are what a test sets.
 */
import type { ScalingShown } from '../../engine/controller/rows/fleet-report.ts';
import type {
  BrokerEntry,
  Engine,
  EngineEvent,
  PartitionEntry,
  TopicChange,
  TopicEntry,
  TopicGuard,
} from '../../engine/engine.ts';
import type { Random } from '../../engine/kernel/random.ts';
import { uuidOf } from '../../engine/kernel/uuid.ts';
import type { MetadataStore } from '../../engine/ports.ts';
import { coordinatorAnswer, type GroupInTest, offsetsAnswer } from './broker-answers.suite.ts';
import type { FleetOperations } from './options.ts';

export interface MemoryEngine extends FleetOperations {
  readonly engine: Engine;
  readonly topics: Map<string, TopicEntry>;
  readonly groups: Map<string, GroupInTest>;
  /** End offset of every partition; offsets start at 0. Undefined: no owner answers. */
  endOffset: number | undefined;
  readonly asked: string[];
  late: number;
  emit(kind: string, atMs: number): void;
  /** Changes the entry of one partition in every topic. */
  place(partition: number, change: Partial<PartitionEntry>): void;
}

const scaling: ScalingShown = {
  brokers: 3,
  brokersMin: 3,
  brokersMax: 9,
  override: null,
  evacuatedZones: [],
  decision: 'stay',
  reason: 'the least number',
  dimension: 'bytes-in',
  shares: { 'bytes-in': 0.25, 'bytes-out': 0.1, requests: 0.05, partitions: 0.01 },
  changedAtMs: 0,
};

export function memoryEngine(store: MetadataStore, random: Random): MemoryEngine {
  const topics: MemoryEngine['topics'] = new Map();
  const groups: MemoryEngine['groups'] = new Map();
  const events: EngineEvent[] = [];
  const listeners = new Set<(event: EngineEvent) => void>();
  const asked: string[] = [];
  const draining = new Set<number>();
  const brokers = (): BrokerEntry[] =>
    ['a', 'b', 'c'].map((zone, i) => ({
      brokerId: i + 1,
      zone,
      state: draining.has(i + 1) ? 'draining' : 'serving',
      sessionEpoch: 1,
      partitions: [...topics.values()].flatMap((t) => t.partitions).filter((p) => p.brokerId === i + 1).length,
      pid: 100 + i,
    }));
  const guarded = async (change: TopicChange, guard?: TopicGuard): Promise<void> => {
    if (guard) await store.transact(await guard(change));
  };
  const placed = (count: number): PartitionEntry[] =>
    Array.from({ length: count }, (_, index) => ({
      index,
      brokerId: (index % 3) + 1,
      leaderEpoch: 0,
      reason: 'created',
      movedAtMs: 5,
    }));
  const fleet: FleetOperations = {
    brokers,
    controllers: () => [{ controllerId: 'test', alive: true, shards: 1, keepsFleet: true }],
    shards: () => [{ index: 0, controllerId: 'test', epoch: 1 }],
    events: () => [...events],
    onEvent(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async drainBroker(brokerId) {
      asked.push(`drain ${brokerId}`);
      draining.add(brokerId);
      return 2;
    },
    async scrub(_, act) {
      const state = act === 'pause' ? 'paused' : 'waiting';
      return { state, passes: 1, files: 2, filesOfPass: 2, bytes: 3, damaged: 0, unread: 0, lastPassEndedAtMs: 4 };
    },
    damage: () => [{ fileId: 'f', position: 8, what: 'the checksum does not hold', foundAtMs: 5 }],
    async undrainBroker(brokerId) {
      asked.push(`undrain ${brokerId}`);
      draining.delete(brokerId);
    },
    async restartBroker(brokerId) {
      asked.push(`restart ${brokerId}`);
    },
    async restartBrokers() {
      asked.push('restart all');
    },
    async replaceBroker(brokerId) {
      asked.push(`replace ${brokerId}`);
    },
    scaling: () => scaling,
    async scaleFleet(wanted) {
      asked.push(`scale ${wanted ?? 'auto'}`);
      return { ...scaling, override: wanted ?? null };
    },
    async evacuateZone(zone) {
      asked.push(`evacuate ${zone}`);
      return 0;
    },
    async restoreZone(zone) {
      asked.push(`restore ${zone}`);
    },
  };
  const memory: MemoryEngine = {
    ...fleet,
    topics,
    groups,
    endOffset: 10,
    asked,
    late: 0,
    place(partition, change) {
      for (const [name, topic] of topics) {
        const partitions = topic.partitions.map((p) => (p.index === partition ? { ...p, ...change } : p));
        topics.set(name, { ...topic, partitions });
      }
    },
    emit(kind, atMs) {
      const event: EngineEvent = { seq: events.length + 1, atMs, kind, reason: 'test', brokerId: 1, detail: {} };
      events.push(event);
      for (const listener of listeners) listener(event);
    },
    engine: {
      catalogue: {
        byName: (name) => topics.get(name),
        byId: (id) => [...topics.values()].find((t) => t.topicId === id),
        ofCluster: (id) =>
          [...topics.values()].filter((t) => t.clusterId === id).sort((a, b) => (a.name < b.name ? -1 : 1)),
      },
      append: () => {},
      fetch: async () => [],
      lateFetches: () => memory.late,
      async partitionRequest(key, request) {
        return offsetsAnswer(key, request, memory.endOffset);
      },
      async coordinatorRequest(key, _target, request) {
        return coordinatorAnswer(key, request, groups);
      },
      async listGroups(clusterId) {
        const own = [...groups].filter(([id]) => id.startsWith(clusterId));
        return {
          throttleTimeMs: 0,
          errorCode: 0,
          groups: own.map(([groupId, g]) => ({
            groupId,
            protocolType: 'consumer',
            groupState: g.state,
            groupType: 'classic',
          })),
        };
      },
      async createTopic({ name, clusterId, partitions, configs }, guard) {
        await guarded({ topics: 1, partitions }, guard);
        const entry = {
          name,
          clusterId,
          configs,
          topicId: uuidOf(random),
          partitions: placed(partitions),
          createdAtMs: 7,
        };
        topics.set(name, entry);
        return entry;
      },
      async deleteTopic(name, guard) {
        await guarded({ topics: -1, partitions: -topics.get(name)!.partitions.length }, guard);
        topics.delete(name);
      },
      async createPartitions(name, total, guard) {
        await guarded({ topics: 0, partitions: total - topics.get(name)!.partitions.length }, guard);
        const entry = { ...topics.get(name)!, partitions: placed(total) };
        topics.set(name, entry);
        return entry;
      },
      alterReplicas: () => Promise.reject(new Error('replicas are the Kafka door’s')),
      async alterConfigs(name, alter) {
        const topic = topics.get(name)!;
        const configs: Record<string, string> = { ...topic.configs };
        for (const [config, value] of Object.entries(alter(topic.configs))) {
          if (value === null) delete configs[config];
          else configs[config] = value;
        }
        topics.set(name, { ...topic, configs });
        return topics.get(name)!;
      },
      allocateProducerId: async () => 1,
      ...fleet,
    },
  };
  return memory;
}
