import { expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { QuotaExceeded } from '../../tenancy/failures.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';
import { admitRequest, heldBackMs, longer, noDelay, refuseLongRead, refuseLongWait } from './admit.ts';
import { chargeRead } from './fetch.ts';

async function world(): Promise<{ readonly context: GatewayContext; readonly principal: Principal }> {
  const { context, tenancy } = await gatewayInTest({ clock: manualClock(), random: seededRandom(1) });
  const { tenantId } = await tenancy.createTenant('acme');
  const { clusterId } = await tenancy.createCluster({ tenantId, name: 'c', limits: { requestsPerSecondMax: 10 } });
  return { context, principal: { tenantId, clusterId, keyId: 'k' } };
}

it('meters how long requests are held back, and nothing for those that are refused', async () => {
  const { context, principal } = await world();
  const { clusterId } = principal;
  let heldMs = 0;
  let refused = 0;
  for (let i = 0; i < 100; i++) {
    try {
      heldMs += heldBackMs(context, clusterId, admitRequest(context, principal));
    } catch {
      refused++;
    }
  }
  // Ten at once; ten more within the second that a door holds a request back.
  expect(refused).toBe(80);
  expect(heldMs).toBeGreaterThan(0);
  expect(context.tenancy.usage(clusterId).throttledMs).toEqual({ requestsPerSecondMax: heldMs });
});

it('meters no more than the door holds back, and of several delays the longest', async () => {
  const { context, principal } = await world();
  const delay = (delayMs: number): Verdict => ({ delayMs, quota: 'ingressBytesPerSecondMax' });
  const longest = [delay(300), delay(5_000), delay(200)].reduce(longer, noDelay);
  expect(heldBackMs(context, principal.clusterId, longest, 1_000)).toBe(1_000);
  expect(heldBackMs(context, principal.clusterId, noDelay, 1_000)).toBe(0);
  expect(context.tenancy.usage(principal.clusterId).throttledMs).toEqual({ ingressBytesPerSecondMax: 1_000 });
});

it('holds back readers for what they have read, and for nothing else', async () => {
  const { context, principal } = await world();
  const { clusterId } = principal;
  await context.tenancy.updateCluster(clusterId, { limits: { egressBytesPerSecondMax: 1_000 } });
  const part = (bytes: number) => ({ key: 'orders-0', bytes, records: bytes / 100 });
  const { delayMs, quota } = chargeRead(context, principal, [part(0), part(100_000), part(0)]);
  expect([delayMs > 1_000, quota]).toEqual([true, 'egressBytesPerSecondMax']);
  expect(chargeRead(context, principal, [part(0)])).toBe(noDelay);
  expect(() => refuseLongRead(context, clusterId)).toThrow(QuotaExceeded);
  refuseLongWait(context, clusterId);
  expect(context.tenancy.usage(clusterId)).toMatchObject({ fetchedBytes: 100_000, fetchedRecords: 1_000 });
});
