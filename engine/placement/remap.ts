/**
 * New owners for the partitions of brokers that are gone (or are to be emptied): the largest first, each to the coldest
 * eligible broker; between zones that are about equally cold, to the one that holds least of the topic. Nothing else
 * moves: a failure is no time to improve the balance of what works.
 */
import {
  type Candidate,
  candidatesOf,
  isColder,
  mayTakeOneMore,
  type PlanBroker,
  type PlanMove,
  type PlanPartition,
  take,
} from './constraints.ts';
import { Heap } from './heap.ts';
import { rankTopics, ZoneCounts, zoneIndexes } from './topic-ranks.ts';

/** Zones whose coldest brokers differ by less than this share of the mean load count as equally cold. */
const zoneTolerance = 0.02;

export interface RemapInput {
  readonly brokers: readonly PlanBroker[];
  readonly partitions: readonly PlanPartition[];
  /** Why the partition has to leave its owner, or undefined when it stays. */
  orphanReason(partition: PlanPartition): string | undefined;
}

interface Orphan {
  readonly partition: PlanPartition;
  readonly reason: string;
  readonly topicRank: number;
}

interface Zone {
  readonly index: number;
  /** Its eligible brokers, coldest at the top. */
  readonly brokers: Heap<Candidate>;
}

/** Moves in the order of planning. Orphans that nobody may take get none: they stay where they are. */
export function remap(input: RemapInput): PlanMove[] {
  const ranks = rankTopics(input.partitions);
  const { zones: names, byBroker } = zoneIndexes(input.brokers);
  const spread = new ZoneCounts(ranks.size, names.length);
  const candidates = candidatesOf(input.brokers, []);
  const orphans: Orphan[] = [];
  for (const partition of input.partitions) {
    const reason = input.orphanReason(partition);
    if (reason !== undefined) {
      orphans.push({ partition, reason, topicRank: ranks.get(partition.topicId)! });
      continue;
    }
    const owner = candidates.get(partition.brokerId);
    if (!owner) continue;
    take(owner, partition.load);
    spread.add(ranks.get(partition.topicId)!, byBroker.get(partition.brokerId)!);
  }
  orphans.sort(largestFirst);

  const zones = openZones(candidates, byBroker);
  const tolerance = zoneTolerance * meanLoad(input.partitions, zones);
  const moves: PlanMove[] = [];
  for (const { partition, reason, topicRank } of orphans) {
    const zone = pickZone(zones, spread, topicRank, tolerance);
    if (!zone) break;
    const target = zone.brokers.top()!;
    take(target, partition.load);
    if (mayTakeOneMore(target)) zone.brokers.topChanged();
    else zone.brokers.pop();
    spread.add(topicRank, zone.index);
    const { topicId, brokerId: from } = partition;
    moves.push({ topicId, partition: partition.partition, from, to: target.broker.brokerId, reason });
  }
  return moves;
}

function largestFirst(a: Orphan, b: Orphan): number {
  return (
    b.partition.load - a.partition.load || a.topicRank - b.topicRank || a.partition.partition - b.partition.partition
  );
}

function openZones(candidates: ReadonlyMap<number, Candidate>, byBroker: ReadonlyMap<number, number>): Zone[] {
  const zones = new Map<number, Zone>();
  for (const candidate of candidates.values()) {
    if (!mayTakeOneMore(candidate)) continue;
    const index = byBroker.get(candidate.broker.brokerId)!;
    let zone = zones.get(index);
    if (!zone) zones.set(index, (zone = { index, brokers: new Heap(isColder) }));
    zone.brokers.push(candidate);
  }
  return [...zones.values()].sort((a, b) => a.index - b.index);
}

function meanLoad(partitions: readonly PlanPartition[], zones: readonly Zone[]): number {
  let load = 0;
  for (const partition of partitions) load += partition.load;
  let brokers = 0;
  for (const zone of zones) brokers += zone.brokers.size;
  return load / Math.max(1, brokers);
}

function pickZone(zones: readonly Zone[], spread: ZoneCounts, topicRank: number, tolerance: number): Zone | undefined {
  let coldest: Candidate | undefined;
  for (const zone of zones) {
    const top = zone.brokers.top();
    if (top && (!coldest || isColder(top, coldest))) coldest = top;
  }
  if (!coldest) return undefined;
  let picked: Zone | undefined;
  let pickedHolds = 0;
  for (const zone of zones) {
    const top = zone.brokers.top();
    if (!top || top.load > coldest.load + tolerance) continue;
    const holds = spread.at(topicRank, zone.index);
    if (picked && (holds > pickedHolds || (holds === pickedHolds && !isColder(top, picked.brokers.top()!)))) continue;
    picked = zone;
    pickedHolds = holds;
  }
  return picked;
}
