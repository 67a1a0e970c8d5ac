import { describe, expect, it } from 'vitest';
import type { ClusterLimits } from '../tenancy.ts';
import { limitsOf } from './limits.ts';
import { ClusterLimiter } from './limiter.ts';

const id = 'c23456789abc';

function limiterOf(overrides: Partial<ClusterLimits>, partitionBucketsMax = 100) {
  const limiter = new ClusterLimiter({ partitionBucketsMax });
  const usage = { connections: 0 };
  limiter.setCluster(id, limitsOf('unlimited', overrides), usage);
  return { limiter, usage };
}

describe('limiter', () => {
  it('delays writers by the cluster’s ingress, whatever the partition', () => {
    const { limiter } = limiterOf({ ingressBytesPerSecondMax: 1000 });
    expect(limiter.produce(id, 'a0', 600, 0)).toEqual({ delayMs: 0, quota: undefined });
    expect(limiter.produce(id, 'b0', 600, 0)).toEqual({ delayMs: 200, quota: 'ingressBytesPerSecondMax' });
    expect(limiter.debt(id, 50)).toEqual({ delayMs: 150, quota: 'ingressBytesPerSecondMax' });
    expect(limiter.debt(id, 50, 'fetch').delayMs).toBe(0);
    expect(limiter.debt(id, 201).delayMs).toBe(0);
  });

  it('delays by each partition separately, with two seconds of burst', () => {
    const { limiter } = limiterOf({ partitionIngressBytesPerSecondMax: 1000, partitionEgressBytesPerSecondMax: 500 });
    expect(limiter.produce(id, 'a0', 2000, 0).delayMs).toBe(0);
    expect(limiter.produce(id, 'a0', 500, 0)).toEqual({ delayMs: 500, quota: 'partitionIngressBytesPerSecondMax' });
    expect(limiter.produce(id, 'a1', 2000, 0).delayMs).toBe(0);
    expect(limiter.fetch(id, 'a0', 1500, 0)).toEqual({ delayMs: 1000, quota: 'partitionEgressBytesPerSecondMax' });
    expect(limiter.debt(id, 0).delayMs).toBe(0);
  });

  it('delays readers by egress, without delaying writers', () => {
    const { limiter } = limiterOf({ egressBytesPerSecondMax: 1000 });
    expect(limiter.fetch(id, 'a0', 3000, 0)).toEqual({ delayMs: 2000, quota: 'egressBytesPerSecondMax' });
    expect(limiter.produce(id, 'a0', 3000, 0).delayMs).toBe(0);
    expect(limiter.debt(id, 0).delayMs).toBe(0);
    expect(limiter.debt(id, 0, 'fetch')).toEqual({ delayMs: 2000, quota: 'egressBytesPerSecondMax' });
  });

  it('names the limit that asks for the longest delay', () => {
    const { limiter } = limiterOf({
      ingressBytesPerSecondMax: 1000,
      partitionIngressBytesPerSecondMax: 1000,
      requestsPerSecondMax: 1,
    });
    expect(limiter.produce(id, 'a0', 1500, 0)).toEqual({ delayMs: 500, quota: 'ingressBytesPerSecondMax' });
    expect(limiter.produce(id, 'a0', 1, 0)).toEqual({ delayMs: 1000, quota: 'requestsPerSecondMax' });
    expect(limiter.produce(id, 'a0', 2000, 0)).toEqual({ delayMs: 2501, quota: 'ingressBytesPerSecondMax' });
  });

  it('delays writers by requests alone, and by the longer of requests and partition', () => {
    const { limiter } = limiterOf({ requestsPerSecondMax: 1, partitionIngressBytesPerSecondMax: 1000 });
    expect(limiter.produce(id, 'a0', 2000, 0).delayMs).toBe(0);
    expect(limiter.produce(id, 'b0', 1, 0)).toEqual({ delayMs: 1000, quota: 'requestsPerSecondMax' });
    expect(limiter.produce(id, 'a0', 100, 0)).toEqual({ delayMs: 2000, quota: 'requestsPerSecondMax' });
    expect(limiter.produce(id, 'a0', 5000, 0)).toEqual({ delayMs: 5100, quota: 'partitionIngressBytesPerSecondMax' });
  });

  it('stops charging requests of a client that hammers', () => {
    const { limiter } = limiterOf({ requestsPerSecondMax: 10 });
    let last = limiter.request(id, 0);
    for (let i = 0; i < 10_000; i++) last = limiter.request(id, 0);
    expect(last.quota).toBe('requestsPerSecondMax');
    expect(last.delayMs).toBeGreaterThan(10_000);
    expect(last.delayMs).toBeLessThan(10_200);
    expect(limiter.request(id, 12_000).delayMs).toBe(0);
  });

  it('charges a request for as many as it stands for, up to ten seconds’ worth', () => {
    const { limiter } = limiterOf({ requestsPerSecondMax: 10, ingressBytesPerSecondMax: 1 });
    expect(limiter.request(id, 0, 10).delayMs).toBe(0);
    expect(limiter.request(id, 0, 25)).toEqual({ delayMs: 2_500, quota: 'requestsPerSecondMax' });
    expect(limiter.request(id, 0, 1_000_000).delayMs).toBe(10_000);
    limiter.produce(id, 'a0', 1_000, 0);
    expect(limiter.debt(id, 10_000, 'neither').delayMs).toBeLessThan(200);
    expect(limiter.debt(id, 10_000).delayMs).toBeGreaterThan(900_000);
  });

  it('admits a batch of topic mutations, then two a second', () => {
    const { limiter } = limiterOf({ topicMutationsPerSecondMax: 2 });
    for (let i = 0; i < 20; i++) expect(limiter.topicMutation(id, 0, 0).delayMs).toBe(0);
    const verdict = { delayMs: 500, quota: 'topicMutationsPerSecondMax' };
    // Refused, as often as it is asked: at no charge.
    for (let i = 0; i < 9; i++) expect(limiter.topicMutation(id, 0, 499)).toEqual(verdict);
    expect(limiter.topicMutation(id, 0, 500)).toEqual(verdict);
    expect(limiter.topicMutation(id, 0, 1000).delayMs).toBe(1000);
  });

  it('counts connections and attempts; refusals cost nothing', () => {
    const { limiter, usage } = limiterOf({ connectionsMax: 3, connectionAttemptsPerSecondMax: 4 });
    for (let i = 0; i < 3; i++) expect(limiter.connect(id, 0, 0)).toEqual({ delayMs: 0 });
    for (let i = 0; i < 9; i++) expect(limiter.connect(id, 0, 0)).toEqual({ refused: 'connectionsMax' });
    expect(usage.connections).toBe(3);
    limiter.disconnect(id);
    expect(limiter.connect(id, 0, 0)).toEqual({ delayMs: 0 });
    limiter.disconnect(id);
    for (let i = 0; i < 9; i++)
      expect(limiter.connect(id, 0, 0)).toEqual({ refused: 'connectionAttemptsPerSecondMax' });
    expect(limiter.connect(id, 250, 0)).toEqual({ delayMs: 0 });
    limiter.disconnect(id);
    // Who may wait has a turn of its own, and is counted meanwhile.
    expect(limiter.connect(id, 250, 500)).toEqual({ delayMs: 250 });
    expect(usage.connections).toBe(3);
    limiter.disconnect(id);
    expect(limiter.connect(id, 250, 499)).toEqual({ refused: 'connectionAttemptsPerSecondMax' });
    for (let i = 0; i < 9; i++) limiter.disconnect(id);
    expect(usage.connections).toBe(0);
  });

  it('keeps the used amount when limits change', () => {
    const { limiter, usage } = limiterOf({ ingressBytesPerSecondMax: 1000, connectionsMax: 1 });
    limiter.connect(id, 0, 0);
    limiter.produce(id, 'a0', 2000, 0);
    limiter.setCluster(id, limitsOf('unlimited', { ingressBytesPerSecondMax: 10_000, connectionsMax: 2 }), {
      connections: 0,
    });
    expect(limiter.debt(id, 0).delayMs).toBe(1000);
    expect(limiter.connect(id, 0, 0)).toEqual({ delayMs: 0 });
    expect(usage.connections).toBe(2);
    limiter.setCluster(id, limitsOf('unlimited', {}), usage);
    expect(limiter.produce(id, 'a0', 1e9, 0).delayMs).toBe(0);
  });

  it('forgets silent partitions as others arrive, and keeps those in debt', () => {
    const { limiter } = limiterOf({ partitionIngressBytesPerSecondMax: 1000 }, 8);
    limiter.produce(id, 'debtor', 60_000, 0);
    for (let i = 0; i < 5000; i++) limiter.produce(id, `p${i}`, 1, i * 3);
    expect(limiter.produce(id, 'debtor', 1, 15_000).delayMs).toBeGreaterThan(40_000);
  });

  it('remembers no more partitions than it may, whatever their debt', () => {
    const { limiter } = limiterOf({ partitionIngressBytesPerSecondMax: 1000 }, 4);
    const debtors = Array.from({ length: 20 }, (_, i) => `p${i}`);
    for (const name of debtors) limiter.produce(id, name, 60_000, 0);
    const remembered = debtors.toReversed().filter((name) => limiter.produce(id, name, 1, 0).delayMs > 0);
    expect(remembered[0]).toBe('p19');
    expect(remembered.length).toBeLessThanOrEqual(4);
  });

  it('knows nothing of a cluster that is gone', () => {
    const { limiter } = limiterOf({});
    limiter.removeCluster(id);
    expect(limiter.connect(id, 0, 0)).toEqual({ refused: 'connectionsMax' });
    expect(limiter.produce(id, 'a0', 1e9, 0).delayMs).toBe(0);
    limiter.disconnect(id);
  });
});
