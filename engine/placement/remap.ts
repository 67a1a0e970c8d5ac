/**
 * New owners for the partitions of brokers that are gone (or are to be emptied): the largest first, each to the coldest
 * eligible broker; between zones that are about equally cold, to the one that holds least of the topic. Nothing else
 * moves: a failure is no time to improve the balance of what works.
 */
import {
  type Candidate,
  candidatesOf,
  isColder,
  largerFirst,
  mayTakeOneMore,
  type PlanBroker,
  type PlanMove,
  type PlanPartition,
  take,
} from './constraints.ts';
import { Heap } from './heap.ts';

/** Zones whose coldest brokers differ by less than this share of the mean load count as equally cold. */
const zoneTolerance = 0.02;

export interface RemapInput {
  readonly brokers: readonly PlanBroker[];
  readonly partitions: readonly PlanPartition[];
  /** Why the partition has to leave its owner, or undefined when it stays. */
  orphanReason(partition: PlanPartition): string | undefined;
}

interface Zone {
  readonly name: string;
  /** Its eligible brokers, coldest at the top. */
  readonly brokers: Heap<Candidate>;
}

/** Moves in the order of planning. Orphans that nobody may take get none: they stay where they are. */
export function remap(input: RemapInput): PlanMove[] {
  const orphans: { partition: PlanPartition; reason: string }[] = [];
  const staying: PlanPartition[] = [];
  for (const partition of input.partitions) {
    const reason = input.orphanReason(partition);
    if (reason === undefined) staying.push(partition);
    else orphans.push({ partition, reason });
  }
  if (orphans.length === 0) return [];
  // The usual input is in topic order with equal loads: looking is linear, sorting is not.
  const inOrder = orphans.every(
    ({ partition }, i) => i === 0 || largerFirst(orphans[i - 1]!.partition, partition) <= 0,
  );
  if (!inOrder) orphans.sort((a, b) => largerFirst(a.partition, b.partition));

  const candidates = candidatesOf(input.brokers, staying);
  const zones = openZones(candidates);
  const spread = topicSpread(orphans, staying, candidates);
  const tolerance = zoneTolerance * meanLoad(input.partitions, zones);
  const moves: PlanMove[] = [];
  for (const { partition, reason } of orphans) {
    const topicZones = spread.get(partition.topicId)!;
    const zone = pickZone(zones, topicZones, tolerance);
    if (!zone) break;
    const target = zone.brokers.top()!;
    take(target, partition.load);
    if (mayTakeOneMore(target)) zone.brokers.topChanged();
    else zone.brokers.pop();
    topicZones.set(zone.name, (topicZones.get(zone.name) ?? 0) + 1);
    const { topicId, brokerId: from } = partition;
    moves.push({ topicId, partition: partition.partition, from, to: target.broker.brokerId, reason });
  }
  return moves;
}

function openZones(candidates: ReadonlyMap<number, Candidate>): Zone[] {
  const zones = new Map<string, Zone>();
  for (const candidate of candidates.values()) {
    if (!mayTakeOneMore(candidate)) continue;
    const { zone: name } = candidate.broker;
    let zone = zones.get(name);
    if (!zone) zones.set(name, (zone = { name, brokers: new Heap(isColder) }));
    zone.brokers.push(candidate);
  }
  return [...zones.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of the topics with orphans: how many of the staying partitions each zone holds. */
function topicSpread(
  orphans: readonly { partition: PlanPartition }[],
  staying: readonly PlanPartition[],
  candidates: ReadonlyMap<number, Candidate>,
): Map<string, Map<string, number>> {
  const spread = new Map<string, Map<string, number>>();
  for (const { partition } of orphans) {
    if (!spread.has(partition.topicId)) spread.set(partition.topicId, new Map());
  }
  for (const { topicId, brokerId } of staying) {
    const zones = spread.get(topicId);
    const zone = zones && candidates.get(brokerId)?.broker.zone;
    if (zone !== undefined) zones!.set(zone, (zones!.get(zone) ?? 0) + 1);
  }
  return spread;
}

function meanLoad(partitions: readonly PlanPartition[], zones: readonly Zone[]): number {
  let load = 0;
  for (const partition of partitions) load += partition.load;
  let brokers = 0;
  for (const zone of zones) brokers += zone.brokers.size;
  return load / Math.max(1, brokers);
}

function pickZone(
  zones: readonly Zone[],
  topicZones: ReadonlyMap<string, number>,
  tolerance: number,
): Zone | undefined {
  let coldest: Candidate | undefined;
  for (const zone of zones) {
    const top = zone.brokers.top();
    if (top && (!coldest || isColder(top, coldest))) coldest = top;
  }
  if (!coldest) return undefined;
  let picked: Zone | undefined;
  for (const zone of zones) {
    const top = zone.brokers.top();
    if (!top || top.load > coldest.load + tolerance) continue;
    if (picked && !isBetter(zone, picked, topicZones)) continue;
    picked = zone;
  }
  return picked;
}

function isBetter(zone: Zone, picked: Zone, topicZones: ReadonlyMap<string, number>): boolean {
  const held = topicZones.get(zone.name) ?? 0;
  const heldByPicked = topicZones.get(picked.name) ?? 0;
  if (held !== heldByPicked) return held < heldByPicked;
  return isColder(zone.brokers.top()!, picked.brokers.top()!);
}
