/**
 * Topics as small numbers, and orders of partitions by sorting numbers. Planners compare and count by numbers rather
 * than by 22-character strings with one function call per comparison, which makes a plan for a million partitions a
 * matter of seconds.
 */
import { assert } from '../kernel/assert.ts';
import type { PlanPartition } from './constraints.ts';
import { hashText } from './shard.ts';

/** Whole numbers up to 2 ** 53 are exact, so a weight and a position in an order share one number. */
const placesMax = 2 ** 22;
/** Two whole brokers. Anything heavier counts as this heavy. */
export const weightMax = 2 ** 31 - 1;

/**
 * What planners look up all the time, by partition index: reaching a million objects all over the heap costs more than
 * comparing them.
 */
export interface TopicRanks {
  readonly topics: number;
  readonly of: Int32Array;
  readonly partition: Int32Array;
}

export function rankTopics(partitions: readonly PlanPartition[]): TopicRanks {
  const ids: string[] = [];
  const indexes = new Map<string, number>();
  const of = new Int32Array(partitions.length);
  const partition = new Int32Array(partitions.length);
  let lastId: string | undefined;
  let index = 0;
  for (let i = 0; i < partitions.length; i++) {
    const { topicId, partition: number } = partitions[i]!;
    partition[i] = number;
    // A topic's partitions are adjacent, so most need no map lookup.
    if (topicId !== lastId) {
      lastId = topicId;
      index = indexes.get(topicId) ?? ids.length;
      if (index === ids.length) {
        indexes.set(topicId, index);
        ids.push(topicId);
      }
    }
    of[i] = index;
  }
  const ranks = ranksOf(ids);
  for (let i = 0; i < of.length; i++) of[i] = ranks[of[i]!]!;
  return { topics: ids.length, of, partition };
}

/** Ranks by hash, then by text. Any order works that does not depend on the order of the input. */
function ranksOf(ids: readonly string[]): Int32Array {
  const order = indexesBySize(ids.length, (index) => hashText(ids[index]!) / 2);
  for (let i = 1; i < order.length; i++) {
    for (let j = i; j > 0 && isSwapped(ids[order[j - 1]!]!, ids[order[j]!]!); j--) {
      [order[j - 1], order[j]] = [order[j]!, order[j - 1]!];
    }
  }
  const ranks = new Int32Array(ids.length);
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank;
  return ranks;
}

function isSwapped(first: string, second: string): boolean {
  return second < first && hashText(first) >>> 1 === hashText(second) >>> 1;
}

/**
 * 0 to `count` - 1, smallest size first; among equal sizes, the lower index first. Sizes count as whole numbers up to
 * weightMax.
 */
function indexesBySize(count: number, sizeOf: (index: number) => number): Int32Array {
  assert(count <= placesMax, 'a plan has at most four million partitions');
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) keys[i] = Math.min(Math.floor(sizeOf(i)), weightMax) * placesMax + i;
  keys.sort();
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const key = keys[i]!;
    order[i] = key - Math.floor(key / placesMax) * placesMax;
  }
  return order;
}

/** Weight and, where weights are equal, a count of up to a plan's number of partitions, as one number to compare. */
export function weightThenCount(weight: number, count: number): number {
  return Math.min(weight, weightMax) * placesMax + count;
}

/** `members`, heaviest first; equal ones keep their given order. Weights are no less than -weightMax. */
export function heaviestFirst(members: Int32Array, weightOf: (member: number) => number): Int32Array {
  let most = 0;
  for (const member of members) most = Math.max(most, Math.min(weightOf(member), weightMax));
  const order = indexesBySize(members.length, (i) => most - Math.min(weightOf(members[i]!), weightMax));
  for (let i = 0; i < order.length; i++) order[i] = members[order[i]!]!;
  return order;
}

/** The hottest dimension of the `index`th load, for "largest first". */
export function peakAt(loads: Float64Array | Int32Array, index: number): number {
  return Math.max(loads[index * 3]!, loads[index * 3 + 1]!, loads[index * 3 + 2]!);
}

/** `members` by topic, then by partition: an order that does not depend on that of the input. */
export function inTopicOrder(members: Int32Array, { topics, of, partition }: TopicRanks): Int32Array {
  const order = inBuckets(members, topics, (member) => of[member]!);
  for (let i = 1; i < order.length; i++) {
    const member = order[i]!;
    let at = i;
    for (; at > 0; at--) {
      const before = order[at - 1]!;
      if (of[before] !== of[member] || partition[before]! <= partition[member]!) break;
      order[at] = before;
    }
    order[at] = member;
  }
  return order;
}

/** `members`, lower buckets first; within a bucket they keep their given order. */
export function inBuckets(members: Int32Array, buckets: number, bucketOf: (member: number) => number): Int32Array {
  const begins = new Int32Array(buckets + 1);
  for (const member of members) begins[bucketOf(member) + 1]!++;
  for (let i = 1; i <= buckets; i++) begins[i]! += begins[i - 1]!;
  const order = new Int32Array(members.length);
  for (const member of members) order[begins[bucketOf(member)]!++] = member;
  return order;
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
