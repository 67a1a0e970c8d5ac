import { describe, expect, it } from 'vitest';
import { type FaultDetector, initialDetector, judge } from './fault-detector.ts';
import { brokerLeaseKey, encodeLease } from '../rows/lease.ts';
import { controllerDefaults } from '../settings.ts';

const durationMs = 1500;

/** Looks every 100 ms; `renews` says which brokers' rows have changed since the last look. */
function run(brokers: number, untilMs: number, renews: (brokerId: number, nowMs: number) => boolean, selfValid = true) {
  let detector: FaultDetector = { ...initialDetector, lookedAtMs: 1000 };
  const versions = new Map<number, number>();
  const hung: [number, number][] = [];
  let suspects: readonly number[] = [];
  for (let nowMs = 1000; nowMs <= untilMs; nowMs += 100) {
    const looks = Array.from({ length: brokers }, (_, i) => {
      const brokerId = i + 1;
      const version = (versions.get(brokerId) ?? 0) + (renews(brokerId, nowMs) || nowMs === 1000 ? 1 : 0);
      versions.set(brokerId, version);
      const value = encodeLease({ epoch: 1, durationMs, renewals: version });
      return { brokerId, lease: { ...brokerLeaseKey(brokerId), value, version } };
    });
    const verdict = judge(detector, looks, nowMs, selfValid, controllerDefaults);
    ({ detector, suspects } = verdict);
    for (const brokerId of verdict.hung) hung.push([brokerId, nowMs]);
  }
  return { hung, suspects, detector };
}

describe('the fault detector', () => {
  it('names a broker whose lease is not renewed for its duration, and no other', () => {
    const { hung } = run(3, 3000, (brokerId, nowMs) => brokerId !== 2 || nowMs < 1200);
    expect(hung[0]).toEqual([2, 2700]);
    expect(new Set(hung.map(([brokerId]) => brokerId))).toEqual(new Set([2]));
  });

  it('holds the brake for a while when most leases stop at once', () => {
    const { hung, suspects } = run(5, 20_000, (brokerId) => brokerId === 1);
    expect(suspects).toEqual([2, 3, 4, 5]);
    expect(hung[0]![1]).toBeGreaterThanOrEqual(1000 + durationMs + controllerDefaults.brakeMs);
  });

  it('does not brake for a minority, nor for the only broker', () => {
    expect(run(5, 3000, (brokerId) => brokerId > 3).hung[0]![1]).toBe(2600);
    expect(run(1, 3000, () => false).hung[0]![1]).toBe(2600);
  });

  it('judges no broker while its own lease is not renewed', () => {
    expect(run(3, 60_000, (brokerId) => brokerId > 1, false).hung).toEqual([]);
  });

  it('starts over after it was stopped itself', () => {
    const { detector } = run(2, 2000, () => true);
    const lease = {
      ...brokerLeaseKey(1),
      value: detector.leases.get(1)!.value,
      version: detector.leases.get(1)!.version,
    };
    const woken = judge(detector, [{ brokerId: 1, lease }], 60_000, true, controllerDefaults);
    expect(woken.suspects).toEqual([]);
    const later = judge(woken.detector, [{ brokerId: 1, lease }], 60_100, true, controllerDefaults);
    expect(later.suspects).toEqual([]);
  });

  it('forgets brokers that do not serve any more', () => {
    const { detector } = run(2, 2000, () => true);
    expect(judge(detector, [], 2100, true, controllerDefaults).detector.leases.size).toBe(0);
  });
});
