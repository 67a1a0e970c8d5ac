/** The whole of tenancy on the durable store: two gateways with a handle each on one directory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../engine/kernel/clock.ts';
import { systemRandom } from '../engine/kernel/random.ts';
import type { MetadataStore } from '../engine/ports.ts';
import { changeTopics, newCluster } from './gateways.suite.ts';
import { openTenancy } from './open-tenancy.ts';
import { openLmdbStore } from './store/lmdb.ts';
import type { Tenancy } from './tenancy.ts';

describe('two gateways on one LMDB directory', () => {
  let directory: string;
  const opened: { close(): Promise<void> }[] = [];

  async function gateway(): Promise<{ tenancy: Tenancy; store: MetadataStore }> {
    const store = openLmdbStore({ directory, clock: systemClock });
    const tenancy = await openTenancy({ store, clock: systemClock, random: systemRandom });
    opened.push({
      async close() {
        await tenancy.close();
        await store.close();
      },
    });
    return { tenancy, store };
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'headgate-tenancy-'));
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('one revokes a key, and the other is told', async () => {
    const first = (await gateway()).tenancy;
    const clusterId = await newCluster(first);
    const { keyId, apiKey } = await first.issueKey(clusterId, 'app');
    const second = (await gateway()).tenancy;
    expect(second.access.authenticate(apiKey)?.clusterId).toBe(clusterId);
    const told = new Promise<string>((resolve) => second.access.onRevoked(resolve));
    await first.revokeKey(clusterId, keyId);
    expect(await told).toBe(keyId);
    expect(second.access.authenticate(apiKey)).toBeUndefined();
  });

  it('count exactly together', async () => {
    const gateways = [await gateway()];
    const clusterId = await newCluster(gateways[0]!.tenancy);
    await gateways[0]!.tenancy.updateCluster(clusterId, { limits: { partitionsMax: 20 } });
    gateways.push(await gateway());
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) => {
        const { tenancy, store } = gateways[i % 2]!;
        return changeTopics(tenancy, store, clusterId, { topics: 1, partitions: 1 });
      }),
    );
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(20);
    const late = (await gateway()).tenancy;
    expect(late.cluster(clusterId)!.usage).toMatchObject({ topics: 20, partitions: 20 });
  });
});
