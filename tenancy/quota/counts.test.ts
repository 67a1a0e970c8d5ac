import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NameCollides, NotFound, QuotaExceeded } from '../failures.ts';
import { changeTopics, newCluster, world } from '../gateways.suite.ts';
import type { ClusterCounts } from '../rows/cluster-counts.ts';
import { changedCounts } from './counts.ts';
import { limitsOf } from './limits.ts';

const none: ClusterCounts = {
  topics: 0,
  partitions: 0,
  internalTopics: 0,
  milliMutations: 0,
  mutationsAtMs: 0,
  closed: false,
};

async function refusal(change: Promise<void>): Promise<QuotaExceeded> {
  const error = await change.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(QuotaExceeded);
  return error as QuotaExceeded;
}

describe('counts', () => {
  it('never exceed the limit under 50 concurrent creations on two gateways', async () => {
    const { clock, open, store } = world();
    const gateways = [await open(), await open()];
    const clusterId = await newCluster(gateways[0]!);
    await gateways[0]!.updateCluster(clusterId, { limits: { partitionsMax: 70 } });
    await clock.settle();
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        changeTopics(gateways[i % 2]!, store, clusterId, { topics: 1, partitions: 2 }),
      ),
    );
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(35);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ quota: 'partitionsMax', used: 70, limit: 70 });
    }
    await clock.settle();
    for (const gateway of gateways) {
      expect(gateway.cluster(clusterId)!.usage).toMatchObject({ topics: 35, partitions: 70 });
    }
    await changeTopics(gateways[0]!, store, clusterId, { topics: -1, partitions: -2 });
    await changeTopics(gateways[1]!, store, clusterId, { topics: 0, partitions: 2 });
    await clock.settle();
    expect(gateways[0]!.cluster(clusterId)!.usage).toMatchObject({ topics: 34, partitions: 70 });
    expect((await open()).cluster(clusterId)!.usage).toMatchObject({ topics: 34, partitions: 70 });
  });

  it('limit created and removed partitions to 250 in five minutes, over all gateways', async () => {
    const { clock, open, store } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    await clock.settle();
    await changeTopics(a, store, clusterId, { topics: 1, partitions: 200 });
    await changeTopics(b, store, clusterId, { topics: -1, partitions: -50 });
    const refused = await refusal(changeTopics(a, store, clusterId, { topics: 1, partitions: 10 }));
    expect(refused).toMatchObject({
      quota: 'partitionMutationsPer5MinutesMax',
      used: 250,
      limit: 250,
      retryable: true,
    });
    expect(refused.retryAfterMs).toBe(12_000);
    await clock.advance(refused.retryAfterMs - 1);
    await refusal(changeTopics(b, store, clusterId, { topics: 1, partitions: 10 }));
    await clock.advance(1);
    await changeTopics(b, store, clusterId, { topics: 1, partitions: 10 });
  });

  it('admit one large topic if nothing else was counted', async () => {
    const { clock, open, store } = world();
    const tenancy = await open();
    const clusterId = await newCluster(tenancy);
    await changeTopics(tenancy, store, clusterId, { topics: 1, partitions: 500 });
    const refused = await refusal(changeTopics(tenancy, store, clusterId, { topics: 1, partitions: 1 }));
    await clock.advance(refused.retryAfterMs);
    await changeTopics(tenancy, store, clusterId, { topics: 1, partitions: 1 });
    await refusal(changeTopics(tenancy, store, clusterId, { topics: 1, partitions: 251 }));
  });

  it('charge nothing for a change without effect', async () => {
    const { open } = world();
    const tenancy = await open();
    const clusterId = await newCluster(tenancy);
    for (let i = 0; i < 20; i++)
      expect(await tenancy.counts.reserve(clusterId, { topics: 1, partitions: 250 }, 'plain')).toHaveLength(1);
    await expect(tenancy.counts.reserve('nosuchcluster', { topics: 1, partitions: 1 }, 'plain')).rejects.toThrow(
      NotFound,
    );
  });

  it('let one of two names that differ in dots and underscores through, over all gateways', async () => {
    const { clock, open, store } = world();
    const gateways = [await open(), await open()];
    const clusterId = await newCluster(gateways[0]!);
    await clock.settle();
    const make = (i: number, name: string) =>
      changeTopics(gateways[i]!, store, clusterId, { topics: 1, partitions: 1 }, name);
    const drop = (name: string) => changeTopics(gateways[0]!, store, clusterId, { topics: -1, partitions: -1 }, name);
    const made = await Promise.allSettled([make(0, 'a.b_c'), make(1, 'a_b.c'), make(0, 'a.b.c'), make(1, 'a_b_c')]);
    expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    const names = ['a.b_c', 'a_b.c', 'a.b.c', 'a_b_c'];
    const holder = names.find((_, i) => made[i]!.status === 'fulfilled')!;
    const other = names.find((name) => name !== holder)!;
    await expect(make(1, other)).rejects.toThrow(`Topic '${other}' collides with existing topic: ${holder}`);
    await make(1, 'a-b-c');
    // A deletion of a topic that never held the name gives nothing back.
    await drop(other);
    await expect(make(0, other)).rejects.toThrow(NameCollides);
    await drop(holder);
    await make(1, other);
    await expect(make(0, holder)).rejects.toThrow(NameCollides);
    const second = await newCluster(gateways[0]!, 'acme', 'second');
    await changeTopics(gateways[0]!, store, second, { topics: 1, partitions: 1 }, holder);
  });

  it('keep the rate of changes within its bound whatever the order and pauses', () => {
    const limits = limitsOf('msk-serverless', { partitionsMax: Infinity });
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: -200, max: 200 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (changes) => {
        let counts = { ...none, topics: 1, partitions: 100_000, mutationsAtMs: 1000 };
        let nowMs = 1000;
        const made: { atMs: number; count: number }[] = [];
        for (const [pauseMs, partitions] of changes) {
          nowMs += pauseMs;
          try {
            counts = { ...changedCounts(counts, { topics: 0, partitions }, limits, nowMs) };
            made.push({ atMs: nowMs, count: Math.abs(partitions) });
          } catch (error) {
            expect((error as QuotaExceeded).retryAfterMs).toBeGreaterThan(0);
          }
        }
        for (let from = 0; from < made.length; from++) {
          let sum = 0;
          for (let to = from; to < made.length; to++) {
            sum += made[to]!.count;
            expect(sum).toBeLessThanOrEqual(250 + ((made[to]!.atMs - made[from]!.atMs) * 250) / 300_000 + 1e-6);
          }
        }
      }),
    );
  });

  it('do not refill the bucket when time jumps back', () => {
    const limits = limitsOf('msk-serverless', {});
    const counts = changedCounts(none, { topics: 1, partitions: 250 }, limits, 1_000_000);
    expect(() => changedCounts(counts, { topics: 0, partitions: 1 }, limits, 500_000)).toThrow(QuotaExceeded);
  });
});
