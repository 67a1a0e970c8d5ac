/**
 * The engine as its users see it: topics made of partitions, which they append to and read from, and group coordinators.
 * Names are opaque here; tenancy gives them meaning. The catalogue is plain Maps fed by the metadata store's change feed,
 * so the data path never asks the store. Code above the engine imports only this file, ports.ts, kernel/, protocol/ and
 * records/.
 */
import type { StoreOp } from './ports.ts';
import type { Cancellation } from './kernel/cancellation.ts';
import type { SharedFrame } from './kernel/frame-pool.ts';
import type { Uuid } from './kernel/uuid.ts';
import type { RequestOf, ResponseOf } from './protocol/apis.ts';

export interface PartitionEntry {
  readonly index: number;
  /** The owner's id; -1 while the partition has no owner. */
  readonly brokerId: number;
  /** Grows by one with each change of owner; never falls. */
  readonly leaderEpoch: number;
  /** Why the partition is where it is: 'created', 'broker-dead', 'zone-dead', 'drain', 'balance', 'restart', 'taken-back'. */
  readonly reason: string;
  readonly movedAtMs: number;
}

/**
 * The replicas that clients asked for. The engine stores them with the topic and does not act on them: it places records by
 * its own rules, and the gateway shows these replicas to clients.
 */
export interface AskedReplicas {
  /** Replicas per partition, for partitions that `nodeIds` does not list. */
  readonly factor: number;
  /** By partition, the leader first. For partitions past the end, the code that shows the topic chooses the nodes. */
  readonly nodeIds: readonly (readonly number[])[];
}

export interface TopicEntry {
  /** Opaque to the engine, unique in it, e.g. 'k3x9….orders'. */
  readonly name: string;
  readonly topicId: Uuid;
  /** Decides the shard: all topics of a cluster share one. */
  readonly clusterId: string;
  readonly partitions: readonly PartitionEntry[];
  /** The topic configs that were set explicitly, with Kafka's names and texts. */
  readonly configs: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  /** Absent when the client asked for nothing but the default. */
  readonly replicas?: AskedReplicas;
}

/** A null value removes a config: its default applies. */
export type ConfigChanges = Readonly<Record<string, string | null>>;

export interface Catalogue {
  byName(name: string): TopicEntry | undefined;
  byId(topicId: Uuid): TopicEntry | undefined;
  /** All topics of a cluster in name order, internal ones included. */
  ofCluster(clusterId: string): Iterable<TopicEntry>;
}

export interface AppendResult {
  /** Kafka error code, 0 when the batch is durable. */
  readonly errorCode: number;
  readonly baseOffset: number;
  /** Set when the topic stamps LogAppendTime, else -1. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  readonly errorMessage: string | null;
  /** Indexes within the batch of the records that caused the refusal, when single records did (KIP-467). */
  readonly recordIndexes?: readonly number[] | undefined;
}

export interface Append {
  readonly topicId: Uuid;
  readonly partition: number;
  /** Exactly one record batch v2 as received; the engine may patch base offset and leader epoch in place. */
  readonly records: Buffer;
  /**
   * Whether the broker recognises a repeat (by producer id and sequence). Decides if an append with an unknown outcome is
   * replayed.
   */
  readonly idempotent: boolean;
  readonly timeoutMs: number;
  /**
   * Called exactly once, in this turn or a later one. Appends to one partition keep the order of the calls.
   * `recordsAreFree` says that nothing in this process reads `records` any more; it is left out where that is uncertain.
   */
  done(result: AppendResult, recordsAreFree?: boolean): void;
}

export interface FetchPartition {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  /** -1 when the reader does not know it. */
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
}

export interface FetchOptions {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Ends the wait early and returns what is there. */
  readonly cancellation?: Cancellation;
}

export interface FetchedPartition {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /**
   * Set when no owner could be asked or none has answered yet: the offsets are the last known ones, and there may be more
   * records.
   */
  readonly isStale?: true;
  /** Whole record batches. The first may begin before the requested offset. Shared: never write to them. */
  readonly records: readonly Uint8Array[];
  /**
   * The frames that the records are views of, held for the reader. It may drop each once when it is done with all records.
   */
  readonly frames?: readonly SharedFrame[];
}

export interface TopicSpec {
  readonly name: string;
  readonly clusterId: string;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly replicas?: AskedReplicas;
}

/** What a change to topics adds to a tenant's quota counts, or takes away (below zero). */
export interface TopicChange {
  readonly topics: number;
  readonly partitions: number;
}

/**
 * Called in the turn that makes the change, so it sees the topic as it is then; called again for each retry. Returns the
 * operations that join the same transaction: a tenant's counters. If it throws, the change is abandoned.
 */
export type TopicGuard = (change: TopicChange) => Promise<readonly StoreOp[]>;

/** Where a coordinator request goes: the inner name of the group (or transactional id) decides the partition. */
export interface CoordinatorTarget {
  readonly clusterId: string;
  readonly groupId: string;
}

export interface CoordinatorClient {
  readonly clientId: string;
  readonly clientHost: string;
  readonly version: number;
}

/** APIs that the owner of one partition answers, and APIs that a group's coordinator answers. */
export type PartitionApi = 2 | 21 | 23 | 35;
export type CoordinatorApi = 8 | 9 | 11 | 12 | 13 | 14 | 15 | 42 | 47;

/** What controllers decide, and the calls that ask them to decide; the rest of an engine is routing. */
export type EngineDecisions = Pick<
  Engine,
  | 'createTopic'
  | 'deleteTopic'
  | 'createPartitions'
  | 'alterReplicas'
  | 'alterConfigs'
  | 'allocateProducerId'
  | 'brokers'
  | 'controllers'
  | 'shards'
  | 'events'
  | 'onEvent'
>;

export interface Engine {
  readonly catalogue: Catalogue;
  append(append: Append): void;
  fetch(partitions: readonly FetchPartition[], options: FetchOptions): Promise<FetchedPartition[]>;
  /**
   * ListOffsets, DeleteRecords, OffsetForLeaderEpoch and DescribeLogDirs with inner topic names. The engine splits the
   * request by owner, merges the answers in request order, and holds and replays it while a partition moves.
   */
  partitionRequest<K extends PartitionApi>(key: K, request: RequestOf<K>): Promise<ResponseOf<K>>;
  /**
   * A group request with inner names for one group. `clientHost` is the real peer, which DescribeGroups shows. `version` is
   * the API version that the client speaks: the request travels in it and the coordinator answers in its terms (with names,
   * not topic ids: at most 9 for OffsetCommit and OffsetFetch).
   */
  coordinatorRequest<K extends CoordinatorApi>(
    key: K,
    target: CoordinatorTarget,
    request: RequestOf<K>,
    client: CoordinatorClient,
  ): Promise<ResponseOf<K>>;
  /** ListGroups over all coordinators of a cluster. */
  listGroups(clusterId: string, request: RequestOf<16>): Promise<ResponseOf<16>>;

  /** The operations that `guard` returns join the same transaction; if one conflicts, this throws StoreConflict. */
  createTopic(spec: TopicSpec, guard?: TopicGuard): Promise<TopicEntry>;
  /** `topicId`: only the topic with this id, not a later one of the same name. */
  deleteTopic(name: string, guard?: TopicGuard, topicId?: Uuid): Promise<void>;
  /** `replicas` replaces what was asked for before. */
  createPartitions(name: string, total: number, guard?: TopicGuard, replicas?: AskedReplicas): Promise<TopicEntry>;
  /** `alter` computes the replicas from the topic as it is; nothing changes when it throws. */
  alterReplicas(name: string, alter: (topic: TopicEntry) => AskedReplicas): Promise<TopicEntry>;
  /** `alter` computes the changes from the configs as they are; nothing changes when it throws. */
  alterConfigs(name: string, alter: (present: TopicEntry['configs']) => ConfigChanges): Promise<TopicEntry>;
  /** Returns a producer id that no other producer of the installation has or ever had. */
  allocateProducerId(): Promise<number>;

  /** How many fetches were answered before every partition's owner had reported, because that took too long. */
  lateFetches(): number;

  /** The fleet as the control plane shows it. */
  brokers(): readonly BrokerEntry[];
  /** As of the last look: a fraction of a second ago when there are other controllers, a second ago when there are none. */
  controllers(): readonly ControllerEntry[];
  shards(): readonly ShardEntry[];
  events(): readonly EngineEvent[];
  onEvent(listener: (event: EngineEvent) => void): () => void;
}

/** A controller process, as the control plane shows it. */
export interface ControllerEntry {
  readonly controllerId: string;
  /** Whether its lease is still valid. */
  readonly alive: boolean;
  /** How many shards it owns; those of a dead controller get another owner within one lease. */
  readonly shards: number;
  /** Whether it starts, watches, replaces and balances the brokers: the owner of shard 0 does. */
  readonly keepsFleet: boolean;
}

export interface ShardEntry {
  readonly index: number;
  readonly controllerId: string | undefined;
  /** Grows by one with each owner. */
  readonly epoch: number;
}

export interface BrokerEntry {
  readonly brokerId: number;
  readonly zone: string;
  readonly state: 'starting' | 'serving' | 'draining' | 'fenced' | 'closed';
  readonly sessionEpoch: number;
  readonly partitions: number;
  readonly pid: number;
  /** Partitions that a planned move is taking to another broker at the moment. */
  readonly moving?: number;
  /** What an operator asked for: a restart or replacement lasts until it is done, a drain until it is taken back. */
  readonly wish?: 'drain' | 'restart' | 'replace';
  /** As last reported; absent until a report arrives. */
  readonly load?: BrokerLoad;
}

/** What a broker carries, as the planner sees it. */
export interface BrokerLoad {
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly requestsPerSecond: number;
  /** Used share of the broker's capacity, in its busiest dimension: 0 is idle, 1 is full, and more is possible. */
  readonly share: number;
}

/** A decision of the engine with its reason, for log, metrics, console and `headgate engine events`. */
export interface EngineEvent {
  /** 1 for the first event of a controller's run, then one more for each. */
  readonly seq: number;
  readonly atMs: number;
  /** 'broker-started', 'broker-dead', 'broker-fenced', 'volume-recovered', 'partitions-moved', 'shard-taken', … */
  readonly kind: string;
  readonly reason: string;
  /** The broker that the event is about, if any. */
  readonly brokerId?: number;
  readonly zone?: string;
  readonly detail: Readonly<Record<string, string | number>>;
}
