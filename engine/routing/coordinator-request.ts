/**
 * Requests for a group's coordinator. The broker finds the coordinator by the group's inner name, which begins with the
 * cluster's id and a dot.
 *
 * While the seat moves, requests are held and sent again. All of them can be repeated, because a coordinator judges
 * them by member and generation. The exception is a JoinGroup that has been sent: it may have added a member whose id
 * nobody knows, so it is answered NOT_COORDINATOR at once and the client joins afresh. A JoinGroup that was parked for
 * a rebalance and is refused after the hold time is not restarted here either: the client decides.
 *
 * When the coordinator's disk has no room for a request (volumeFullCode), it is not held: it would wait for an
 * operator. That code says that nothing was stored. After an earlier try that may have changed something (a coordinator
 * said so, or a broker vanished with it), neither that code nor NOT_COORDINATOR would be true, so the answer is
 * unsureCode.
 *
 * A request travels in the version that the client speaks, because a coordinator's answer depends on it
 * (MEMBER_ID_REQUIRED only since JoinGroup v4). The header's client id carries client and host, and when the topics of a
 * commit were made, if that was a short time ago (coordinator-client.ts).
 * For ListGroups it carries the cluster and the requested seats, so a broker that has not heard of one yet does not
 * answer without it.
 */
import type { CoordinatorApi, CoordinatorClient, CoordinatorTarget, TopicEntry } from '../engine.ts';
import { assert } from '../kernel/assert.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { latestVersion } from '../link/latest-version.ts';
import type { Link } from '../link/link.ts';
import type { LinkPool } from '../link/pool.ts';
import { LinkClosed } from '../ports.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import type { Changes } from './changes.ts';
import { joinClient, joinSeats } from './coordinator-client.ts';
import { clusterOfGroup, coordinatorPartition, coordinatorTopic } from './coordinator-seat.ts';
import { type CoordinatorShape, coordinatorShapes } from '../link/coordinator-shapes.ts';
import { errorCode, unsureCode, volumeFullCode } from '../protocol/error-codes.ts';
import { isCoordinatorAway } from './misrouted.ts';
import { ownerOf, type RoutingCatalogue } from './owners.ts';
import type { RoutingSettings } from './settings.ts';

export type EnsureCoordinatorTopic = (clusterId: string) => Promise<TopicEntry>;

const joinGroupKey = 11;
/** OffsetFetch, Heartbeat and DescribeGroups change nothing, so their outcome is never in doubt. */
const readKeys: ReadonlySet<CoordinatorApi> = new Set([9, 12, 15] as const);
const listGroupsKey = 16;
/** Longer than any broker takes to hear of a topic, as long as it can do anything for its clients. */
const unheardMsMax = 600_000;

export class CoordinatorRouter {
  readonly metrics = { requests: 0, retries: 0, unanswered: 0 };
  readonly #catalogue: RoutingCatalogue;
  readonly #pool: LinkPool;
  readonly #clock: Clock;
  readonly #changes: Changes;
  readonly #settings: RoutingSettings;
  readonly #ensureTopic: EnsureCoordinatorTopic;

  constructor(
    catalogue: RoutingCatalogue,
    pool: LinkPool,
    clock: Clock,
    changes: Changes,
    settings: RoutingSettings,
    ensureTopic: EnsureCoordinatorTopic,
  ) {
    this.#catalogue = catalogue;
    this.#pool = pool;
    this.#clock = clock;
    this.#changes = changes;
    this.#settings = settings;
    this.#ensureTopic = ensureTopic;
  }

  async request<K extends CoordinatorApi>(
    key: K,
    target: CoordinatorTarget,
    request: RequestOf<K>,
    client: CoordinatorClient,
  ): Promise<ResponseOf<K>> {
    assert(clusterOfGroup(target.groupId) === target.clusterId, 'an inner group name begins with its cluster');
    this.metrics.requests++;
    const shape: CoordinatorShape<K> = coordinatorShapes[key];
    const sender = { ...client, topicsMadeMs: this.#justMade(shape.topics?.(request) ?? []) };
    const options = { clientId: joinClient(sender), waitMs: shape.waitMs(request) };
    const deadlineMs = this.#clock.monotonicMs() + this.#settings.holdMsMax;
    let pauseMs = this.#settings.retryMs;
    let lastCode: number = errorCode.coordinatorNotAvailable;
    let mayBeDone = false;
    for (;;) {
      const seen = this.#changes.count;
      const link = await this.#seat(target);
      if (link) {
        lastCode = errorCode.notCoordinator;
        try {
          const response = await link.request(key, client.version, request, options);
          const codes = shape.codes(response);
          if (codes.includes(unsureCode)) mayBeDone = true;
          else if (!codes.some(isCoordinatorAway)) {
            const isDoubtful = mayBeDone && codes.includes(volumeFullCode);
            return isDoubtful ? shape.failure(request, unsureCode) : response;
          }
          if (this.#clock.monotonicMs() >= deadlineMs) return mayBeDone ? shape.failure(request, unsureCode) : response;
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          if (error instanceof LinkClosed && error.sent && !readKeys.has(key)) mayBeDone = true;
          if (key === joinGroupKey && error instanceof LinkClosed && error.sent) {
            return shape.failure(request, errorCode.notCoordinator);
          }
        }
      }
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) break;
      this.metrics.retries++;
      await this.#changes.next(seen, Math.min(pauseMs, leftMs));
      pauseMs = Math.min(pauseMs * 2, this.#settings.retryMsMax);
    }
    this.metrics.unanswered++;
    return shape.failure(request, mayBeDone ? unsureCode : lastCode);
  }

  /** The topics of which a broker may not have heard yet. */
  #justMade(topics: readonly string[]): ReadonlyMap<string, number> {
    const made = new Map<string, number>();
    const sinceMs = this.#clock.wallMs() - unheardMsMax;
    for (const topic of topics) {
      const madeMs = this.#catalogue.byName(topic)?.createdAtMs ?? -1;
      if (madeMs >= sinceMs) made.set(topic, madeMs);
    }
    return made;
  }

  /**
   * The groups of a cluster over all its seats, in the order in which the brokers return them. If a seat stays away for
   * the hold time, the answer is COORDINATOR_NOT_AVAILABLE, with the groups of the others.
   */
  async listGroups(clusterId: string, request: RequestOf<16>): Promise<ResponseOf<16>> {
    const response: ResponseOf<16> = { throttleTimeMs: 0, errorCode: 0, groups: [] };
    const topic = this.#catalogue.byName(coordinatorTopic(clusterId));
    // No group has asked for a coordinator yet.
    if (!topic) return response;
    const seats = new Set(topic.partitions.map((partition) => partition.index));
    const seen = new Set<string>();
    const deadlineMs = this.#clock.monotonicMs() + this.#settings.holdMsMax;
    for (;;) {
      const changes = this.#changes.count;
      const answers = await this.#askSeats(topic, seats, clusterId, request);
      for (const answer of answers) {
        for (const group of answer.groups) {
          if (clusterOfGroup(group.groupId) !== clusterId || seen.has(group.groupId)) continue;
          seen.add(group.groupId);
          response.groups.push(group);
        }
      }
      if (seats.size === 0) return response;
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return { ...response, errorCode: errorCode.coordinatorNotAvailable };
      await this.#changes.next(changes, Math.min(this.#settings.retryMsMax, leftMs));
    }
  }

  /** Asks each owner of the seats once, and removes the answered seats from the set. */
  async #askSeats(
    topic: TopicEntry,
    seats: Set<number>,
    clusterId: string,
    request: RequestOf<16>,
  ): Promise<ResponseOf<16>[]> {
    const byLink = new Map<Link, number[]>();
    for (const index of seats) {
      const owner = ownerOf(this.#catalogue, topic.topicId, index);
      if (owner === 'unknown') seats.delete(index);
      const link = typeof owner === 'string' ? undefined : this.#pool.link(owner.address, 'control');
      if (!link) continue;
      const indexes = byLink.get(link);
      if (indexes) indexes.push(index);
      else byLink.set(link, [index]);
    }
    const answers = await Promise.all(
      [...byLink].map(async ([link, indexes]) => {
        try {
          const answer = await link.request(listGroupsKey, latestVersion(listGroupsKey), request, {
            clientId: joinSeats(clusterId, indexes),
          });
          if (isCoordinatorAway(answer.errorCode)) return undefined;
          for (const index of indexes) seats.delete(index);
          return answer;
        } catch (error) {
          if (error instanceof Failure) return undefined;
          throw error;
        }
      }),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  async #seat({ clusterId, groupId }: CoordinatorTarget): Promise<Link | undefined> {
    let topic = this.#catalogue.byName(coordinatorTopic(clusterId));
    if (!topic) {
      try {
        topic = await this.#ensureTopic(clusterId);
      } catch (error) {
        if (error instanceof Failure) return undefined;
        throw error;
      }
    }
    const owner = ownerOf(this.#catalogue, topic.topicId, coordinatorPartition(groupId, topic.partitions.length));
    return typeof owner === 'string' ? undefined : this.#pool.link(owner.address, 'control');
  }
}
