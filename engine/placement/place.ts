/**
 * Where the partitions of a new topic go: round-robin over the zones from a hashed start, and inside a zone to the
 * colder of two brokers picked by hash. Two choices, not the coldest of all: many controllers and many concurrent
 * creations must not all choose the same broker.
 */
import { type Candidate, isColder, mayTakeOneMore, take } from './constraints.ts';
import type { Load } from './load.ts';
import { hashText, hashWith } from './shard.ts';

export interface PlaceRequest {
  readonly topicId: string;
  /** Index of the first partition to place: 0 for a new topic, the present count when partitions are added. */
  readonly firstIndex: number;
  readonly count: number;
  /** Expected load of one partition. */
  readonly load: Load;
}

/** Broker ids by position; -1 where no broker may take one more. Raises the candidates' loads as it goes. */
export function place(request: PlaceRequest, candidates: ReadonlyMap<number, Candidate>): number[] {
  const zones = zonesOf(candidates);
  const hash = hashText(request.topicId);
  const owners: number[] = [];
  for (let index = request.firstIndex; index < request.firstIndex + request.count; index++) {
    const chosen = pickInZones(zones, hash, index);
    if (chosen) take(chosen, request.load);
    owners.push(chosen?.broker.brokerId ?? -1);
  }
  return owners;
}

function zonesOf(candidates: ReadonlyMap<number, Candidate>): Candidate[][] {
  const zones = new Map<string, Candidate[]>();
  const eligible = [...candidates.values()].filter(mayTakeOneMore);
  eligible.sort((a, b) => a.broker.brokerId - b.broker.brokerId);
  for (const candidate of eligible) {
    const zone = zones.get(candidate.broker.zone);
    if (zone) zone.push(candidate);
    else zones.set(candidate.broker.zone, [candidate]);
  }
  return [...zones.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, members]) => members);
}

/** The zone whose turn it is, or the next one that has room. */
function pickInZones(zones: readonly Candidate[][], hash: number, index: number): Candidate | undefined {
  for (let skipped = 0; skipped < zones.length; skipped++) {
    const zone = zones[(hash + index + skipped) % zones.length]!;
    const chosen = pickInZone(zone, hashWith(hash, index));
    if (chosen) return chosen;
  }
  return undefined;
}

function pickInZone(zone: readonly Candidate[], hash: number): Candidate | undefined {
  const first = hash % zone.length;
  const second = (first + 1 + ((hash >>> 16) % Math.max(1, zone.length - 1))) % zone.length;
  const a = zone[first]!;
  const b = zone[second]!;
  const [colder, warmer] = isColder(a, b) ? [a, b] : [b, a];
  if (mayTakeOneMore(colder)) return colder;
  if (mayTakeOneMore(warmer)) return warmer;
  return zone.find(mayTakeOneMore);
}
