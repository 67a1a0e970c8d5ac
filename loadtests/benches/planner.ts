/** How long plans take: what a dead broker of thirty costs, and a look for imbalance, at 100,000 and a million partitions. */
import type { Bench, Fact } from '../compare/bench.ts';
import { median } from '../compare/statistics.ts';
import type { PlanBroker, PlanPartition } from '../../engine/placement/constraints.ts';
import { rebalance, rebalanceDefaults } from '../../engine/placement/rebalance.ts';
import { remap } from '../../engine/placement/remap.ts';

const zones = ['a', 'b', 'c'];
const brokerCount = 30;
const samples = 5;

function world(partitions: number): { brokers: PlanBroker[]; partitions: PlanPartition[] } {
  const brokers = Array.from({ length: brokerCount }, (_, i) => ({
    brokerId: i + 1,
    zone: zones[i % zones.length]!,
    serving: i !== 0,
    draining: false,
    zoneEvacuated: false,
    partitionsMax: partitions,
  }));
  return {
    brokers,
    partitions: Array.from({ length: partitions }, (_, i) => ({
      topicId: `topic-${Math.floor(i / 10)}`,
      partition: i % 10,
      brokerId: (i % brokerCount) + 1,
      load: 1 + (i % 7),
    })),
  };
}

export const planner: Bench = {
  name: 'planner',
  about: `Plans over ${brokerCount} brokers in three zones, one of them dead; median of ${samples}, CPU time`,
  unit: 'plans',
  facts(environment) {
    const facts: Fact[] = [];
    const sizes = environment.scale < 1 ? [100_000] : [100_000, 1_000_000];
    for (const size of sizes) {
      const { brokers, partitions } = world(size);
      const cost = (run: () => unknown): number =>
        median(
          Array.from({ length: samples }, () => {
            const begin = process.cpuUsage();
            run();
            const { user, system } = process.cpuUsage(begin);
            return (user + system) / 1e3;
          }),
        );
      const name = size.toLocaleString('en-US');
      const orphanReason = ({ brokerId }: PlanPartition): string | undefined =>
        brokerId === 1 ? 'broker-dead' : undefined;
      facts.push(
        {
          name: `remap, ${name} partitions`,
          value: cost(() => remap({ brokers, partitions, orphanReason })),
          unit: 'ms',
        },
        {
          name: `rebalance, ${name} partitions`,
          value: cost(() => rebalance({ brokers, partitions, settings: rebalanceDefaults })),
          unit: 'ms',
        },
      );
    }
    return Promise.resolve(facts);
  },
};
