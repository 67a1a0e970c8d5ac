/**
 * Tenancy as the doors see it: who is calling, what their cluster may do, and what its names are inside the engine. All
 * data-path calls are synchronous and read plain Maps that the store's change feed keeps current. Only changes (create,
 * rotate, revoke) go to the store.
 */
import type { TopicChange } from '../engine/engine.ts';
import type { StoreOp } from '../engine/ports.ts';

/** Who a connection or request acts for. Belongs to one cluster; created by authenticate, dropped when the key is revoked. */
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
   * creating → serving → deleting; suspended ⇄ serving. Only 'serving' clusters answer the data path. Creation is one
   * transaction, so 'creating' appears only in views of clusters that were requested and are not stored yet.
   */
  readonly state: 'creating' | 'serving' | 'suspended' | 'deleting';
  readonly autoCreateTopics: boolean;
  readonly defaultPartitions: number;
  readonly limits: ClusterLimits;
  /** See ClusterRow. */
  readonly brokerConfigs: Readonly<Record<string, string>>;
  /** Live: the same object is kept current as long as the cluster exists. */
  readonly usage: ClusterUsage;
  readonly createdAtMs: number;
}

/** Per cluster; Infinity switches a limit off (profile 'unlimited'). The default profile has the values of MSK Serverless. */
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

/** A rate that delays: the limit that was charged, and how long the caller is to be held back. */
export interface Verdict {
  /** 0: no delay. */
  readonly delayMs: number;
  /** The limit with the longest delay, by its ClusterLimits name; undefined when delayMs is 0. */
  readonly quota: keyof ClusterLimits | undefined;
}

/** With `delayMs`, a connection is counted, may be used after that delay, and must be matched by a disconnect. */
export type Admission = { readonly delayMs: number } | { readonly refused: keyof ClusterLimits };

/** Charged on the data path, ~100 ns. `nowMs` is the turn's monotonic clock reading. */
export interface Limiter {
  /** Charges one request, and `bytes` of batches into one partition. The bytes are charged now and paid back by delay. */
  produce(clusterId: string, topicPartition: string, bytes: number, nowMs: number): Verdict;
  /** Charges `bytes` from one partition, after they were read. */
  fetch(clusterId: string, topicPartition: string, bytes: number, nowMs: number): Verdict;
  /** `count`: how many requests this one stands for, by the work it causes; 1 by default. */
  request(clusterId: string, nowMs: number, count?: number): Verdict;
  /**
   * What a caller would have to wait for now; charges nothing. Doors that refuse long waits ask this before they act.
   * Readers' debt does not hold back writers, nor the reverse. `direction` is 'produce' by default; 'neither' is for
   * requests alone.
   */
  debt(clusterId: string, nowMs: number, direction?: 'produce' | 'fetch' | 'neither'): Verdict;
  /** Charges one topic creation, deletion or enlargement. A delay above `waitMsMax` is a refusal and charges nothing. */
  topicMutation(clusterId: string, nowMs: number, waitMsMax: number): Verdict;
  /** Refused when connectionsMax is reached, or when its turn among the attempts is more than `waitMsMax` away. */
  connect(clusterId: string, nowMs: number, waitMsMax: number): Admission;
  disconnect(clusterId: string): void;
}

export interface Meter {
  produced(clusterId: string, records: number, bytes: number): void;
  fetched(clusterId: string, records: number, bytes: number): void;
  throttled(clusterId: string, quota: keyof ClusterLimits, delayMs: number): void;
}

/** Operations for the engine's transaction that keep the counters exact. On StoreConflict, retry with fresh ones. */
export interface CountGuard {
  /**
   * Throws QuotaExceeded when `partitions` (and one topic) would exceed a limit; negative numbers give back. `topic`: the
   * tenant's name of a topic that is created or deleted. Throws NameCollides when a topic has a name too much like it.
   */
  reserve(clusterId: string, change: TopicChange, topic: string): Promise<StoreOp[]>;
  /** For one of our own topics inside the cluster. No limit applies, but none is created in a cluster that is being deleted. */
  reserveInternal(clusterId: string, topics: 1 | -1): Promise<StoreOp[]>;
}

export interface Access {
  /**
   * The principal of an API key given by a client, or undefined. Does constant work; only hashes are compared. The cluster
   * may be suspended or being deleted: the caller checks its state.
   */
  authenticate(apiKey: string): Principal | undefined;
  /** SASL/PLAIN: the user name is the key id, the password the API key. */
  authenticatePlain(username: string, password: string): Principal | undefined;
  /** Called when a key stops working (revoked, rotated away, cluster suspended or gone): doors then close everything it opened. */
  onRevoked(listener: (keyId: string) => void): () => void;
}

/** Made once and shown once: the only time the secret exists outside its holder. */
export interface IssuedKey {
  readonly keyId: string;
  readonly apiKey: string;
}

export interface KeyView {
  readonly keyId: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** Set on the old key of a rotation: the time until which it still works. */
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
      /** Merged into the existing ones; null removes one. The caller must restrict which names are allowed. */
      readonly brokerConfigs?: Readonly<Record<string, string | null>>;
    },
  ): Promise<ClusterView>;
  /**
   * Marks it 'deleting' (keys stop at once), calls `deleteTopics` until the counters are at 0, then removes it. Can be
   * repeated after a crash.
   */
  deleteCluster(clusterId: string, deleteTopics: () => Promise<void>): Promise<void>;
  clusters(tenantId?: string): readonly ClusterView[];
  /** `apiKey`: the key itself, when several processes may issue the same one at once. */
  issueKey(clusterId: string, name: string, apiKey?: string): Promise<IssuedKey>;
  /** A new key with the same name; the old one works for `graceMs` more. */
  rotateKey(clusterId: string, keyId: string, graceMs: number): Promise<IssuedKey>;
  revokeKey(clusterId: string, keyId: string): Promise<void>;
  keys(clusterId: string): readonly KeyView[];
  usage(clusterId: string): Usage;
  /** What this process has counted since it began: never falls, and is nobody else's. */
  counted(clusterId: string): Usage;
  close(): Promise<void>;
}
