/**
 * Few moves that even out a fleet. Sticky: as long as every broker is within the trigger of the mean, nothing moves; once
 * one is not, moves go on to the tighter target, so that the next small drift starts no new round.
 *
 *   pass 1  partitions without an owner find one
 *   pass 2  brokers above the mean shed their largest that fits into the coldest broker
 *   pass 3  brokers below the mean are filled from the hottest
 *
 * Every move narrows the gap between its two brokers, so the passes end and no plan undoes itself.
 */
import {
  type Candidate,
  candidatesOf,
  give,
  isColder,
  isEligible,
  mayTakeOneMore,
  type PlanBroker,
  type PlanMove,
  type PlanPartition,
  take,
} from './constraints.ts';
import { Heap } from './heap.ts';
import { remap } from './remap.ts';
import { rankTopics, ZoneCounts, zoneIndexes } from './topic-ranks.ts';

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
}

export function rebalance(input: RebalanceInput): PlanMove[] {
  const known = new Set(input.brokers.map((broker) => broker.brokerId));
  const orphanReason = (p: PlanPartition): string | undefined => (known.has(p.brokerId) ? undefined : 'balance');
  const moves = remap({ brokers: input.brokers, partitions: input.partitions, orphanReason });
  const round = new Round(input, moves);
  if (round.isUneven()) {
    round.shed();
    round.fill();
  }
  return [...moves, ...round.moves];
}

class Round {
  readonly moves: PlanMove[] = [];
  readonly #settings: RebalanceSettings;
  readonly #candidates: Candidate[];
  readonly #mean: number;
  readonly #byOwner = new Map<number, PlanPartition[]>();
  readonly #zoneOf: ReadonlyMap<number, number>;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly #spread: ZoneCounts;
  readonly #moved = new Set<PlanPartition>();

  constructor(input: RebalanceInput, placed: readonly PlanMove[]) {
    this.#settings = input.settings;
    const owners = new Map(placed.map((move) => [`${move.partition} ${move.topicId}`, move.to]));
    const all = candidatesOf(input.brokers, []);
    const { zones, byBroker } = zoneIndexes(input.brokers);
    this.#zoneOf = byBroker;
    this.#ranks = rankTopics(input.partitions);
    this.#spread = new ZoneCounts(this.#ranks.size, zones.length);
    for (const partition of input.partitions) {
      const moved = owners.size > 0 ? owners.get(`${partition.partition} ${partition.topicId}`) : undefined;
      const owner = all.get(moved ?? partition.brokerId);
      if (!owner) continue;
      take(owner, partition.load);
      this.#spread.add(this.#ranks.get(partition.topicId)!, byBroker.get(owner.broker.brokerId)!);
      // An orphan has just been given its place: it is not moved a second time in the same plan.
      if (moved === undefined && partition.cooling !== true) this.#ownedBy(partition.brokerId).push(partition);
    }
    this.#candidates = [...all.values()].filter((candidate) => isEligible(candidate.broker));
    const load = this.#candidates.reduce((sum, candidate) => sum + candidate.load, 0);
    this.#mean = load / Math.max(1, this.#candidates.length);
  }

  isUneven(): boolean {
    const eps = this.#settings.triggerEps;
    return this.#candidates.some((c) => c.load > this.#mean * (1 + eps) || c.load < this.#mean * (1 - eps));
  }

  shed(): void {
    const receivers = new Heap<Candidate>(isColder, this.#candidates.filter(mayTakeOneMore));
    const hot = this.#candidates.filter((c) => c.load > this.#mean * (1 + this.#settings.targetEps));
    for (const donor of hot.sort((a, b) => (isColder(b, a) ? -1 : 1))) {
      for (const partition of this.#movable(donor)) {
        if (this.#isSpent() || donor.load <= this.#mean * (1 + this.#settings.targetEps)) break;
        const receiver = receivers.top();
        if (!receiver) return;
        // Above the mean it would only change places with the donor; a smaller one may still fit.
        if (receiver === donor || receiver.load + partition.load > this.#mean) continue;
        this.#move(partition, donor, receiver);
        if (mayTakeOneMore(receiver)) receivers.topChanged();
        else receivers.pop();
      }
    }
  }

  fill(): void {
    const floor = this.#mean * (1 - this.#settings.targetEps);
    const cold = this.#candidates.filter((c) => c.load < floor).sort((a, b) => (isColder(a, b) ? -1 : 1));
    if (cold.length === 0) return;
    const warm = this.#candidates.filter((c) => c.load >= floor);
    const donors = new Heap<Candidate>((a, b) => isColder(b, a), warm);
    const left = new Map<number, PlanPartition[]>();
    for (const receiver of cold) {
      while (!this.#isSpent() && receiver.load < floor && mayTakeOneMore(receiver)) {
        const donor = donors.top();
        if (!donor || donor.load <= receiver.load) break;
        let movable = left.get(donor.broker.brokerId);
        if (!movable) left.set(donor.broker.brokerId, (movable = this.#movable(donor)));
        const at = movable.findIndex((partition) => this.#narrows(partition, donor, receiver));
        if (at < 0) {
          donors.pop();
          continue;
        }
        this.#move(movable.splice(at, 1)[0]!, donor, receiver);
        donors.topChanged();
      }
    }
  }

  #narrows(partition: PlanPartition, donor: Candidate, receiver: Candidate): boolean {
    return receiver.load + partition.load <= donor.load - partition.load;
  }

  /** What a broker may give: larger first, of equal ones those whose topic crowds the broker's zone most. */
  #movable(donor: Candidate): PlanPartition[] {
    const zone = this.#zoneOf.get(donor.broker.brokerId)!;
    const movable: { readonly partition: PlanPartition; readonly rank: number; readonly crowd: number }[] = [];
    for (const partition of this.#byOwner.get(donor.broker.brokerId) ?? []) {
      if (this.#moved.has(partition)) continue;
      const rank = this.#ranks.get(partition.topicId)!;
      movable.push({ partition, rank, crowd: this.#spread.at(rank, zone) });
    }
    movable.sort(
      (a, b) =>
        b.partition.load - a.partition.load ||
        b.crowd - a.crowd ||
        a.rank - b.rank ||
        a.partition.partition - b.partition.partition,
    );
    return movable.map(({ partition }) => partition);
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
    this.moves.push({ topicId, partition: partition.partition, from, to, reason: 'balance' });
  }
}
