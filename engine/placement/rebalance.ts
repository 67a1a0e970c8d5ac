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
  takeAt,
} from './constraints.ts';
import { Heap } from './heap.ts';
import { wholeBroker } from './load.ts';
import { remap } from './remap.ts';
import {
  heaviestFirst,
  inBuckets,
  inTopicOrder,
  peakAt,
  rankTopics,
  type TopicRanks,
  ZoneCounts,
  zoneIndexes,
} from './topic-ranks.ts';

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

/** Places of a broker's partitions in #owned, in the order of leaving it for the sake of one dimension, and how far a pass has come. */
interface Queue {
  readonly order: Int32Array;
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
  readonly #partitions: readonly PlanPartition[];
  /** Those that may be moved, owner by owner, and by topic for each: what is weighed together lies together. */
  readonly #owned: Int32Array;
  /** Of the same, in that order. */
  readonly #ownedLoads: Float64Array;
  /** Places in that order. */
  readonly #placesOf = new Map<number, { readonly from: number; readonly to: number }>();
  readonly #zoneOf: ReadonlyMap<number, number>;
  readonly #ranks: TopicRanks;
  readonly #spread: ZoneCounts;
  readonly #moved: Uint8Array;
  readonly #queues = new Map<Candidate, (Queue | undefined)[]>();
  /** 0, 1, 2 and so on. */
  readonly #places: Int32Array;

  constructor(input: RebalanceInput, placed: readonly PlanMove[]) {
    this.#settings = input.settings;
    this.#reason = input.reason ?? 'balance';
    const { partitions } = input;
    this.#partitions = partitions;
    this.#moved = new Uint8Array(partitions.length);
    const owners = new Map(placed.map((move) => [`${move.partition} ${move.topicId}`, move.to]));
    const all = candidatesOf(input.brokers, []);
    const { zones, byBroker } = zoneIndexes(input.brokers);
    this.#zoneOf = byBroker;
    this.#ranks = rankTopics(partitions);
    this.#spread = new ZoneCounts(this.#ranks.topics, zones.length);
    const brokerIds = [...all.keys()];
    const positions = new Map(brokerIds.map((brokerId, position) => [brokerId, position]));
    const candidates = [...all.values()];
    const zoneAt = brokerIds.map((brokerId) => byBroker.get(brokerId)!);
    const owned = new Int32Array(partitions.length);
    const ownerAt = new Int32Array(partitions.length);
    let count = 0;
    for (let i = 0; i < partitions.length; i++) {
      const partition = partitions[i]!;
      const moved = owners.size > 0 ? owners.get(`${partition.partition} ${partition.topicId}`) : undefined;
      const position = positions.get(moved ?? partition.brokerId);
      if (position === undefined) continue;
      takeAt(candidates[position]!, this.#ranks.loads, i);
      this.#spread.add(this.#ranks.of[i]!, zoneAt[position]!);
      // An orphan has just been given its place: it is not moved a second time in the same plan.
      if (moved !== undefined || partition.cooling === true) continue;
      ownerAt[i] = position;
      owned[count++] = i;
    }
    const inOrder = inTopicOrder(owned.subarray(0, count), this.#ranks);
    this.#owned = inBuckets(inOrder, brokerIds.length, (i) => ownerAt[i]!);
    this.#ownedLoads = new Float64Array(count * 3);
    this.#places = new Int32Array(count);
    for (let i = 0; i < count; i++) this.#places[i] = i;
    for (let from = 0, to = 0; from < count; from = to) {
      const owner = ownerAt[this.#owned[from]!]!;
      for (; to < count && ownerAt[this.#owned[to]!] === owner; to++) {
        const at = this.#owned[to]! * 3;
        for (let d = 0; d < 3; d++) this.#ownedLoads[to * 3 + d] = this.#ranks.loads[at + d]!;
      }
      this.#placesOf.set(brokerIds[owner]!, { from, to });
    }
    this.#candidates = candidates.filter((candidate) => isEligible(candidate.broker));
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
        const index = this.#next(donor);
        if (index === undefined) break;
        const partition = this.#partitions[index]!;
        const receiver = this.#coldestWith(partition, donor);
        if (!receiver) return;
        // A receiver that grew hotter than the donor is then would only change places with it; a smaller one may still fit.
        const after = heatWith(receiver, partition.load, 1);
        if (after > this.#even && (after > ceiling || after > heatWith(donor, partition.load, -1))) {
          misfits++;
          continue;
        }
        misfits = 0;
        this.#move(index, donor, receiver);
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
        const index = misfits < misfitsMax ? this.#next(donor) : undefined;
        const load = index === undefined ? undefined : this.#partitions[index]!.load;
        if (index === undefined || !load) {
          donors.pop();
          misfits = 0;
        } else if (heatWith(receiver, load, 1) <= heatWith(donor, load, -1)) {
          this.#move(index, donor, receiver);
          donors.topChanged();
          misfits = 0;
        } else {
          misfits++;
        }
      }
    }
  }

  /** What the broker would best give next: what weighs in the dimension in which it is hottest at the moment. */
  #next(donor: Candidate): number | undefined {
    const dimension = hottestDimension(donor);
    let queues = this.#queues.get(donor);
    if (!queues) this.#queues.set(donor, (queues = []));
    const queue = (queues[dimension] ??= { order: this.#movable(donor, dimension), at: 0 });
    while (queue.at < queue.order.length) {
      const index = this.#owned[queue.order[queue.at++]!]!;
      if (this.#moved[index] === 0) return index;
    }
    return undefined;
  }

  /**
   * Those that weigh in this dimension, at least a quarter of the average (less is not worth a pause of its clients): larger
   * first, or, when the number of logs is what weighs, the idle first, whose clients notice nothing. Of equal ones those
   * whose topic crowds the broker's zone most.
   */
  #movable(donor: Candidate, dimension: number): Int32Array {
    const zone = this.#zoneOf.get(donor.broker.brokerId)!;
    const isCount = dimension === countDimension;
    const weightMin = isCount ? -Infinity : donor.load[dimension]! / donor.partitions / 4;
    const loads = this.#ownedLoads;
    const weightOf = (at: number): number =>
      isCount ? -Math.min(peakAt(loads, at), wholeBroker) : loads[at * 3 + dimension]!;
    const { from, to } = this.#placesOf.get(donor.broker.brokerId) ?? { from: 0, to: 0 };
    const movable = new Int32Array(to - from);
    let count = 0;
    for (let at = from; at < to; at++) if (weightOf(at) >= weightMin) movable[count++] = at;
    const crowds = new Int32Array(count);
    let most = 0;
    for (let i = 0; i < count; i++) {
      crowds[i] = this.#spread.at(this.#ranks.of[this.#owned[movable[i]!]!]!, zone);
      most = Math.max(most, crowds[i]!);
    }
    const byCrowd = inBuckets(this.#places.subarray(0, count), most + 1, (i) => most - crowds[i]!);
    const crowded = byCrowd.map((i) => movable[i]!);
    return heaviestFirst(crowded, weightOf);
  }

  #isSpent(): boolean {
    return this.moves.length >= this.#settings.movesMax;
  }

  #move(index: number, donor: Candidate, receiver: Candidate): void {
    const { topicId, partition, load } = this.#partitions[index]!;
    give(donor, load);
    take(receiver, load);
    this.#moved[index] = 1;
    const [from, to] = [donor.broker.brokerId, receiver.broker.brokerId];
    this.moves.push({ topicId, partition, from, to, reason: this.#reason });
  }
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
