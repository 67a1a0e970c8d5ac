import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../engine/ports.ts';
import { newCluster, world } from '../gateways.suite.ts';

describe('usage', () => {
  it('is live, and becomes the sum of all gateways once they have written', async () => {
    const { clock, open } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    a.meter.produced(clusterId, 10, 1000);
    a.meter.throttled(clusterId, 'ingressBytesPerSecondMax', 12.5);
    b.meter.fetched(clusterId, 5, 500);
    const ofA = {
      clusterId,
      producedBytes: 1000,
      producedRecords: 10,
      throttledMs: { ingressBytesPerSecondMax: 12.5 },
    };
    expect(a.usage(clusterId)).toEqual({ ...ofA, fetchedBytes: 0, fetchedRecords: 0 });
    await clock.advance(60_000);
    await clock.settle();
    for (const gateway of [a, b]) {
      expect(gateway.usage(clusterId)).toEqual({ ...ofA, fetchedBytes: 500, fetchedRecords: 5 });
    }
    a.meter.produced(clusterId, 1, 1);
    b.meter.produced(clusterId, 1, 1);
    await clock.advance(60_000);
    await clock.settle();
    expect(b.usage(clusterId)).toMatchObject({ producedBytes: 1002, producedRecords: 12 });
  });

  it('beside it, each process counts what it has seen itself since it began, and never less than before', async () => {
    const { clock, open } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    a.meter.produced(clusterId, 10, 1000);
    b.meter.produced(clusterId, 1, 100);
    a.meter.throttled(clusterId, 'ingressBytesPerSecondMax', 12.5);
    await clock.advance(60_000);
    a.meter.produced(clusterId, 1, 10);
    // Silent for several writes: what was counted stays.
    await clock.advance(300_000);
    const nothing = { clusterId, producedBytes: 0, producedRecords: 0, fetchedBytes: 0, fetchedRecords: 0 };
    expect(a.counted(clusterId)).toEqual({
      ...nothing,
      producedBytes: 1010,
      producedRecords: 11,
      throttledMs: { ingressBytesPerSecondMax: 12.5 },
    });
    expect(b.counted(clusterId)).toMatchObject({ producedBytes: 100, producedRecords: 1 });
    expect((await open()).counted(clusterId)).toEqual({ ...nothing, throttledMs: {} });
    await a.deleteCluster(clusterId, async () => {});
    await clock.advance(60_000);
    for (const gateway of [a, b]) expect(gateway.counted(clusterId)).toEqual({ ...nothing, throttledMs: {} });
  });

  it('survives a restart', async () => {
    const { open } = world();
    const first = await open();
    const clusterId = await newCluster(first);
    first.meter.produced(clusterId, 3, 300);
    await first.close();
    const second = await open();
    second.meter.produced(clusterId, 1, 100);
    expect(second.usage(clusterId)).toMatchObject({ producedBytes: 400, producedRecords: 4 });
  });

  it('counts a report once, even if the store answers late, twice, or not at all', async () => {
    const { clock, open } = world();
    let fault: 'lost' | 'late' | 'away' | undefined;
    const tenancy = await open(({ op }) => {
      if (op !== 'transact' || fault === undefined) return undefined;
      if (fault === 'away') throw new StoreUnavailable('away');
      const now = fault;
      fault = undefined;
      return now === 'lost' ? { replyLost: true } : { replyDelayMs: 5_000 };
    });
    const clusterId = await newCluster(tenancy);
    let expected = 0;
    for (const next of ['lost', 'late', 'away'] as const) {
      tenancy.meter.produced(clusterId, 1, 100);
      expected += 100;
      fault = next;
      for (let i = 0; i < 80; i++) {
        await clock.advance(1_000);
        expect(tenancy.usage(clusterId).producedBytes).toBe(expected);
      }
      fault = undefined;
    }
    await clock.advance(120_000);
    expect((await open()).usage(clusterId).producedBytes).toBe(expected);
  });

  it('ends with its cluster', async () => {
    const { clock, open, store } = world();
    const [a, b] = [await open(), await open()];
    const clusterId = await newCluster(a);
    b.meter.produced(clusterId, 1, 100);
    await clock.advance(60_000);
    expect((await store.range('USAGE')).rows).toHaveLength(1);
    b.meter.produced(clusterId, 1, 100);
    await a.deleteCluster(clusterId, async () => {});
    await clock.advance(60_000);
    expect((await store.range('USAGE')).rows).toHaveLength(0);
    expect(b.usage(clusterId).producedBytes).toBe(0);
  });
});
