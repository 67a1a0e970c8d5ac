import { beforeEach, expect, it } from 'vitest';
import { manualClock } from '../../engine/kernel/manual-clock.ts';
import { seededRandom } from '../../engine/kernel/random.ts';
import { QuotaExceeded } from '../../tenancy/failures.ts';
import type { Principal, Tenancy } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { gatewayInTest } from '../gateway-in-test.suite.ts';
import { findOrCreateTopic } from './first-use.ts';

let context: GatewayContext;
let tenancy: Tenancy;

beforeEach(async () => {
  ({ context, tenancy } = await gatewayInTest({ clock: manualClock(), random: seededRandom(1) }));
});

async function cluster(name: string, topicMutationsPerSecondMax: number): Promise<Principal> {
  const { tenantId } = await tenancy.createTenant(name);
  const limits = { topicMutationsPerSecondMax };
  const { clusterId } = await tenancy.createCluster({ tenantId, name, limits });
  return { tenantId, clusterId, keyId: 'k' };
}

const together = (principal: Principal, name: string): Promise<PromiseSettledResult<unknown>[]> =>
  Promise.allSettled(Array.from({ length: 50 }, () => findOrCreateTopic(context, principal, name, 0)));

it('fifty first uses of a topic at once are one change of topics', async () => {
  const principal = await cluster('a', 2);
  let topics = 0;
  for (; topics < 40; topics++) {
    const made = await together(principal, `t-${topics}`);
    const outcomes = new Set(made.map((each) => (each.status === 'fulfilled' ? each.value : 'refused')));
    expect(outcomes.size).toBe(1);
    if (!outcomes.has('refused')) continue;
    expect(made[0]).toMatchObject({ reason: expect.any(QuotaExceeded) as Error });
    break;
  }
  expect(topics).toBeGreaterThanOrEqual(2);
  expect(topics).toBeLessThan(40);
});

it('topics of the same name in two clusters are two topics', async () => {
  const [a, b] = [await cluster('a', 2), await cluster('b', 2)];
  const [ofA, ofB] = await Promise.all([findOrCreateTopic(context, a, 'x'), findOrCreateTopic(context, b, 'x')]);
  expect(ofA!.topicId).not.toBe(ofB!.topicId);
});
