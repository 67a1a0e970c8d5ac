import { describe, expect, it } from 'vitest';
import { idleLoad, wholeBroker } from '../../placement/load.ts';
import { PartitionLoads } from './partition-loads.ts';

const capacity = { bytesInPerSecond: 1000, bytesOutPerSecond: 2000, requestsPerSecond: 100 };

function log(topicId: string, bytesIn: number, bytesOut = 0, requests = 1) {
  return { topicId, partition: 0, bytesIn, bytesOut, requests };
}

describe('loads of partitions', () => {
  it('converge to the rate, as shares of a broker, whatever the reporting interval', () => {
    for (const elapsedMs of [500, 5000]) {
      const loads = new PartitionLoads(capacity, 5000);
      const perReport = (rate: number): number => (rate * elapsedMs) / 1000;
      for (let ms = 0; ms < 120_000; ms += elapsedMs) {
        loads.report(1, { elapsedMs, logs: [log('t', perReport(500), perReport(500), perReport(10))] });
      }
      const expected = [0.5, 0.25, 0.1].map((share) => share * wholeBroker);
      for (const [d, share] of loads.of('t', 0).entries()) expect(share / expected[d]!).toBeCloseTo(1, 2);
      expect(loads.byBroker().get(1)).toEqual(loads.of('t', 0));
    }
  });

  it('leave room for a burst, and forget partitions that have gone quiet', () => {
    const loads = new PartitionLoads(capacity, 5000);
    loads.report(1, { elapsedMs: 1000, logs: [log('t', 1000)] });
    expect(loads.of('t', 0)[0]).toBe(wholeBroker / 2);
    for (let i = 0; i < 60; i++) loads.report(1, { elapsedMs: 1000, logs: [] });
    expect(loads.of('t', 0)[0] / wholeBroker).toBeCloseTo(0.25, 2);
    for (let i = 0; i < 1200; i++) loads.report(1, { elapsedMs: 1000, logs: [] });
    expect(loads.of('t', 0)).toBe(idleLoad);
    expect(loads.byBroker().size).toBe(0);
  });

  it('follow a partition to the broker that reports it, and ignore its old owner', () => {
    const loads = new PartitionLoads(capacity, 5000);
    loads.report(1, { elapsedMs: 1000, logs: [log('t', 1000)] });
    loads.report(2, { elapsedMs: 1000, logs: [log('t', 1000)] });
    const before = loads.of('t', 0);
    for (let i = 0; i < 100; i++) loads.report(1, { elapsedMs: 1000, logs: [] });
    expect(loads.of('t', 0)).toEqual(before);
    expect([...loads.byBroker().keys()]).toEqual([2]);
  });
});
