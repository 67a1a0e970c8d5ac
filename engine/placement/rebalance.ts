/**
 * Few moves that even out a fleet. Sticky: as long as every broker is within the trigger of the mean, nothing moves; once
 * one is not, moves go on to the tighter target, so that the next small drift starts no new round.
 *
 *   pass 1  partitions without an owner find one
 *   pass 2  brokers above the mean shed what weighs most in their hottest dimension and fits into the coldest broker
 *   pass 3  brokers below the mean are filled from the hottest
 *
 * The mean is that of the busiest dimension (load.ts): a dimension in which nobody is busy is not worth a move. Every move
 * narrows the gap between its two brokers, so the passes end and no plan undoes itself.
 */
import {
  type Candidate,
  candidatesOf,
  countShare,
  evenHeats,
  give,
  heatWith,
  isColder,
  isEligible,
  mayTakeOneMore,
  type PlanBroker,
  type PlanMove,
  type PlanPartition,
  take,
} from './constraints.ts';
import { Heap } from './heap.ts';
import { peakOf } from './load.ts';
import { remap } from './remap.ts';
import { rankReader, rankTopics, ZoneCounts, zoneIndexes } from './topic-ranks.ts';

export interface RebalanceSettings {
  /** Distance from the mean, as a share of it, that starts a round. */
  readonly triggerEps: number;
  /** Distance at which a broker is left alone. */
  readonly targetEps: number;
  /** For balance in one round; orphans are not counted. */
  readonly movesMax: number;
}

export const rebalanceDefaults: RebalanceSettings = { triggerEps: 0.1, targetEps: 0.05, movesMax: 10_000 };

export interface RebalanceInput {
  readonly brokers: readonly PlanBroker[];
  readonly partitions: readonly PlanPartition[];
  readonly settings: RebalanceSettings;
  /** Of the moves. */
  readonly reason?: string;
}

export function rebalance(input: RebalanceInput): PlanMove[] {
  const known = new Set(input.brokers.map((broker) => broker.brokerId));
  const orphanReason = (p: PlanPartition): string | undefined => (known.has(p.brokerId) ? undefined : 'balance');
  const someOrphan = input.partitions.some((partition) => !known.has(partition.brokerId));
  const moves = someOrphan ? remap({ brokers: input.brokers, partitions: input.partitions, orphanReason }) : [];
  const round = new Round(input, moves);
  if (round.isUneven()) {
    round.shed();
    round.fill();
  }
  return [...moves, ...round.moves];
}

/** A broker's partitions in the order of leaving it for the sake of one dimension, and how far a pass has come. */
interface Queue {
  /** Those that were taken out, in order; a later receiver sees them again. */
  readonly seen: PlanPartition[];
  /** The rest. A heap, because most brokers give few of thousands. */
  readonly rest: Heap<Ranked>;
  at: number;
}

const countDimension = 3;
/** Partitions in a row that do not fit, after which a hot broker is left as it is. */
const misfitsMax = 200;

class Round {
  readonly moves: PlanMove[] = [];
  readonly #reason: string;
  readonly #settings: RebalanceSettings;
  readonly #candidates: Candidate[];
  /** How hot every broker would be in a perfect plan. */
  readonly #even: number;
  readonly #byOwner = new Map<number, PlanPartition[]>();
  readonly #zoneOf: ReadonlyMap<number, number>;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #spread: ZoneCounts;
  readonly #moved = new Set<PlanPartition>();
  readonly #queues = new Map<Candidate, (Queue | undefined)[]>();

  constructor(input: RebalanceInput, placed: readonly PlanMove[]) {
    this.#settings = input.settings;
    this.#reason = input.reason ?? 'balance';
    const owners = new Map(placed.map((move) => [`${move.partition} ${move.topicId}`, move.to]));
    const all = candidatesOf(input.brokers, []);
    const { zones, byBroker } = zoneIndexes(input.brokers);
    this.#zoneOf = byBroker;
    this.#ranks = rankTopics(input.partitions);
    this.#spread = new ZoneCounts(this.#ranks.size, zones.length);
    const rankOf = rankReader(this.#ranks);
    for (const partition of input.partitions) {
      const moved = owners.size > 0 ? owners.get(`${partition.partition} ${partition.topicId}`) : undefined;
      const owner = all.get(moved ?? partition.brokerId);
      if (!owner) continue;
      take(owner, partition.load);
      this.#spread.add(rankOf(partition), byBroker.get(owner.broker.brokerId)!);
      // An orphan has just been given its place: it is not moved a second time in the same plan.
      if (moved === undefined && partition.cooling !== true) this.#ownedBy(partition.brokerId).push(partition);
    }
    this.#candidates = [...all.values()].filter((candidate) => isEligible(candidate.broker));
    this.#even = Math.max(...evenHeats(this.#candidates));
  }

  isUneven(): boolean {
    const eps = this.#settings.triggerEps;
    return this.#candidates.some((c) => c.heat > this.#even * (1 + eps) || c.heat < this.#even * (1 - eps));
  }

  shed(): void {
    const ceiling = this.#even * (1 + this.#settings.targetEps);
    const hot = this.#candidates.filter((c) => c.heat > ceiling);
    for (const donor of hot.sort((a, b) => (isColder(b, a) ? -1 : 1))) {
      let misfits = 0;
      while (!this.#isSpent() && donor.heat > ceiling && misfits < misfitsMax) {
        const partition = this.#next(donor);
        if (!partition) break;
        const receiver = this.#coldestWith(partition, donor);
        if (!receiver) return;
        // A receiver that grew hotter than the donor is then would only change places with it; a smaller one may still fit.
        const after = heatWith(receiver, partition.load, 1);
        if (after > this.#even && (after > ceiling || after > heatWith(donor, partition.load, -1))) {
          misfits++;
          continue;
        }
        misfits = 0;
        this.#move(partition, donor, receiver);
      }
    }
  }

  /** The broker that would be coldest with the partition. */
  #coldestWith(partition: PlanPartition, donor: Candidate): Candidate | undefined {
    let coldest: Candidate | undefined;
    let heat = Number.POSITIVE_INFINITY;
    for (const candidate of this.#candidates) {
      if (candidate === donor || !mayTakeOneMore(candidate)) continue;
      const after = heatWith(candidate, partition.load, 1);
      if (after > heat || (after === heat && coldest && !isColder(candidate, coldest))) continue;
      coldest = candidate;
      heat = after;
    }
    return coldest;
  }

  fill(): void {
    const floor = this.#even * (1 - this.#settings.targetEps);
    const cold = this.#candidates.filter((c) => c.heat < floor).sort((a, b) => (isColder(a, b) ? -1 : 1));
    if (cold.length === 0) return;
    const warm = this.#candidates.filter((c) => c.heat >= floor);
    const donors = new Heap<Candidate>((a, b) => isColder(b, a), warm);
    for (const receiver of cold) {
      // What was too large for the last one may suit this one.
      for (const queues of this.#queues.values()) for (const queue of queues) if (queue) queue.at = 0;
      let misfits = 0;
      while (!this.#isSpent() && receiver.heat < floor && mayTakeOneMore(receiver)) {
        const donor = donors.top();
        if (!donor || donor.heat <= receiver.heat) break;
        const partition = misfits < misfitsMax ? this.#next(donor) : undefined;
        if (!partition) {
          donors.pop();
          misfits = 0;
        } else if (heatWith(receiver, partition.load, 1) <= heatWith(donor, partition.load, -1)) {
          this.#move(partition, donor, receiver);
          donors.topChanged();
          misfits = 0;
        } else {
          misfits++;
        }
      }
    }
  }

  /** What the broker would best give next: what weighs in the dimension in which it is hottest at the moment. */
  #next(donor: Candidate): PlanPartition | undefined {
    const dimension = hottestDimension(donor);
    let queues = this.#queues.get(donor);
    if (!queues) this.#queues.set(donor, (queues = []));
    const queue = (queues[dimension] ??= { seen: [], rest: this.#movable(donor, dimension), at: 0 });
    for (;;) {
      if (queue.at === queue.seen.length) {
        const next = queue.rest.pop();
        if (!next) return undefined;
        queue.seen.push(next.partition);
      }
      const partition = queue.seen[queue.at++]!;
      if (!this.#moved.has(partition)) return partition;
    }
  }

  /**
   * Those that weigh in this dimension, at least a quarter of the average (less is not worth a pause of its clients): larger
   * first, or, when the number of logs is what weighs, the idle first, whose
   * clients notice nothing. Of equal ones those whose topic crowds the broker's zone most.
   */
  #movable(donor: Candidate, dimension: number): Heap<Ranked> {
    const zone = this.#zoneOf.get(donor.broker.brokerId)!;
    const weightMin = dimension === countDimension ? -Infinity : donor.load[dimension]! / donor.partitions / 4;
    const movable: Ranked[] = [];
    const rankOf = rankReader(this.#ranks);
    for (const partition of this.#byOwner.get(donor.broker.brokerId) ?? []) {
      const weight = dimension === countDimension ? -peakOf(partition.load) : partition.load[dimension]!;
      if (weight < weightMin) continue;
      const rank = rankOf(partition);
      movable.push({ partition, weight, rank, crowd: this.#spread.at(rank, zone) });
    }
    return new Heap(goesFirst, movable);
  }

  #ownedBy(brokerId: number): PlanPartition[] {
    let owned = this.#byOwner.get(brokerId);
    if (!owned) this.#byOwner.set(brokerId, (owned = []));
    return owned;
  }

  #isSpent(): boolean {
    return this.moves.length >= this.#settings.movesMax;
  }

  #move(partition: PlanPartition, donor: Candidate, receiver: Candidate): void {
    give(donor, partition.load);
    take(receiver, partition.load);
    this.#moved.add(partition);
    const { topicId } = partition;
    const [from, to] = [donor.broker.brokerId, receiver.broker.brokerId];
    this.moves.push({ topicId, partition: partition.partition, from, to, reason: this.#reason });
  }
}

interface Ranked {
  readonly partition: PlanPartition;
  readonly weight: number;
  readonly rank: number;
  readonly crowd: number;
}

function goesFirst(a: Ranked, b: Ranked): boolean {
  if (a.weight !== b.weight) return a.weight > b.weight;
  if (a.crowd !== b.crowd) return a.crowd > b.crowd;
  return a.rank === b.rank ? a.partition.partition < b.partition.partition : a.rank < b.rank;
}

function hottestDimension({ broker, load, partitions }: Candidate): number {
  let hottest = countDimension;
  let heat = countShare(broker, partitions);
  for (let d = 0; d < 3; d++) {
    if (load[d]! <= heat) continue;
    hottest = d;
    heat = load[d]!;
  }
  return hottest;
}
