import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowCorrupt } from '../../engine/store-row-json.ts';
import type { Row, RowKey } from '../../engine/ports.ts';
import { limitsOf } from '../quota/limits.ts';
import type { ClusterLimits } from '../tenancy.ts';
import { apiKeyKey, decodeApiKey, encodeApiKey } from './api-key.ts';
import { clusterCountsKey, decodeClusterCounts, encodeClusterCounts } from './cluster-counts.ts';
import { type ClusterRow, clusterKey, decodeCluster, encodeCluster } from './cluster.ts';
import { clusterNameKey, decodeNameClaim, encodeNameClaim, tenantNameKey, topicNameKey } from './name-claim.ts';
import { decodeTenant, encodeTenant, tenantKey } from './tenant.ts';
import { decodeUsage, encodeUsage, usageKey } from './usage.ts';

const row = (key: RowKey, value: string): Row => ({ ...key, value, version: 1 });
const whole = fc.maxSafeNat();
const limitNames = Object.keys(limitsOf('unlimited', {})) as (keyof ClusterLimits)[];
const amount = fc.oneof(fc.constant(Infinity), fc.double({ min: 0, noNaN: true }).map(Math.abs));
const perLimit = fc.dictionary(fc.constantFrom(...limitNames), amount, { noNullPrototype: true });

describe('tenancy rows read back what was written', () => {
  it('tenant and name claims', () => {
    fc.assert(
      fc.property(fc.string(), whole, whole, (name, clusters, createdAtMs) => {
        const tenant = { name, clusters, createdAtMs };
        expect(decodeTenant(row(tenantKey('t1'), encodeTenant(tenant)))).toEqual(tenant);
        expect(decodeNameClaim(row(tenantNameKey('n'), encodeNameClaim({ id: name })))).toEqual({ id: name });
        expect(decodeNameClaim(row(clusterNameKey('t1', 'n'), encodeNameClaim({ id: name })))).toEqual({ id: name });
        expect(decodeNameClaim(row(topicNameKey('c1', 'n'), encodeNameClaim({ id: name })))).toEqual({ id: name });
      }),
    );
  });

  it('cluster, with any limits', () => {
    const clusters: fc.Arbitrary<ClusterRow> = fc.record({
      tenantId: fc.string(),
      name: fc.string(),
      state: fc.constantFrom('serving', 'suspended', 'deleting'),
      autoCreateTopics: fc.boolean(),
      defaultPartitions: whole,
      profile: fc.string(),
      limits: perLimit as fc.Arbitrary<Partial<ClusterLimits>>,
      createdAtMs: whole,
    });
    fc.assert(
      fc.property(clusters, fc.string(), (cluster, text) => {
        expect(decodeCluster(row(clusterKey('c'), encodeCluster(cluster)))).toEqual(cluster);
        const told = { ...cluster, brokerConfigs: { '1 rate': text } };
        expect(decodeCluster(row(clusterKey('c'), encodeCluster(told)))).toEqual(told);
      }),
    );
  });

  it('counts, keys and usage', () => {
    fc.assert(
      fc.property(whole, whole, fc.boolean(), fc.string(), perLimit, (a, b, closed, text, throttledMs) => {
        const counts = { topics: a, partitions: b, internalTopics: a, milliMutations: b, mutationsAtMs: a, closed };
        expect(decodeClusterCounts(row(clusterCountsKey('c'), encodeClusterCounts(counts)))).toEqual(counts);
        const secretHash = 'ab'.repeat(32);
        const key = { clusterId: text, name: text, secretHash, createdAtMs: a, expiresAtMs: b };
        expect(decodeApiKey(row(apiKeyKey('k'), encodeApiKey(key)))).toEqual(key);
        const usage = { producedBytes: a, producedRecords: b, fetchedBytes: b, fetchedRecords: a, throttledMs };
        expect(decodeUsage(row(usageKey('c'), encodeUsage(usage)))).toEqual(usage);
      }),
    );
  });

  it('damage causes RowCorrupt, never a half-filled value', () => {
    const decoders = [decodeTenant, decodeNameClaim, decodeCluster, decodeClusterCounts, decodeApiKey, decodeUsage];
    for (const decode of decoders) {
      for (const value of ['', '{', '[]', 'null', '{}', '{"name":3}']) {
        expect(() => decode(row({ pk: 'P', sk: 's' }, value))).toThrow(RowCorrupt);
      }
    }
    const cluster = JSON.parse(
      encodeCluster({
        tenantId: 't',
        name: 'n',
        state: 'serving',
        autoCreateTopics: false,
        defaultPartitions: 1,
        profile: 'unlimited',
        limits: {},
        createdAtMs: 1,
      }),
    ) as Record<string, unknown>;
    for (const damage of [{ state: 'gone' }, { limits: { speed: '1' } }, { limits: { groupsMax: 'many' } }]) {
      const value = JSON.stringify({ ...cluster, ...damage });
      expect(() => decodeCluster(row(clusterKey('c'), value))).toThrow(RowCorrupt);
    }
  });
});
