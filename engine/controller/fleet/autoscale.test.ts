import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wholeBroker } from '../../placement/load.ts';
import { autoscale, type FleetLook, type ScaleDecision, scaleStart, type ScaleState } from './autoscale.ts';

const settings = { brokersMin: 3, brokersMax: 30, targetShare: 0.6, inShareMax: 0.5, inAfterMs: 60_000 };
const stepMs = 5000;

function look(brokers: number, load: number, change: Partial<FleetLook> = {}): FleetLook {
  return { brokers, zones: 3, load: [load * wholeBroker, 0, 0, 0], settled: true, override: undefined, ...change };
}

/** Runs the loads one by one, each for a step, with decisions carried out at once. */
function run(loads: readonly number[], start: number, settled: (step: number) => boolean = () => true) {
  const decisions: ScaleDecision[] = [];
  let state: ScaleState = scaleStart;
  let brokers = start;
  for (const [step, load] of loads.entries()) {
    const result = autoscale(state, look(brokers, load, { settled: settled(step) }), step * stepMs, settings);
    state = result.state;
    brokers = result.decision.brokers;
    decisions.push(result.decision);
  }
  return { decisions, brokers };
}

const constant = (load: number, steps: number): number[] => Array.from({ length: steps }, () => load);

describe('the number of brokers', () => {
  it('grows at once with the load, and shrinks after a while, one round at a time', () => {
    const { decisions } = run([...constant(1, 3), ...constant(5, 3), ...constant(0.5, 60)], 3);
    const kinds = decisions.map(({ kind, brokers }) => `${kind} ${brokers}`);
    expect(kinds.slice(0, 6)).toEqual(['stay 3', 'stay 3', 'stay 3', 'out 9', 'stay 9', 'stay 9']);
    expect(kinds.slice(6).filter((kind) => !kind.startsWith('stay'))).toEqual(['in 6', 'in 3']);
    expect(kinds.indexOf('in 6') - 6).toBe(12);
    expect(kinds.indexOf('in 3') - kinds.indexOf('in 6')).toBe(13);
    expect(decisions[3]).toMatchObject({ reason: 'bytes-in above the target', dimension: 'bytes-in' });
  });

  it('follows the busiest dimension', () => {
    const load = [0.1, 0.2, 0.3, 2.5].map((share) => share * wholeBroker);
    const { decision } = autoscale(scaleStart, look(3, 0, { load }), 0, settings);
    expect(decision).toMatchObject({ kind: 'out', brokers: 6, dimension: 'partitions' });
  });

  it('is what an operator sets, as a multiple of the zones and within the bounds', () => {
    const asked = (override: number, brokers: number, load = 1) =>
      autoscale(scaleStart, look(brokers, load, { override }), 0, settings).decision;
    expect(asked(7, 3)).toMatchObject({ kind: 'out', brokers: 9, reason: 'set by an operator' });
    expect(asked(3, 9, 8)).toMatchObject({ kind: 'in', brokers: 3 });
    expect(asked(6, 6, 20)).toMatchObject({ kind: 'stay', brokers: 6 });
    expect(asked(1000, 6)).toMatchObject({ kind: 'out', brokers: 30 });
  });

  it('does not fall while the fleet changes, nor below the minimum', () => {
    expect(run(constant(0, 100), 9, () => false).brokers).toBe(9);
    expect(run(constant(0, 100), 9, (step) => step % 10 !== 0).brokers).toBe(9);
    expect(run(constant(0, 100), 9).brokers).toBe(3);
  });

  it('never flaps: under a load that varies by less than the gap it moves one way and stays', () => {
    const wobble = fc.array(fc.double({ min: 0.92, max: 1.08, noNaN: true }), { minLength: 300, maxLength: 300 });
    const start = fc.integer({ min: 1, max: 10 }).map((rounds) => rounds * 3);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 17, noNaN: true }), wobble, start, (load, factors, brokers) => {
        const { decisions } = run(
          factors.map((factor) => load * factor),
          brokers,
        );
        const ways = decisions.map((decision) => decision.kind).filter((kind) => kind !== 'stay');
        expect(new Set(ways).size).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('is always a multiple of the zones within the bounds, and enough for the load', () => {
    const anyLoads = fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(anyLoads, (loads) => {
        for (const [i, { brokers }] of run(loads, 3).decisions.entries()) {
          expect(brokers % 3).toBe(0);
          expect(brokers).toBeGreaterThanOrEqual(settings.brokersMin);
          expect(brokers).toBeLessThanOrEqual(settings.brokersMax);
          if (brokers < settings.brokersMax)
            expect(loads[i]! / brokers).toBeLessThanOrEqual(settings.targetShare + 1e-9);
        }
      }),
    );
  });
});
