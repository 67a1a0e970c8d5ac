/**
 * Finds new owners for the partitions of brokers that are gone or are to be emptied. The largest come first, and each
 * goes to the coldest eligible broker; between zones that are about equally cold, to the zone that holds least of the
 * topic. Nothing else moves: a failure is no time to improve the balance of what works.
 */
import {
  type Candidate,
  candidatesOf,
  evenHeats,
  heatWith,
  isColder,
  mayTakeOneMore,
  type PlanBroker,
  type PlanMove,
  type PlanPartition,
  takeAt,
} from './constraints.ts';
import { Heap } from './heap.ts';
import { type Load, wholeBroker } from './load.ts';
import { heaviestFirst, inTopicOrder, peakAt, rankTopics, ZoneCounts, zoneIndexes } from './topic-ranks.ts';

/** Zones whose coldest brokers differ by less than this share of the mean heat count as equally cold. */
const zoneTolerance = 0.02;
/** Looks at single brokers for large orphans, in one plan: about a tenth of a second. */
const looksMax = 10_000_000;

export interface RemapInput {
  readonly brokers: readonly PlanBroker[];
  readonly partitions: readonly PlanPartition[];
  /** Why the partition has to leave its owner, or undefined when it stays. */
  orphanReason(partition: PlanPartition): string | undefined;
}

interface Zone {
  readonly index: number;
  /** Its brokers with room, by id. */
  readonly members: Candidate[];
  /** The same, coldest at the top. */
  heap: Heap<Candidate>;
}

/** Moves in the order of planning. Orphans that no broker may take get no move: they stay where they are. */
export function remap(input: RemapInput): PlanMove[] {
  const { partitions } = input;
  const ranks = rankTopics(partitions);
  const { zones: names, byBroker } = zoneIndexes(input.brokers);
  const spread = new ZoneCounts(ranks.topics, names.length);
  const candidates = candidatesOf(input.brokers, []);
  const found = new Int32Array(partitions.length);
  let count = 0;
  /** There are few reasons, so each orphan stores its reason's index. */
  const reasons: string[] = [];
  const reasonOf = new Uint16Array(partitions.length);
  /** Three for each partition. A separate load per partition would be one more object to reach, all over the heap. */
  const loads = new Float64Array(partitions.length * 3);
  const homeless: [number, number, number] = [0, 0, 0];
  for (let i = 0; i < partitions.length; i++) {
    const partition = partitions[i]!;
    for (let d = 0; d < 3; d++) loads[i * 3 + d] = partition.load[d]!;
    const reason = input.orphanReason(partition);
    if (reason !== undefined) {
      for (let d = 0; d < 3; d++) homeless[d]! += loads[i * 3 + d]!;
      found[count++] = i;
      let at = reasons.indexOf(reason);
      if (at < 0) at = reasons.push(reason) - 1;
      reasonOf[i] = at;
      continue;
    }
    const owner = candidates.get(partition.brokerId);
    if (!owner) continue;
    takeAt(owner, loads, i);
    spread.add(ranks.of[i]!, byBroker.get(partition.brokerId)!);
  }
  const orphans = heaviestFirst(inTopicOrder(found.subarray(0, count), ranks), (i) => peakAt(loads, i));

  const zones = openZones(candidates, byBroker);
  const tolerance = zoneTolerance * heatOnceTaken(candidates, homeless, orphans.length);
  const planned = new Int32Array(orphans.length);
  const targets: number[] = [];
  const assign = (i: number, target: Candidate): void => {
    takeAt(target, loads, i);
    spread.add(ranks.of[i]!, byBroker.get(target.broker.brokerId)!);
    planned[targets.length] = i;
    targets.push(target.broker.brokerId);
  };
  const large = largeOnes(orphans, (i) => peakAt(loads, i), tolerance, candidates.size);
  for (const i of orphans.subarray(0, large)) {
    const target = bestOf(zones, spread, partitions[i]!.load, ranks.of[i]!, tolerance);
    if (target) assign(i, target);
  }
  for (const zone of zones) zone.heap = new Heap(isColder, zone.members.filter(mayTakeOneMore));
  for (const i of orphans.subarray(large)) {
    const zone = pickZone(zones, spread, ranks.of[i]!, tolerance);
    if (!zone) break;
    const target = zone.heap.top()!;
    assign(i, target);
    if (mayTakeOneMore(target)) zone.heap.topChanged();
    else zone.heap.pop();
  }
  return movesOf(partitions, planned.subarray(0, targets.length), targets, (i) => reasons[reasonOf[i]!]!);
}

/**
 * Returns the moves in the order of planning, but creates them in the order of the input. The heaviest partitions lie
 * all over the heap, and reaching a million of them in planning order would take longer than the rest of the plan.
 */
function movesOf(
  partitions: readonly PlanPartition[],
  planned: Int32Array,
  targets: readonly number[],
  reasonOf: (partition: number) => string,
): PlanMove[] {
  const positions = new Int32Array(partitions.length).fill(-1);
  for (let at = 0; at < planned.length; at++) positions[planned[at]!] = at;
  const moves = Array.from<PlanMove>({ length: planned.length });
  for (let i = 0; i < partitions.length; i++) {
    const at = positions[i]!;
    if (at < 0) continue;
    const { topicId, partition, brokerId: from } = partitions[i]!;
    moves[at] = { topicId, partition, from, to: targets[at]!, reason: reasonOf(i) };
  }
  return moves;
}

/**
 * How many of the sorted orphans are worth a look at every broker. An orphan heavier than the tolerance could make the
 * coldest broker hot in a dimension other than the one it is cold in. For small orphans that does not matter, and there
 * may be a million of them.
 */
function largeOnes(orphans: Int32Array, peak: (orphan: number) => number, tolerance: number, brokers: number): number {
  const most = Math.min(orphans.length, Math.floor(looksMax / Math.max(1, brokers)));
  let large = 0;
  while (large < most && peak(orphans[large]!) > tolerance) large++;
  return large;
}

/**
 * The broker that would be coldest with the orphan. Among zones where that is about equally cold, the one with least of
 * its topic.
 */
function bestOf(
  zones: readonly Zone[],
  spread: ZoneCounts,
  load: Load,
  topicRank: number,
  tolerance: number,
): Candidate | undefined {
  const bests: { readonly candidate: Candidate; readonly heat: number; readonly zone: number }[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const { members, index } of zones) {
    let best: Candidate | undefined;
    let heat = Number.POSITIVE_INFINITY;
    for (const candidate of members) {
      if (!mayTakeOneMore(candidate)) continue;
      const after = heatWith(candidate, load, 1);
      if (after > heat || (after === heat && best && !isColder(candidate, best))) continue;
      best = candidate;
      heat = after;
    }
    if (!best) continue;
    bests.push({ candidate: best, heat, zone: index });
    least = Math.min(least, heat);
  }
  let picked: (typeof bests)[number] | undefined;
  for (const one of bests) {
    if (one.heat > least + tolerance) continue;
    const more = picked ? spread.at(topicRank, one.zone) - spread.at(topicRank, picked.zone) : -1;
    if (more < 0 || (more === 0 && picked && one.heat < picked.heat)) picked = one;
  }
  return picked?.candidate;
}

function openZones(candidates: ReadonlyMap<number, Candidate>, byBroker: ReadonlyMap<number, number>): Zone[] {
  const zones = new Map<number, Zone>();
  for (const candidate of candidates.values()) {
    if (!mayTakeOneMore(candidate)) continue;
    const index = byBroker.get(candidate.broker.brokerId)!;
    let zone = zones.get(index);
    if (!zone) zones.set(index, (zone = { index, members: [], heap: new Heap(isColder) }));
    zone.members.push(candidate);
  }
  return [...zones.values()].sort((a, b) => a.index - b.index);
}

/** How hot the brokers with room will be on average once they have the orphans. */
function heatOnceTaken(candidates: ReadonlyMap<number, Candidate>, load: Load, partitions: number): number {
  const open = [...candidates.values()].filter(mayTakeOneMore);
  const even = evenHeats(open);
  const room = open.reduce((sum, { broker }) => sum + broker.partitionsMax, 0);
  const brokers = Math.max(1, open.length);
  const counted = even[3]! + (partitions * wholeBroker) / Math.max(1, room);
  return Math.max(...load.map((sum, d) => even[d]! + sum / brokers), counted);
}

function pickZone(zones: readonly Zone[], spread: ZoneCounts, topicRank: number, tolerance: number): Zone | undefined {
  let coldest: Candidate | undefined;
  for (const zone of zones) {
    const top = zone.heap.top();
    if (top && (!coldest || isColder(top, coldest))) coldest = top;
  }
  if (!coldest) return undefined;
  let picked: Zone | undefined;
  let pickedHolds = 0;
  for (const zone of zones) {
    const top = zone.heap.top();
    if (!top || top.heat > coldest.heat + tolerance) continue;
    const holds = spread.at(topicRank, zone.index);
    if (picked && (holds > pickedHolds || (holds === pickedHolds && !isColder(top, picked.heap.top()!)))) continue;
    picked = zone;
    pickedHolds = holds;
  }
  return picked;
}
