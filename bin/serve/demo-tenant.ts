/**
 * The demo tenant: created at first start, with the key that demo.env keeps (demo-env.ts). Gateways that start at the same
 * moment share one: all create tenant, cluster and key conditionally, so a later gateway finds them already there.
 */
import { type Clock, sleep } from '../../engine/kernel/clock.ts';
import { AlreadyExists, Forbidden, NotFound } from '../../tenancy/failures.ts';
import type { Tenancy } from '../../tenancy/tenancy.ts';
import type { DemoAccess, DemoSecrets } from './demo-env.ts';

export interface DemoParts {
  readonly tenancy: Tenancy;
  readonly clock: Clock;
  /** Replaces a revoked key, with the same one at every gateway. */
  readonly redraw: (revoked: string) => DemoSecrets;
}

/** How long to wait until what others create and delete meanwhile is visible here. */
const seenWaitMsMax = 10_000;
const seenPollMs = 20;

/**
 * The demo tenant's access: what the file says, as long as its key works; otherwise creates whichever of tenant, cluster
 * and key are missing.
 */
export async function ensureDemoTenant(parts: DemoParts, secrets: DemoSecrets): Promise<DemoAccess> {
  const { clock } = parts;
  const deadlineMs = clock.monotonicMs() + seenWaitMsMax;
  for (;;) {
    try {
      return await foundOrMade(parts, secrets);
    } catch (failure) {
      if (!isOthersDoing(failure) || clock.monotonicMs() >= deadlineMs) throw failure;
    }
    await sleep(clock, seenPollMs);
  }
}

async function foundOrMade({ tenancy, redraw }: DemoParts, secrets: DemoSecrets): Promise<DemoAccess> {
  const { adminKey, apiKey, keyId, clusterId } = secrets;
  const isKnown = clusterId !== undefined && tenancy.access.authenticate(apiKey)?.clusterId === clusterId;
  if (isKnown) return { adminKey, apiKey, keyId, clusterId };
  const tenant = tenancy.tenants().find(({ name }) => name === 'demo') ?? (await tenancy.createTenant('demo'));
  const cluster =
    tenancy.clusters(tenant.tenantId).find(({ name }) => name === 'demo') ??
    (await tenancy.createCluster({ tenantId: tenant.tenantId, name: 'demo' }));
  // Suspended, or being deleted: no key of it works, whether or not it is revoked. A deletion that was cut short is finished
  // through a gateway, so no gateway may wait for it.
  if (cluster.state !== 'serving') return { adminKey, apiKey, keyId, clusterId: cluster.clusterId };
  // A key that once existed and no longer works was revoked.
  const drawn = clusterId === undefined ? secrets : redraw(apiKey);
  await tenancy.issueKey(cluster.clusterId, 'demo', drawn.apiKey);
  return { ...drawn, clusterId: cluster.clusterId };
}

function isOthersDoing(failure: unknown): boolean {
  return failure instanceof AlreadyExists || failure instanceof NotFound || failure instanceof Forbidden;
}
