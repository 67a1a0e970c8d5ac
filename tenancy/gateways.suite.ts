/** A world for tenancy tests: one memory store, a clock that the test moves, and as many gateways as a test opens on it. */
import { type ManualClock, manualClock } from '../engine/kernel/manual-clock.ts';
import { seededRandom } from '../engine/kernel/random.ts';
import { type MetadataStore, StoreConflict } from '../engine/ports.ts';
import { type MemoryStore, memoryStore, type StoreFaults } from '../engine/store-memory.ts';
import { openTenancy } from './open-tenancy.ts';
import type { TenancySettings } from './settings.ts';
import type { Tenancy } from './tenancy.ts';

export interface World {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly open: (faults?: StoreFaults, settings?: Partial<TenancySettings>) => Promise<Tenancy>;
}

export function world(): World {
  const clock = manualClock();
  const store = memoryStore({ clock });
  let seed = 1;
  return {
    clock,
    store,
    open: (faults, settings = {}) =>
      openTenancy({ store: store.connect(faults), clock, random: seededRandom(seed++), settings }),
  };
}

export async function newCluster(tenancy: Tenancy, tenant = 'acme', name = 'orders'): Promise<string> {
  const known = tenancy.tenants().find((t) => t.name === tenant);
  const { tenantId } = known ?? (await tenancy.createTenant(tenant));
  return (await tenancy.createCluster({ tenantId, name })).clusterId;
}

/** Does what the engine does with a guard: writes its own row and the counters in one transaction, and retries after a lost race. */
export async function changeTopics(
  tenancy: Tenancy,
  store: MetadataStore,
  clusterId: string,
  change: { readonly topics: number; readonly partitions: number },
  topic = 'plain',
): Promise<void> {
  for (;;) {
    const guard = await tenancy.counts.reserve(clusterId, change, topic);
    try {
      await store.transact(guard);
      return;
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error;
    }
  }
}
