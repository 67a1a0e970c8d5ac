/**
 * Evens out a fleet with few moves. Sticky: as long as every broker is within the trigger of the mean, nothing moves.
 * Once one is not, moves continue to the tighter target, so the next small drift does not start a new round.
 *
 *   pass 1  partitions without an owner find one
 *   pass 2  brokers above the mean shed what weighs most in their hottest dimension and fits into the coldest broker
 *   pass 3  brokers below the mean are filled from the hottest
 *
 * The mean is that of the busiest dimension (load.ts): a dimension in which no broker is busy is not worth a move.
 * Every move narrows the gap between its two brokers, so the passes end and no plan undoes itself.
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
import { LazyOrder } from './lazy-order.ts';
import { wholeBroker } from './load.ts';
import { remap } from './remap.ts';
import {
  inBuckets,
  peakAt,
  rankTopics,
  type TopicRanks,
  weightMax,
  weightThenCount,
  ZoneCounts,
  zoneIndexes,
} from './topic-ranks.ts';

export interface RebalanceSettings {
  /** Distance from the mean, as a share of it, that starts a round. */
  readonly triggerEps: number;
  /** Distance from the mean within which a broker is left alone. */
  readonly targetEps: number;
  /** Moves for balance in one round. Orphans are not counted. */
  readonly movesMax: number;
}

export const rebalanceDefaults: RebalanceSettings = { triggerEps: 0.1, targetEps: 0.05, movesMax: 10_000 };

export interface RebalanceInput {
  readonly brokers: readonly PlanBroker[];
  readonly partitions: readonly PlanPartition[];
  readonly settings: RebalanceSettings;
  /** Reason given to the moves. */
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

/**
 * Positions among a broker's partitions, in the order in which they leave to relieve one dimension, and how far a pass
 * has come.
 */
interface Queue {
  readonly owned: Int32Array;
  readonly order: LazyOrder;
  at: number;
}

const countDimension = 3;
/** After this many consecutive partitions that do not fit, a hot broker is left as it is. */
const misfitsMax = 200;

class Round {
  readonly moves: PlanMove[] = [];
  readonly #reason: string;
  readonly #settings: RebalanceSettings;
  readonly #candidates: Candidate[];
  /** How hot every broker would be in a perfect plan. */
  readonly #even: number;
  readonly #partitions: readonly PlanPartition[];
  /** Movable partitions, by owner. */
  readonly #owned = new Map<number, Int32Array>();
  readonly #zoneOf: ReadonlyMap<number, number>;
  readonly #ranks: TopicRanks;
  /**
   * Three for each partition, as precise as the orders need. Half the size of loads, because a plan's allocations make
   * V8 collect the whole heap.
   */
  readonly #weights: Int32Array;
  readonly #spread: ZoneCounts;
  readonly #moved: Uint8Array;
  /** Receiver of the last move. */
  #receiver: Candidate | undefined;
  readonly #queues = new Map<Candidate, (Queue | undefined)[]>();

  constructor(input: RebalanceInput, placed: readonly PlanMove[]) {
    this.#settings = input.settings;
    this.#reason = input.reason ?? 'balance';
    const { partitions } = input;
    this.#partitions = partitions;
    this.#moved = new Uint8Array(partitions.length);
    this.#weights = new Int32Array(partitions.length * 3);
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
      take(candidates[position]!, partition.load);
      for (let d = 0; d < 3; d++) this.#weights[i * 3 + d] = Math.min(partition.load[d]!, weightMax);
      this.#spread.add(this.#ranks.of[i]!, zoneAt[position]!);
      // An orphan has just been placed; it is not moved twice in one plan.
      if (moved !== undefined || partition.cooling === true) continue;
      ownerAt[i] = position;
      owned[count++] = i;
    }
    const byOwner = inBuckets(owned.subarray(0, count), brokerIds.length, (i) => ownerAt[i]!);
    for (let from = 0, to = 0; from < count; from = to) {
      const owner = ownerAt[byOwner[from]!]!;
      while (to < count && ownerAt[byOwner[to]!] === owner) to++;
      this.#owned.set(brokerIds[owner]!, byOwner.subarray(from, to));
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
        // A receiver that became hotter than the donor would only swap places with it. A smaller partition may still
        // fit.
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
    // The last receiver is still nearly the coldest: most others are hotter even without the partition.
    const last = this.#receiver;
    let coldest = last && last !== donor && mayTakeOneMore(last) ? last : undefined;
    let heat = coldest ? heatWith(coldest, partition.load, 1) : Number.POSITIVE_INFINITY;
    for (const candidate of this.#candidates) {
      if (candidate.heat > heat || candidate === donor || !mayTakeOneMore(candidate)) continue;
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
      // What was too large for the previous receiver may suit this one.
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

  /** What the broker should give away next: what weighs in the dimension in which it is hottest now. */
  #next(donor: Candidate): number | undefined {
    const dimension = hottestDimension(donor);
    let queues = this.#queues.get(donor);
    if (!queues) this.#queues.set(donor, (queues = []));
    const queue = (queues[dimension] ??= this.#queueOf(donor, dimension));
    while (queue.at < queue.order.length) {
      const index = queue.owned[queue.order.at(queue.at++)]!;
      if (this.#moved[index] === 0) return index;
    }
    return undefined;
  }

  /**
   * The partitions that weigh at least a quarter of the average in this dimension; less is not worth a pause of its
   * clients. Larger ones come first. When the number of logs is what weighs, idle ones come first, whose clients notice
   * nothing. Among equals, those whose topic crowds the broker's zone most come first.
   */
  #queueOf(donor: Candidate, dimension: number): Queue {
    const zone = this.#zoneOf.get(donor.broker.brokerId)!;
    const isCount = dimension === countDimension;
    const weightMin = isCount ? -Infinity : donor.load[dimension]! / donor.partitions / 4;
    const { of, partition } = this.#ranks;
    const weights = this.#weights;
    const owned = this.#owned.get(donor.broker.brokerId) ?? new Int32Array(0);
    const places = new Int32Array(owned.length);
    const keys = new Float64Array(owned.length);
    let count = 0;
    for (let place = 0; place < owned.length; place++) {
      const index = owned[place]!;
      const weight = isCount ? -Math.min(peakAt(weights, index), wholeBroker) : weights[index * 3 + dimension]!;
      if (weight < weightMin) continue;
      keys[place] = weightThenCount(weight, this.#spread.at(of[index]!, zone));
      places[count++] = place;
    }
    // Any order of equals works, as long as it does not depend on the order of the input.
    const order = new LazyOrder(places.subarray(0, count), keys, (a, b) => {
      const [first, second] = [owned[a]!, owned[b]!];
      const ranks = of[first]! - of[second]!;
      return ranks === 0 ? partition[first]! < partition[second]! : ranks < 0;
    });
    return { owned, order, at: 0 };
  }

  #isSpent(): boolean {
    return this.moves.length >= this.#settings.movesMax;
  }

  #move(index: number, donor: Candidate, receiver: Candidate): void {
    const { topicId, partition, load } = this.#partitions[index]!;
    give(donor, load);
    take(receiver, load);
    this.#receiver = receiver;
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
