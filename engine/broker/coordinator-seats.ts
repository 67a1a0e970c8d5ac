/**
 * The group coordinators that this broker hosts: one per owned partition of a cluster's coordinator topic, loaded from
 * the log on first use and closed when the log is given away. A coordinator belongs to one opening of its log. When the
 * partition comes back later, it is another log object with another coordinator.
 *
 * Requests that arrive during the load wait for it, because the client's own retry would come no sooner.
 */
import type { Catalogue, TopicEntry } from '../engine.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import type { Random } from '../kernel/random.ts';
import type { PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { coordinatorPartition, coordinatorTopic } from '../routing/coordinator-seat.ts';
import { coordinatorLog } from './coordinator-log.ts';
import { GroupCoordinator } from './groups/group-coordinator.ts';
import type { GroupSettings } from './groups/settings.ts';
import type { Ownership } from './ownership.ts';

export type Seated = { readonly coordinator: GroupCoordinator } | { readonly errorCode: number };

interface Seat {
  /** A log that opens again at a later epoch gets another coordinator. */
  readonly leaderEpoch: number;
  readonly coordinator: GroupCoordinator;
  readonly loaded: Promise<void>;
}

export class CoordinatorSeats {
  readonly #catalogue: Catalogue;
  readonly #ownership: Ownership;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #settings: Partial<GroupSettings>;
  readonly #seats = new Map<PartitionLog, Seat>();

  constructor(
    catalogue: Catalogue,
    ownership: Ownership,
    clock: Clock,
    random: Random,
    settings: Partial<GroupSettings> = {},
  ) {
    this.#catalogue = catalogue;
    this.#ownership = ownership;
    this.#clock = clock;
    this.#random = random;
    this.#settings = settings;
  }

  /** The loaded coordinator of a group when its partition is ours; otherwise NOT_COORDINATOR. */
  async ofGroup(clusterId: string, groupId: string): Promise<Seated> {
    const topic = this.#catalogue.byName(coordinatorTopic(clusterId));
    if (!topic) return { errorCode: errorCode.notCoordinator };
    return this.#find(topic, coordinatorPartition(groupId, topic.partitions.length));
  }

  /** The coordinators of these partitions. Undefined when one is unavailable: a list without it would look complete. */
  async ofPartitions(clusterId: string, partitions: readonly number[]): Promise<GroupCoordinator[] | undefined> {
    const topic = this.#catalogue.byName(coordinatorTopic(clusterId));
    if (!topic) return undefined;
    const seated = await Promise.all(partitions.map((index) => this.#find(topic, index)));
    const coordinators = seated.flatMap((each) => ('coordinator' in each ? [each.coordinator] : []));
    return coordinators.length === partitions.length ? coordinators : undefined;
  }

  async #find(topic: TopicEntry, partition: number): Promise<Seated> {
    const log = await new Promise<PartitionLog | undefined>((resolve) => {
      this.#ownership.with(topic.topicId, partition, (owned) => resolve('log' in owned ? owned.log : undefined));
    });
    if (!log) return { errorCode: errorCode.notCoordinator };
    let seat = this.#seats.get(log);
    if (seat && seat.leaderEpoch !== log.leaderEpoch) {
      // Taken between the end of the last one and the seal: it wrote nothing that is not in the log.
      seat.coordinator.close();
      seat = undefined;
    }
    seat ??= this.#take(log);
    try {
      await seat.loaded;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { errorCode: errorCode.notCoordinator };
    }
    return { coordinator: seat.coordinator };
  }

  #take(log: PartitionLog): Seat {
    const coordinator = new GroupCoordinator({
      log: coordinatorLog(log, this.#clock),
      clock: this.#clock,
      random: this.#random,
      settings: this.#settings,
      topicMadeMs: (topic) => this.#catalogue.byName(topic)?.createdAtMs ?? -1,
    });
    const seat: Seat = { leaderEpoch: log.leaderEpoch, coordinator, loaded: coordinator.load() };
    this.#seats.set(log, seat);
    seat.loaded.catch(() => this.#seats.get(log) === seat && this.#seats.delete(log));
    return seat;
  }

  /** The log is about to be given away: requests parked at its coordinator are sent elsewhere. */
  async leave(log: PartitionLog): Promise<void> {
    const seat = this.#seats.get(log);
    if (!seat) return;
    this.#seats.delete(log);
    await seat.loaded.catch(() => undefined);
    seat.coordinator.close();
  }

  async leaveAll(): Promise<void> {
    await Promise.all([...this.#seats.keys()].map((log) => this.leave(log)));
  }
}
