import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../engine/kernel/clock.ts';
import { systemRandom } from '../../engine/kernel/random.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { newApiKey, parseApiKey } from '../../tenancy/access/api-key-text.ts';
import { openTenancy } from '../../tenancy/open-tenancy.ts';
import type { Tenancy } from '../../tenancy/tenancy.ts';
import type { DemoAccess, DemoSecrets } from './demo-env.ts';
import { ensureDemoTenant } from './demo-tenant.ts';

const clock = systemClock;

function drawn(): DemoSecrets {
  const apiKey = newApiKey(systemRandom);
  return { adminKey: 'hga_a', apiKey, keyId: parseApiKey(apiKey)!.keyId };
}

async function openGateways(count: number): Promise<Tenancy[]> {
  const store = memoryStore({ clock });
  const open = (): Promise<Tenancy> => openTenancy({ store: store.connect(), clock, random: systemRandom });
  const gateways = await Promise.all(Array.from({ length: count }, open));
  onTestFinished(async () => void (await Promise.all(gateways.map((tenancy) => tenancy.close()))));
  return gateways;
}

/** `redraw`: the same for all gateways, as the file makes it. */
function start(tenancy: Tenancy, secrets: DemoSecrets, redraw = drawn): Promise<DemoAccess> {
  return ensureDemoTenant({ tenancy, clock, redraw }, secrets);
}

it('gateways that start at the same moment create one tenant, one cluster and one key', async () => {
  const gateways = await openGateways(3);
  const secrets = drawn();
  const made = await Promise.all(gateways.map((tenancy) => start(tenancy, secrets)));
  expect(new Set(made.map((access) => JSON.stringify(access))).size).toBe(1);
  const { clusterId, apiKey, keyId } = made[0]!;
  for (const tenancy of gateways) {
    expect(tenancy.access.authenticate(apiKey)).toMatchObject({ clusterId });
    await expect.poll(() => tenancy.keys(clusterId).map((key) => key.keyId)).toEqual([keyId]);
    expect(tenancy.tenants()).toHaveLength(1);
  }
});

it('gateways that restart at the same moment create one key in place of a revoked one', async () => {
  const gateways = await openGateways(2);
  const old = await start(gateways[0]!, drawn());
  await gateways[0]!.revokeKey(old.clusterId, old.keyId);
  for (const tenancy of gateways) await expect.poll(() => tenancy.keys(old.clusterId)).toEqual([]);
  const next = drawn();
  const made = await Promise.all(gateways.map((tenancy) => start(tenancy, old, () => next)));
  expect(made).toEqual([0, 1].map(() => ({ ...next, clusterId: old.clusterId })));
  for (const tenancy of gateways) {
    await expect.poll(() => tenancy.keys(old.clusterId).map(({ keyId }) => keyId)).toEqual([next.keyId]);
  }
});

it('a gateway starts while the demo cluster is being deleted, so that it can finish an interrupted deletion', async () => {
  const [tenancy] = await openGateways(1);
  const old = await start(tenancy!, drawn());
  const cut = tenancy!.deleteCluster(old.clusterId, () => Promise.reject(new Error('killed')));
  await expect(cut).rejects.toThrow('killed');
  expect(await start(tenancy!, old)).toEqual(old);
  await tenancy!.deleteCluster(old.clusterId, () => Promise.resolve());
  const made = await start(tenancy!, old);
  expect(made.clusterId).not.toBe(old.clusterId);
  expect(tenancy!.access.authenticate(made.apiKey)).toMatchObject({ clusterId: made.clusterId });
});

it('a suspended demo cluster gets no new keys', async () => {
  const [tenancy] = await openGateways(1);
  const old = await start(tenancy!, drawn());
  await tenancy!.updateCluster(old.clusterId, { state: 'suspended' });
  expect(await start(tenancy!, old)).toEqual(old);
  expect(tenancy!.keys(old.clusterId)).toHaveLength(1);
});

it('another gateway may delete the demo cluster while this one creates its key', async () => {
  const [tenancy, other] = await openGateways(2);
  const old = await start(tenancy!, drawn());
  await tenancy!.revokeKey(old.clusterId, old.keyId);
  await expect.poll(() => other!.cluster(old.clusterId)).toBeDefined();
  // After the look for the cluster, which this gateway then finds gone.
  let deleted: Promise<void> | undefined;
  const next = drawn();
  const late: Tenancy = {
    ...tenancy!,
    issueKey: async (...asked) => {
      await (deleted ??= other!.deleteCluster(old.clusterId, () => Promise.resolve()));
      return tenancy!.issueKey(...asked);
    },
  };
  const made = await start(late, old, () => next);
  expect(made.clusterId).not.toBe(old.clusterId);
  expect(tenancy!.access.authenticate(next.apiKey)).toMatchObject({ clusterId: made.clusterId });
});
