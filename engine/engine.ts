/**
 * The engine as its users see it: topics made of partitions, appended to and read from, and group coordinators. Names
 * are opaque here (tenancy gives them meaning); the catalogue is plain Maps fed by the metadata store's change feed, so
 * that the data path never asks the store. Above the engine only this file, ports.ts, kernel/, protocol/ and records/
 * are imported.
 */
import type { StoreOp } from './ports.ts';
import type { SharedFrame } from './kernel/frame-pool.ts';
import type { Uuid } from './kernel/uuid.ts';
import type { RequestOf, ResponseOf } from './protocol/apis.ts';

export interface PartitionEntry {
  readonly index: number;
  /** The owner, or -1 while none is assigned. */
  readonly brokerId: number;
  /** Grows by one with each change of owner; never falls. */
  readonly leaderEpoch: number;
  /** Why the partition is where it is: 'created', 'broker-dead', 'zone-dead', 'drain', 'balance', 'restart', 'taken-back'. */
  readonly reason: string;
  readonly movedAtMs: number;
}

/**
 * What clients asked a topic's replicas to be, which the engine keeps with the topic and makes nothing of: records are
 * where it placed them, and replicas are what a gateway shows.
 */
export interface AskedReplicas {
  /** How many a partition has of which `nodeIds` says nothing. */
  readonly factor: number;
  /** By partition, the leader first; who shows the topic chooses them for those behind the end. */
  readonly nodeIds: readonly (readonly number[])[];
}

export interface TopicEntry {
  /** Opaque to the engine, unique in it, e.g. 'k3x9….orders'. */
  readonly name: string;
  readonly topicId: Uuid;
  /** What decides the shard: all topics of a cluster share one. */
  readonly clusterId: string;
  readonly partitions: readonly PartitionEntry[];
  /** Explicitly set topic configs, Kafka's names and texts. */
  readonly configs: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  /** Absent when nothing but the default was asked for. */
  readonly replicas?: AskedReplicas;
}

export interface Catalogue {
  byName(name: string): TopicEntry | undefined;
  byId(topicId: Uuid): TopicEntry | undefined;
  /** All topics of a cluster, internal ones too, in name order. */
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
  /** Places in the batch of the records for which it was refused, where single ones were the reason (KIP-467). */
  readonly recordIndexes?: readonly number[] | undefined;
}

export interface Append {
  readonly topicId: Uuid;
  readonly partition: number;
  /** Exactly one record batch v2 as received; the engine may patch base offset and leader epoch in place. */
  readonly records: Buffer;
  /** Whether a repeat is recognised by the broker (producer id and sequence): decides if an unknown fate is replayed. */
  readonly idempotent: boolean;
  readonly timeoutMs: number;
  /**
   * Called exactly once, in a later turn or this one. Appends of one partition are kept in the order of the calls.
   * `recordsAreFree`: nothing in this process reads `records` any more; not said where that is not certain.
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
  /** Aborting ends the wait early with what there is. */
  readonly signal?: AbortSignal;
}

export interface FetchedPartition {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** Set when no owner could be asked, or has not answered yet: the offsets are the last known ones, and more may be there. */
  readonly isStale?: true;
  /** Whole record batches, the first of which may begin before the asked offset. Shared: never written to. */
  readonly records: readonly Uint8Array[];
  /** What the records are views of, held for the reader, who may drop each once when it is done with all of them. */
  readonly frames?: readonly SharedFrame[];
}

export interface TopicSpec {
  readonly name: string;
  readonly clusterId: string;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly replicas?: AskedReplicas;
}

/** What a change of topics makes, or takes away (below zero), of what a tenant has a quota of. */
export interface TopicChange {
  readonly topics: number;
  readonly partitions: number;
}

/**
 * Asked in the turn in which the change is made, so of the topic as it is then and again for each try, for what rides in the same
 * transaction: a tenant's counters. What it throws ends the change.
 */
export type TopicGuard = (change: TopicChange) => Promise<readonly StoreOp[]>;

/** Where a coordinator request goes: the group's (or transactional id's) inner name decides the partition. */
export interface CoordinatorTarget {
  readonly clusterId: string;
  readonly groupId: string;
}

export interface CoordinatorClient {
  readonly clientId: string;
  readonly clientHost: string;
  readonly version: number;
}

/** APIs that the owner of one partition answers, and those that a group's coordinator answers. */
export type PartitionApi = 2 | 21 | 23 | 35;
export type CoordinatorApi = 8 | 9 | 11 | 12 | 13 | 14 | 15 | 42 | 47;

/** What controllers decide, or what asks them for it; the rest of an engine is routing. */
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
   * ListOffsets, DeleteRecords, OffsetForLeaderEpoch and DescribeLogDirs with inner topic names: split by owner, merged
   * in request order, held and replayed while a partition moves.
   */
  partitionRequest<K extends PartitionApi>(key: K, request: RequestOf<K>): Promise<ResponseOf<K>>;
  /**
   * A group request with inner names for one group. `clientHost` is the real peer, shown by DescribeGroups; `version` is
   * the API version that the client speaks, in whose terms the coordinator answers and the request travels (names, not
   * topic ids: at most 9 for OffsetCommit and OffsetFetch).
   */
  coordinatorRequest<K extends CoordinatorApi>(
    key: K,
    target: CoordinatorTarget,
    request: RequestOf<K>,
    client: CoordinatorClient,
  ): Promise<ResponseOf<K>>;
  /** ListGroups over all coordinators of a cluster. */
  listGroups(clusterId: string, request: RequestOf<16>): Promise<ResponseOf<16>>;

  /** What `guard` gives rides in the same transaction; its conflict is thrown as StoreConflict. */
  createTopic(spec: TopicSpec, guard?: TopicGuard): Promise<TopicEntry>;
  deleteTopic(name: string, guard?: TopicGuard): Promise<void>;
  /** `replicas` takes the place of what was asked for before. */
  createPartitions(name: string, total: number, guard?: TopicGuard, replicas?: AskedReplicas): Promise<TopicEntry>;
  /** `alter` makes them of the topic as it is, without effect when it throws. */
  alterReplicas(name: string, alter: (topic: TopicEntry) => AskedReplicas): Promise<TopicEntry>;
  /** null removes a config. */
  alterConfigs(name: string, changes: Readonly<Record<string, string | null>>): Promise<TopicEntry>;
  /** A producer id that no other producer of the installation has or had. */
  allocateProducerId(): Promise<number>;

  /** How many fetches were answered before the owner of each of their partitions had told of it, which took too long. */
  lateFetches(): number;

  /** The fleet as the control plane shows it. */
  brokers(): readonly BrokerEntry[];
  /** As last looked at: a fraction of a second ago beside other controllers, a second ago without. */
  controllers(): readonly ControllerEntry[];
  shards(): readonly ShardEntry[];
  events(): readonly EngineEvent[];
  onEvent(listener: (event: EngineEvent) => void): () => void;
}

/** A controller process, as the control plane shows it. */
export interface ControllerEntry {
  readonly controllerId: string;
  /** Its lease has not lapsed. */
  readonly alive: boolean;
  /** How many it owns; those of a dead one have another owner within a lease. */
  readonly shards: number;
  /** It starts, watches and replaces the brokers and evens them out: the owner of shard 0. */
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
  /** Partitions on their way to another broker by a planned move at the moment. */
  readonly moving?: number;
  /** What an operator wants of it: a restart or another process until it is done, a drain until it is taken back. */
  readonly wish?: 'drain' | 'restart' | 'replace';
  /** As last reported; absent while nothing is known. */
  readonly load?: BrokerLoad;
}

/** What a broker carries, as the planner sees it. */
export interface BrokerLoad {
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly requestsPerSecond: number;
  /** Of what a broker is trusted with, in its busiest dimension: 0 is idle, 1 is full; it can be more. */
  readonly share: number;
}

/** A decision of the engine with its reason, for log, metrics, console and `headgate engine events`. */
export interface EngineEvent {
  /** 1 for the first one of a controller's run, then one more each. */
  readonly seq: number;
  readonly atMs: number;
  /** 'broker-started', 'broker-dead', 'broker-fenced', 'volume-recovered', 'partitions-moved', 'shard-taken', … */
  readonly kind: string;
  readonly reason: string;
  /** Of the broker that it is about, if it is about one. */
  readonly brokerId?: number;
  readonly zone?: string;
  readonly detail: Readonly<Record<string, string | number>>;
}
