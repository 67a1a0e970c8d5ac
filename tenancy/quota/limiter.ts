/**
 * Rates of one gateway process, charged on the data path: one Map lookup for the cluster, one for the partition, and a few
 * additions. Bytes are charged in full after the fact and paid back by delay. What a door refuses instead (connections) is
 * not charged at all.
 *
 * Each gateway process applies a cluster's whole rate: with several gateways the limits are per gateway.
 */
import type { Admission, ClusterLimits, Limiter, Verdict } from '../tenancy.ts';
import { type Bucket, fullBucket, isFull, peek, type Rate, rateOf, take, takeWithin } from './bucket.ts';
import { clusterBurstSeconds, partitionBurstSeconds, topicMutationBurstSeconds } from './limits.ts';

/** When the debt exceeds this, requests are delayed by it and not charged, so that a client that hammers can recover. */
const requestDebtMsMax = 10_000;

const goOn: Verdict = Object.freeze({ delayMs: 0, quota: undefined });

interface Rates {
  readonly ingress: Rate;
  readonly egress: Rate;
  readonly partitionIngress: Rate;
  readonly partitionEgress: Rate;
  readonly requests: Rate;
  readonly attempts: Rate;
  readonly topicMutations: Rate;
}

interface ClusterBuckets {
  rates: Rates;
  connectionsMax: number;
  readonly usage: { connections: number };
  readonly ingress: Bucket;
  readonly egress: Bucket;
  readonly requests: Bucket;
  readonly attempts: Bucket;
  readonly topicMutations: Bucket;
  /**
   * Separate, because a partition's readers and writers are often different clients. The order of use is not tracked, see
   * #of.
   */
  readonly partitionIngress: Map<string, Bucket>;
  readonly partitionEgress: Map<string, Bucket>;
}

export class ClusterLimiter implements Limiter {
  readonly #clusters = new Map<string, ClusterBuckets>();
  readonly #partitionBucketsMax: number;

  constructor(options: { readonly partitionBucketsMax: number }) {
    this.#partitionBucketsMax = options.partitionBucketsMax;
  }

  /**
   * Adds a cluster, or changes its limits; what was used stays used. From then on the limiter maintains
   * `usage.connections`.
   */
  setCluster(clusterId: string, limits: ClusterLimits, usage: { connections: number }): void {
    const known = this.#clusters.get(clusterId);
    if (known) {
      known.rates = ratesOf(limits);
      known.connectionsMax = limits.connectionsMax;
      return;
    }
    this.#clusters.set(clusterId, {
      rates: ratesOf(limits),
      connectionsMax: limits.connectionsMax,
      usage,
      ingress: fullBucket(),
      egress: fullBucket(),
      requests: fullBucket(),
      attempts: fullBucket(),
      topicMutations: fullBucket(),
      partitionIngress: new Map(),
      partitionEgress: new Map(),
    });
  }

  removeCluster(clusterId: string): void {
    this.#clusters.delete(clusterId);
  }

  produce(clusterId: string, topicPartition: string, bytes: number, nowMs: number): Verdict {
    const cluster = this.#clusters.get(clusterId);
    if (!cluster) return goOn;
    const { rates } = cluster;
    const requests = takeRequest(cluster.requests, rates.requests, nowMs);
    const ingress = take(cluster.ingress, rates.ingress, bytes, nowMs);
    const rate = rates.partitionIngress;
    const partition =
      rate.msPerUnit === 0
        ? 0
        : take(this.#of(cluster.partitionIngress, topicPartition, rate, nowMs), rate, bytes, nowMs);
    if (requests === 0 && ingress === 0 && partition === 0) return goOn;
    if (partition >= ingress && partition >= requests) {
      return { delayMs: partition, quota: 'partitionIngressBytesPerSecondMax' };
    }
    return ingress >= requests
      ? { delayMs: ingress, quota: 'ingressBytesPerSecondMax' }
      : { delayMs: requests, quota: 'requestsPerSecondMax' };
  }

  fetch(clusterId: string, topicPartition: string, bytes: number, nowMs: number): Verdict {
    const cluster = this.#clusters.get(clusterId);
    if (!cluster) return goOn;
    const { rates } = cluster;
    const egress = take(cluster.egress, rates.egress, bytes, nowMs);
    const rate = rates.partitionEgress;
    const partition =
      rate.msPerUnit === 0
        ? 0
        : take(this.#of(cluster.partitionEgress, topicPartition, rate, nowMs), rate, bytes, nowMs);
    if (egress === 0 && partition === 0) return goOn;
    return partition >= egress
      ? { delayMs: partition, quota: 'partitionEgressBytesPerSecondMax' }
      : { delayMs: egress, quota: 'egressBytesPerSecondMax' };
  }

  request(clusterId: string, nowMs: number, count = 1): Verdict {
    const cluster = this.#clusters.get(clusterId);
    if (!cluster) return goOn;
    return verdict(takeRequest(cluster.requests, cluster.rates.requests, nowMs, count), 'requestsPerSecondMax');
  }

  debt(clusterId: string, nowMs: number, direction: 'produce' | 'fetch' | 'neither' = 'produce'): Verdict {
    const cluster = this.#clusters.get(clusterId);
    if (!cluster) return goOn;
    const { rates } = cluster;
    const requests = peek(cluster.requests, rates.requests, nowMs);
    if (direction === 'neither') return verdict(requests, 'requestsPerSecondMax');
    const bytes =
      direction === 'produce' ? peek(cluster.ingress, rates.ingress, nowMs) : peek(cluster.egress, rates.egress, nowMs);
    if (requests > bytes) return verdict(requests, 'requestsPerSecondMax');
    return verdict(bytes, direction === 'produce' ? 'ingressBytesPerSecondMax' : 'egressBytesPerSecondMax');
  }

  topicMutation(clusterId: string, nowMs: number, waitMsMax: number): Verdict {
    const cluster = this.#clusters.get(clusterId);
    if (!cluster) return goOn;
    const delayMs = takeWithin(cluster.topicMutations, cluster.rates.topicMutations, 1, nowMs, waitMsMax);
    return verdict(delayMs, 'topicMutationsPerSecondMax');
  }

  connect(clusterId: string, nowMs: number, waitMsMax: number): Admission {
    const cluster = this.#clusters.get(clusterId);
    // A cluster that no longer exists accepts no connections.
    if (!cluster || cluster.usage.connections >= cluster.connectionsMax) return { refused: 'connectionsMax' };
    const delayMs = takeWithin(cluster.attempts, cluster.rates.attempts, 1, nowMs, waitMsMax);
    if (delayMs > waitMsMax) return { refused: 'connectionAttemptsPerSecondMax' };
    cluster.usage.connections++;
    return { delayMs };
  }

  disconnect(clusterId: string): void {
    const cluster = this.#clusters.get(clusterId);
    if (cluster && cluster.usage.connections > 0) cluster.usage.connections--;
  }

  /**
   * A partition's bucket. Each new bucket looks at the two that were looked at longest ago and forgets those that are full.
   * So silent partitions leave as others come, and no sweep ever stalls a turn. When there are too many, the oldest goes,
   * whatever its debt.
   */
  #of(buckets: Map<string, Bucket>, topicPartition: string, rate: Rate, nowMs: number): Bucket {
    const known = buckets.get(topicPartition);
    if (known) return known;
    let looks = 2;
    for (const [name, bucket] of buckets) {
      if (looks-- === 0) break;
      buckets.delete(name);
      if (!isFull(bucket, rate, nowMs) && buckets.size + 1 < this.#partitionBucketsMax) buckets.set(name, bucket);
    }
    const bucket = fullBucket();
    buckets.set(topicPartition, bucket);
    return bucket;
  }
}

function verdict(delayMs: number, quota: keyof ClusterLimits): Verdict {
  return delayMs === 0 ? goOn : { delayMs, quota };
}

function takeRequest(bucket: Bucket, rate: Rate, nowMs: number, count = 1): number {
  const debtMs = peek(bucket, rate, nowMs);
  if (debtMs > requestDebtMsMax) return debtMs;
  const delayMs = take(bucket, rate, count, nowMs);
  if (count === 1 || delayMs <= requestDebtMsMax) return delayMs;
  // A single call for more requests than the rate allows in that time must not hold its cluster back for minutes.
  bucket.paidAtMs = nowMs + requestDebtMsMax;
  return requestDebtMsMax;
}

function ratesOf(limits: ClusterLimits): Rates {
  return {
    ingress: rateOf(limits.ingressBytesPerSecondMax, clusterBurstSeconds),
    egress: rateOf(limits.egressBytesPerSecondMax, clusterBurstSeconds),
    partitionIngress: rateOf(limits.partitionIngressBytesPerSecondMax, partitionBurstSeconds),
    partitionEgress: rateOf(limits.partitionEgressBytesPerSecondMax, partitionBurstSeconds),
    requests: rateOf(limits.requestsPerSecondMax, clusterBurstSeconds),
    attempts: rateOf(limits.connectionAttemptsPerSecondMax, clusterBurstSeconds),
    topicMutations: rateOf(limits.topicMutationsPerSecondMax, topicMutationBurstSeconds),
  };
}
