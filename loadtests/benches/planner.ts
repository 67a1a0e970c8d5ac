/**
 * How long plans take and how good they are, in three zones, with Pareto loads in three dimensions: the first placement, a
 * dead broker, a lost zone, a fleet whose loads drifted and spiked, and a fleet that grew by a tenth.
 */
import type { Bench, Fact } from '../compare/bench.ts';
import { median } from '../compare/statistics.ts';
import {
  candidatesOf,
  isEligible,
  type PlanBroker,
  type PlanMove,
  type PlanPartition,
} from '../../engine/placement/constraints.ts';
import { type Load, wholeBroker } from '../../engine/placement/load.ts';
import { rebalance, rebalanceDefaults } from '../../engine/placement/rebalance.ts';
import { remap } from '../../engine/placement/remap.ts';
import { seededRandom } from '../../engine/kernel/random.ts';

const zones = ['a', 'b', 'c'];
const samples = 3;
/** As a part of the brokers' capacity, in the busiest dimension. */
const utilisation = 0.5;

export const planner: Bench = {
  name: 'planner',
  about: `Plans in three zones over Pareto loads (bytes in, bytes out, requests), three thousand partitions a broker; median of ${samples}, CPU time`,
  unit: 'plans',
  facts(environment) {
    const sizes = environment.scale < 1 ? [100_000] : [100_000, 1_000_000];
    return Promise.resolve(sizes.flatMap((size) => factsOf(size)));
  },
};

function factsOf(size: number): Fact[] {
  const brokerCount = Math.round(size / 10_000) * 3;
  const name = size.toLocaleString('en-US');
  const facts: Fact[] = [];
  const note = (what: string, value: number, unit: string): void =>
    void facts.push({ name: `${what}, ${name} partitions`, value, unit });
  const brokers = brokersOf(brokerCount);
  const random = randomOf(size);
  const partitions = loads(size, brokerCount, random);

  const all = timed(() => remap({ brokers, partitions, orphanReason: () => 'created' }));
  note('first placement', all.ms, 'ms');
  const placed = apply(partitions, all.moves);
  note('first placement, max/mean', maxOverMean(brokers, placed), 'x');

  const oneDead = brokers.map((broker) => (broker.brokerId === 1 ? { ...broker, serving: false } : broker));
  const dead = timed(() =>
    remap({
      brokers: oneDead,
      partitions: placed,
      orphanReason: ({ brokerId }) => (brokerId === 1 ? 'broker-dead' : undefined),
    }),
  );
  note('a dead broker', dead.ms, 'ms');
  note("a dead broker, moves of others' partitions", dead.moves.filter((move) => move.from !== 1).length, 'moves');
  note('a dead broker, max/mean', maxOverMean(oneDead, apply(placed, dead.moves)), 'x');

  const zoneOf = new Map(brokers.map((broker) => [broker.brokerId, broker.zone]));
  const noZone = brokers.map((broker) => (broker.zone === 'a' ? { ...broker, serving: false } : broker));
  const lost = timed(() =>
    remap({
      brokers: noZone,
      partitions: placed,
      orphanReason: ({ brokerId }) => (zoneOf.get(brokerId) === 'a' ? 'zone-dead' : undefined),
    }),
  );
  note('a lost zone', lost.ms, 'ms');
  note('a lost zone, max/mean', maxOverMean(noZone, apply(placed, lost.moves)), 'x');

  const drifted = drift(placed, random);
  note('drift and hot spots, max/mean before', maxOverMean(brokers, drifted), 'x');
  const evened = timed(() => rebalance({ brokers, partitions: drifted, settings: rebalanceDefaults }));
  note('drift and hot spots', evened.ms, 'ms');
  note('drift and hot spots, moves', evened.moves.length, 'moves');
  note('drift and hot spots, max/mean after', maxOverMean(brokers, apply(drifted, evened.moves)), 'x');

  const idle = placed.map((partition) => ({ ...partition, load: evenLoad(size, brokerCount) }));
  for (const [kind, before] of [
    ['uneven', placed],
    ['equal', idle],
  ] as const) {
    const grown = brokersOf(brokerCount + Math.round(brokerCount / 30) * 3);
    const start =
      kind === 'equal' ? apply(before, remap({ brokers, partitions: before, orphanReason: () => 'created' })) : before;
    const settings = { ...rebalanceDefaults, movesMax: size };
    const out = timed(() => rebalance({ brokers: grown, partitions: start, settings }));
    const ideal = (size * (grown.length - brokers.length)) / grown.length;
    note(`a tenth more brokers, ${kind} loads`, out.ms, 'ms');
    note(`a tenth more brokers, ${kind} loads, moves / ideal`, out.moves.length / ideal, 'x');
    note(`a tenth more brokers, ${kind} loads, max/mean`, maxOverMean(grown, apply(start, out.moves)), 'x');
  }
  return facts;
}

function brokersOf(count: number): PlanBroker[] {
  return Array.from({ length: count }, (_, i) => ({
    brokerId: i + 1,
    zone: zones[i % zones.length]!,
    serving: true,
    draining: false,
    zoneEvacuated: false,
    partitionsMax: 20_000,
  }));
}

/** Uniform in 0..1. */
function randomOf(seed: number): () => number {
  const random = seededRandom(seed);
  return () => random.u32() / 2 ** 32;
}

/**
 * Topics of ten partitions whose loads differ by up to a fifth; a tail as of a few heavy tenants, capped at a fortieth of a
 * broker.
 */
function loads(size: number, brokerCount: number, random: () => number): PlanPartition[] {
  const mean = (utilisation * brokerCount) / size;
  const pareto = (): number => 1 / (1 - random()) ** (1 / 1.3) - 0.9;
  const partitions: PlanPartition[] = [];
  for (let topic = 0; partitions.length < size; topic++) {
    const weights = [pareto(), pareto(), pareto()].map((weight) => Math.min(0.025, (weight * mean) / 3.4));
    for (let i = 0; i < 10; i++) {
      const load = weights.map((weight) => Math.round(weight * (0.8 + 0.4 * random()) * wholeBroker));
      partitions.push({ topicId: `topic-${topic}`, partition: i, brokerId: -1, load: [load[0]!, load[1]!, load[2]!] });
    }
  }
  return partitions;
}

function evenLoad(size: number, brokerCount: number): Load {
  return [Math.round(((utilisation * brokerCount) / size) * wholeBroker), 0, 0];
}

/** Up to 40 % up or down, and one in a thousand twenty times as hot, up to a partition's limit. */
function drift(partitions: readonly PlanPartition[], random: () => number): PlanPartition[] {
  return partitions.map((partition, i) => {
    const factor = (0.6 + 0.8 * random()) * (i % 1000 === 17 ? 20 : 1);
    const scaled = partition.load.map((load) => Math.min(wholeBroker / 20, Math.round(load * factor)));
    return { ...partition, load: [scaled[0]!, scaled[1]!, scaled[2]!] };
  });
}

function timed(plan: () => PlanMove[]): { ms: number; moves: PlanMove[] } {
  let moves: PlanMove[] = [];
  const times = Array.from({ length: samples }, () => {
    const begin = process.cpuUsage();
    moves = plan();
    const { user, system } = process.cpuUsage(begin);
    return (user + system) / 1e3;
  });
  return { ms: median(times), moves };
}

function apply(partitions: readonly PlanPartition[], moves: readonly PlanMove[]): PlanPartition[] {
  const targets = new Map(moves.map((move) => [`${move.topicId} ${move.partition}`, move.to]));
  return partitions.map((partition) => {
    const to = targets.get(`${partition.topicId} ${partition.partition}`);
    return to === undefined ? partition : { ...partition, brokerId: to };
  });
}

/** Heat is that of the busiest dimension, and so is the mean. */
function maxOverMean(brokers: readonly PlanBroker[], partitions: readonly PlanPartition[]): number {
  const candidates = [...candidatesOf(brokers, partitions).values()].filter((c) => isEligible(c.broker));
  const means = [0, 1, 2].map((d) => candidates.reduce((sum, c) => sum + c.load[d]!, 0) / candidates.length);
  return Math.max(...candidates.map((c) => c.heat)) / Math.max(...means);
}
