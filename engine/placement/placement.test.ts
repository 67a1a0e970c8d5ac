import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidatesOf, isEligible, type PlanBroker, type PlanMove, type PlanPartition } from './constraints.ts';
import { idleLoad, type Load, wholeBroker } from './load.ts';
import { place } from './place.ts';
import { rebalance, rebalanceDefaults } from './rebalance.ts';
import { remap } from './remap.ts';
import { shardOf } from './shard.ts';

const healthy = { serving: true, draining: false, zoneEvacuated: false, partitionsMax: 100_000 };
const zones = ['a', 'b', 'c'];

/** So many thousandths of a broker, in one dimension. */
function thousandths(count: number): Load {
  return [(count * wholeBroker) / 1000, 0, 0];
}

function fleet(count: number, change: Partial<PlanBroker> = {}): PlanBroker[] {
  return Array.from({ length: count }, (_, i) => ({
    ...healthy,
    brokerId: i + 1,
    zone: zones[i % zones.length]!,
    ...change,
  }));
}

const anyBrokers: fc.Arbitrary<PlanBroker[]> = fc
  .array(
    fc.record({
      zone: fc.constantFrom(...zones),
      serving: fc.boolean(),
      draining: fc.boolean(),
      zoneEvacuated: fc.boolean(),
      partitionsMax: fc.integer({ min: 0, max: 60 }),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((broker, i) => ({ ...broker, brokerId: i + 1 })));

/** Much in one dimension and nothing in another is the usual case. */
const anyShare = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 50 }).map((n) => (n * wholeBroker) / 1000),
);

const anyPartitions: fc.Arbitrary<PlanPartition[]> = fc
  .array(
    fc.record({
      topicId: fc.constantFrom('t1', 't2', 't3', 't4'),
      brokerId: fc.integer({ min: -1, max: 14 }),
      load: fc.tuple(anyShare, anyShare, anyShare),
      cooling: fc.boolean(),
    }),
    { maxLength: 150 },
  )
  .map((list) => list.map((partition, i) => ({ ...partition, partition: i })));

/** What the fleet holds after the moves; checks that each move starts where the partition is. */
function apply(partitions: readonly PlanPartition[], moves: readonly PlanMove[]): PlanPartition[] {
  const byKey = new Map(partitions.map((p) => [`${p.topicId} ${p.partition}`, p]));
  for (const move of moves) {
    const key = `${move.topicId} ${move.partition}`;
    const moved = byKey.get(key)!;
    expect(moved.brokerId).toBe(move.from);
    expect(move.to).not.toBe(move.from);
    byKey.set(key, { ...moved, brokerId: move.to });
  }
  return [...byKey.values()];
}

function expectHard(brokers: readonly PlanBroker[], after: readonly PlanPartition[], moves: readonly PlanMove[]): void {
  const byId = new Map(brokers.map((broker) => [broker.brokerId, broker]));
  const held = candidatesOf(brokers, after);
  for (const move of moves) {
    const target = byId.get(move.to)!;
    expect(isEligible(target)).toBe(true);
    expect(held.get(move.to)!.partitions).toBeLessThanOrEqual(target.partitionsMax);
    expect(move.reason).not.toBe('');
  }
}

function loads(brokers: readonly PlanBroker[], partitions: readonly PlanPartition[]): number[] {
  return [...candidatesOf(brokers, partitions).values()].filter((c) => isEligible(c.broker)).map((c) => c.heat);
}

function maxOverMean(values: readonly number[]): number {
  return Math.max(...values) / (values.reduce((a, b) => a + b, 0) / values.length);
}

function shuffled<T>(list: readonly T[]): T[] {
  return [...list]
    .sort((a, b) => ((JSON.stringify(a).length * 7919) % 13) - ((JSON.stringify(b).length * 7919) % 13))
    .reverse();
}

describe('shards', () => {
  it('never change, and are evenly filled', () => {
    expect(['a', 'k3x9', 'cluster-1', 'ä'].map((id) => shardOf(id, 64))).toMatchInlineSnapshot(`
      [
        51,
        58,
        50,
        56,
      ]
    `);
    const counts = Array.from({ length: 64 }, () => 0);
    for (let i = 0; i < 64_000; i++) counts[shardOf(`cluster-${i}`, 64)]!++;
    expect(Math.max(...counts)).toBeLessThan(1150);
    expect(Math.min(...counts)).toBeGreaterThan(850);
  });
});

describe('placing a new topic', () => {
  it('keeps the hard constraints and places all that fits', () => {
    fc.assert(
      fc.property(anyBrokers, fc.integer({ min: 0, max: 200 }), fc.string(), (brokers, count, topicId) => {
        const candidates = candidatesOf(brokers, []);
        const owners = place({ topicId, firstIndex: 0, count, load: idleLoad }, candidates);
        expect(owners).toHaveLength(count);
        const room = brokers.filter(isEligible).reduce((sum, broker) => sum + broker.partitionsMax, 0);
        expect(owners.filter((id) => id >= 0)).toHaveLength(Math.min(room, count));
        for (const { broker, partitions } of candidates.values()) {
          expect(partitions).toBeLessThanOrEqual(isEligible(broker) ? broker.partitionsMax : 0);
        }
        expect(place({ topicId, firstIndex: 0, count, load: idleLoad }, candidatesOf(shuffled(brokers), []))).toEqual(
          owners,
        );
      }),
    );
  });

  it('spreads a topic over the zones, and continues from there when partitions are added', () => {
    const brokers = fleet(6);
    const all = place({ topicId: 't', firstIndex: 0, count: 9, load: idleLoad }, candidatesOf(brokers, []));
    const perZone = zones.map((zone) => all.filter((id) => brokers[id - 1]!.zone === zone).length);
    expect(perZone).toEqual([3, 3, 3]);
    const candidates = candidatesOf(brokers, []);
    const grown = [
      ...place({ topicId: 't', firstIndex: 0, count: 4, load: idleLoad }, candidates),
      ...place({ topicId: 't', firstIndex: 4, count: 5, load: idleLoad }, candidates),
    ];
    expect(grown).toEqual(all);
  });

  it('stays even over many small topics', () => {
    const brokers = fleet(30);
    const candidates = candidatesOf(brokers, []);
    for (let i = 0; i < 3000; i++)
      place({ topicId: `topic-${i}`, firstIndex: 0, count: 1 + (i % 6), load: idleLoad }, candidates);
    expect(maxOverMean([...candidates.values()].map((c) => c.heat))).toBeLessThan(1.1);
  });
});

describe('remapping', () => {
  const reasonOf = (dead: readonly number[]) => (p: PlanPartition) =>
    p.brokerId === -1 || dead.includes(p.brokerId) ? 'broker-dead' : undefined;

  it('moves only orphans, as many as fit the hard constraints, and always makes the same plan', () => {
    fc.assert(
      fc.property(anyBrokers, anyPartitions, fc.subarray([1, 2, 3, 4, 5]), (brokers, partitions, dead) => {
        const alive = brokers.map((b) => (dead.includes(b.brokerId) ? { ...b, serving: false } : b));
        const orphanReason = reasonOf(dead);
        const moves = remap({ brokers: alive, partitions, orphanReason });
        for (const move of moves) expect(move.from === -1 || dead.includes(move.from)).toBe(true);
        const after = apply(partitions, moves);
        expectHard(alive, after, moves);
        const staying = candidatesOf(
          alive,
          partitions.filter((p) => orphanReason(p) === undefined),
        );
        let room = 0;
        for (const { broker, partitions: held } of staying.values()) {
          if (isEligible(broker)) room += Math.max(0, broker.partitionsMax - held);
        }
        const orphans = partitions.filter((p) => orphanReason(p) !== undefined).length;
        expect(moves).toHaveLength(Math.min(orphans, room));
        expect(remap({ brokers: shuffled(alive), partitions: shuffled(partitions), orphanReason })).toEqual(moves);
      }),
    );
  });

  it('keeps the load even and topics spread when a broker, then its zone, is gone', () => {
    const brokers = fleet(9);
    const partitions = Array.from({ length: 1800 }, (_, i) => ({
      topicId: `t${i % 300}`,
      partition: Math.floor(i / 300),
      brokerId: 1 + ((i + Math.floor(i / 300)) % 9),
      load: thousandths(1 + (i % 3)),
    }));
    for (const dead of [[1], [1, 4, 7]]) {
      const alive = brokers.map((b) => (dead.includes(b.brokerId) ? { ...b, serving: false } : b));
      const after = apply(partitions, remap({ brokers: alive, partitions, orphanReason: reasonOf(dead) }));
      expect(maxOverMean(loads(alive, after))).toBeLessThan(1.02);
      expect(after.some((p) => dead.includes(p.brokerId))).toBe(false);
      const inOneZone = new Set(after.map((p) => p.topicId));
      for (const p of after) {
        const zone = brokers[p.brokerId - 1]!.zone;
        if (after.some((q) => q.topicId === p.topicId && brokers[q.brokerId - 1]!.zone !== zone))
          inOneZone.delete(p.topicId);
      }
      expect(inOneZone.size).toBe(0);
    }
  });

  it('leaves everything in place if no broker is left', () => {
    const brokers = fleet(3, { serving: false });
    const partitions = [{ topicId: 't', partition: 0, brokerId: 1, load: idleLoad }];
    expect(remap({ brokers, partitions, orphanReason: reasonOf([1, 2, 3]) })).toEqual([]);
  });
});

describe('rebalancing', () => {
  const settings = rebalanceDefaults;

  it('keeps the hard constraints, never loads the hottest broker, moves each partition once, and is deterministic', () => {
    fc.assert(
      fc.property(anyBrokers, anyPartitions, fc.integer({ min: 0, max: 20 }), (brokers, partitions, movesMax) => {
        const input = { brokers, partitions, settings: { ...settings, movesMax } };
        const moves = rebalance(input);
        const after = apply(partitions, moves);
        expectHard(brokers, after, moves);
        expect(new Set(moves.map((m) => `${m.topicId} ${m.partition}`)).size).toBe(moves.length);
        const planned = moves.filter((m) => brokers.some((b) => b.brokerId === m.from));
        expect(planned.length).toBeLessThanOrEqual(movesMax);
        const cooling = new Set(partitions.filter((p) => p.cooling).map((p) => `${p.topicId} ${p.partition}`));
        for (const move of planned) expect(cooling.has(`${move.topicId} ${move.partition}`)).toBe(false);
        const rehomed = apply(
          partitions,
          moves.filter((m) => !planned.includes(m)),
        );
        expect(Math.max(0, ...loads(brokers, after))).toBeLessThanOrEqual(Math.max(0, ...loads(brokers, rehomed)));
        expect(rebalance({ ...input, brokers: shuffled(brokers), partitions: shuffled(partitions) })).toEqual(moves);
      }),
    );
  });

  it('moves nothing below the trigger, and down to the target above it', () => {
    const brokers = fleet(4);
    const make = (counts: readonly number[]) =>
      counts.flatMap((count, i) =>
        Array.from({ length: count }, (_, j) => ({
          topicId: `t${i}`,
          partition: j,
          brokerId: i + 1,
          load: thousandths(1),
        })),
      );
    expect(rebalance({ brokers, partitions: make([108, 92, 100, 100]), settings })).toEqual([]);
    const uneven = make([120, 90, 95, 95]);
    const after = apply(uneven, rebalance({ brokers, partitions: uneven, settings }));
    expect(maxOverMean(loads(brokers, after))).toBeLessThanOrEqual(1.05);
  });

  it('fills a broker that came back with few more moves than its share', () => {
    const brokers = fleet(9);
    const partitions = Array.from({ length: 900 }, (_, i) => ({
      topicId: `t${i % 90}`,
      partition: Math.floor(i / 90),
      brokerId: 2 + (i % 8),
      load: thousandths(1),
    }));
    const moves = rebalance({ brokers, partitions, settings });
    const after = apply(partitions, moves);
    expect(maxOverMean(loads(brokers, after))).toBeLessThanOrEqual(1.1);
    expect(moves.every((move) => move.to === 1)).toBe(true);
    expect(moves.length).toBeLessThanOrEqual(100);
    expect(moves.length).toBeGreaterThanOrEqual(90);
  });

  it('evens out hot spots in every dimension, with few moves', () => {
    const share = (thousandth: number): number => (thousandth * wholeBroker) / 1000;
    const weights = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1200, maxLength: 1200 });
    const spots = fc.array(fc.tuple(fc.nat(1199), fc.nat(2)), { minLength: 4, maxLength: 12 });
    fc.assert(
      fc.property(weights, spots, (each, hot) => {
        const brokers = fleet(6);
        const partitions = each.map((weight, i) => {
          const load: [number, number, number] = [share(weight), share(weight), share(weight)];
          // Twenty times the average, the nth of one broker: they gather on few.
          for (const [at, d] of hot) if (at - (at % 6) === i) load[d] = share(40);
          return { topicId: `t${i % 40}`, partition: i, brokerId: 1 + (i % 6), load };
        });
        const moves = rebalance({ brokers, partitions, settings });
        expect(maxOverMean(loads(brokers, apply(partitions, moves)))).toBeLessThanOrEqual(1.1);
        expect(moves.length).toBeLessThan(80);
      }),
      { numRuns: 50 },
    );
  });

  it('moves busy partitions to balance bytes, and idle ones to balance numbers', () => {
    const brokers = fleet(3, { partitionsMax: 400 });
    const many = Array.from({ length: 300 }, (_, i) => ({
      topicId: 't',
      partition: i,
      brokerId: i < 200 ? 1 : 2 + (i % 2),
      load: i % 2 === 0 ? thousandths(1) : idleLoad,
    }));
    const forNumbers = rebalance({ brokers, partitions: many, settings });
    expect(forNumbers.length).toBeGreaterThan(50);
    expect(forNumbers.every((move) => move.partition % 2 === 1)).toBe(true);
    const busy = many.map((partition) => ({
      ...partition,
      load: partition.load === idleLoad ? idleLoad : thousandths(8),
    }));
    const forBytes = rebalance({ brokers, partitions: busy, settings });
    expect(forBytes.length).toBeGreaterThan(20);
    expect(forBytes.every((move) => move.partition % 2 === 0)).toBe(true);
  });

  it('is stable: a completed plan leaves nothing to do', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 60, maxLength: 200 }), (weights) => {
        const brokers = fleet(6);
        const partitions = weights.map((load, i) => ({
          topicId: `t${i % 7}`,
          partition: i,
          brokerId: 1 + (i % 2),
          load: thousandths(load),
        }));
        const after = apply(partitions, rebalance({ brokers, partitions, settings }));
        expect(maxOverMean(loads(brokers, after))).toBeLessThan(1.2);
        const again = apply(after, rebalance({ brokers, partitions: after, settings }));
        expect(rebalance({ brokers, partitions: again, settings })).toEqual([]);
      }),
    );
  });
});
