/**
 * Tenancy as the doors see it: who is calling, what their cluster may do, what its names are inside the engine. All
 * data-path calls are synchronous and read plain Maps that the store's change feed keeps current; only changes
 * (create, rotate, revoke) go to the store.
 */
import type { TopicChange } from '../engine/engine.ts';
import type { StoreOp } from '../engine/ports.ts';

/** Who a connection or request acts for. Bound to one cluster; made by authenticate, dropped when the key is revoked. */
export interface Principal {
  readonly tenantId: string;
  readonly clusterId: string;
  readonly keyId: string;
}

export interface ClusterView {
  readonly clusterId: string;
  readonly tenantId: string;
  readonly name: string;
  /**
   * creating → serving → deleting; suspended ⇄ serving. Only 'serving' answers the data path. Creation is one transaction, so
   * 'creating' is for views of clusters that are asked for and not stored yet.
   */
  readonly state: 'creating' | 'serving' | 'suspended' | 'deleting';
  readonly autoCreateTopics: boolean;
  readonly defaultPartitions: number;
  readonly limits: ClusterLimits;
  /** See ClusterRow. */
  readonly brokerConfigs: Readonly<Record<string, string>>;
  /** Live: the same object is kept current for the life of the cluster. */
  readonly usage: ClusterUsage;
  readonly createdAtMs: number;
}

/** Per cluster; Infinity switches a limit off (profile 'unlimited'). Values of the default profile: MSK Serverless. */
export interface ClusterLimits {
  readonly ingressBytesPerSecondMax: number;
  readonly egressBytesPerSecondMax: number;
  readonly partitionIngressBytesPerSecondMax: number;
  readonly partitionEgressBytesPerSecondMax: number;
  readonly requestsPerSecondMax: number;
  readonly connectionsMax: number;
  readonly connectionAttemptsPerSecondMax: number;
  readonly topicMutationsPerSecondMax: number;
  readonly partitionMutationsPer5MinutesMax: number;
  readonly messageBytesMax: number;
  readonly requestBytesMax: number;
  readonly fetchBytesMax: number;
  readonly groupsMax: number;
  readonly partitionsMax: number;
}

export interface ClusterUsage {
  readonly topics: number;
  readonly partitions: number;
  readonly connections: number;
}

/** A rate that delays: what was charged and for how long the caller is to be held back. */
export interface Verdict {
  /** 0: go on. */
  readonly delayMs: number;
  /** The limit that asked for the longest delay, by its ClusterLimits name; undefined with delayMs 0. */
  readonly quota: keyof ClusterLimits | undefined;
}

/** `delayMs`: a connection is counted, may be used after so long, and must be matched by a disconnect. */
export type Admission = { readonly delayMs: number } | { readonly refused: keyof ClusterLimits };

/** Charged on the data path, ~100 ns. `nowMs` is the turn's monotonic reading. */
export interface Limiter {
  /** One request, and `bytes` of batches into one partition. The bytes are charged now and paid back by delay. */
  produce(clusterId: string, topicPartition: string, bytes: number, nowMs: number): Verdict;
  /** `bytes` out of one partition, charged after they were read. */
  fetch(clusterId: string, topicPartition: string, bytes: number, nowMs: number): Verdict;
  /** `count`: how many requests it stands for, by the work it makes; 1 when not said. */
  request(clusterId: string, nowMs: number, count?: number): Verdict;
  /**
   * What a caller would wait for at this moment, charging nothing: doors that refuse long waits ask before they act. Readers'
   * debt does not hold back writers, nor the reverse; 'produce' when not said, 'neither' for requests alone.
   */
  debt(clusterId: string, nowMs: number, direction?: 'produce' | 'fetch' | 'neither'): Verdict;
  /** One topic made, deleted or enlarged. A delay above `waitMsMax` is a refusal, and charges nothing. */
  topicMutation(clusterId: string, nowMs: number, waitMsMax: number): Verdict;
  /** Over connectionsMax, or with its turn among attempts more than `waitMsMax` away, it is refused. */
  connect(clusterId: string, nowMs: number, waitMsMax: number): Admission;
  disconnect(clusterId: string): void;
}

export interface Meter {
  produced(clusterId: string, records: number, bytes: number): void;
  fetched(clusterId: string, records: number, bytes: number): void;
  throttled(clusterId: string, quota: keyof ClusterLimits, delayMs: number): void;
}

/** Ops that ride in the engine's transaction and keep the exact counters; retry with a fresh one on StoreConflict. */
export interface CountGuard {
  /** Throws QuotaExceeded when `partitions` (and one topic) would pass a limit; negative numbers give back. */
  reserve(clusterId: string, change: TopicChange): Promise<StoreOp[]>;
  /** For a topic of ours inside the cluster: against no limit, and none is made in a cluster that is being deleted. */
  reserveInternal(clusterId: string, topics: 1 | -1): Promise<StoreOp[]>;
}

export interface Access {
  /** The principal of an API key as given by a client, or undefined. Constant work; only hashes are compared. */
  authenticate(apiKey: string): Principal | undefined;
  /** SASL/PLAIN: the user name is the key id, the password the API key. */
  authenticatePlain(username: string, password: string): Principal | undefined;
  /** Called when a key stops working (revoked, rotated away, cluster gone): doors close what it opened. */
  onRevoked(listener: (keyId: string) => void): () => void;
}

/** Made once, shown once: the only time the secret exists outside its holder. */
export interface IssuedKey {
  readonly keyId: string;
  readonly apiKey: string;
}

export interface KeyView {
  readonly keyId: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Set on the old key of a rotation: until when it still works. */
  readonly expiresAtMs: number | undefined;
}

export interface TenantView {
  readonly tenantId: string;
  readonly name: string;
  readonly createdAtMs: number;
}

export interface Usage {
  readonly clusterId: string;
  readonly producedBytes: number;
  readonly producedRecords: number;
  readonly fetchedBytes: number;
  readonly fetchedRecords: number;
  readonly throttledMs: Readonly<Partial<Record<keyof ClusterLimits, number>>>;
}

export interface Tenancy {
  readonly access: Access;
  readonly limiter: Limiter;
  readonly meter: Meter;
  readonly counts: CountGuard;
  cluster(clusterId: string): ClusterView | undefined;

  createTenant(name: string): Promise<TenantView>;
  /** Throws NotFound, and InvalidRequest (field tenantId) while it has clusters. */
  deleteTenant(tenantId: string): Promise<void>;
  tenants(): readonly TenantView[];
  createCluster(spec: {
    readonly tenantId: string;
    readonly name: string;
    readonly defaultPartitions?: number;
    readonly autoCreateTopics?: boolean;
    readonly profile?: string;
    readonly limits?: Partial<ClusterLimits>;
  }): Promise<ClusterView>;
  updateCluster(
    clusterId: string,
    change: {
      readonly state?: 'serving' | 'suspended';
      readonly defaultPartitions?: number;
      readonly autoCreateTopics?: boolean;
      readonly limits?: Partial<ClusterLimits>;
      /** Beside what is there; null takes one away. Which names there may be is for the caller to bound. */
      readonly brokerConfigs?: Readonly<Record<string, string | null>>;
    },
  ): Promise<ClusterView>;
  /** Marks it 'deleting' (keys stop at once), calls `deleteTopics` until the counters are at 0, then removes it. Re-entrant after a crash. */
  deleteCluster(clusterId: string, deleteTopics: () => Promise<void>): Promise<void>;
  clusters(tenantId?: string): readonly ClusterView[];
  /** `apiKey`: the key itself, where several processes may issue the same one at once. */
  issueKey(clusterId: string, name: string, apiKey?: string): Promise<IssuedKey>;
  /** A new key with the same name; the old one works for `graceMs` more. */
  rotateKey(clusterId: string, keyId: string, graceMs: number): Promise<IssuedKey>;
  revokeKey(clusterId: string, keyId: string): Promise<void>;
  keys(clusterId: string): readonly KeyView[];
  usage(clusterId: string): Usage;
  close(): Promise<void>;
}
