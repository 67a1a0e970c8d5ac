/**
 * Incremental fetch sessions (KIP-227): the server remembers what a client reads, so that a consumer of many partitions
 * sends and receives only changes. A session lives with its connection, because it is one client's view of one virtual
 * broker. A client that returns on another connection is told that the session is unknown and starts a new one, as after a
 * broker's restart. The total over all connections is bounded (cluster-shares.ts): beyond it a client is given no session
 * and names all its partitions in every request.
 *
 *   epoch -1: sessionless, ends the session named  |  epoch 0: full, starts one  |  n: the n-th step of a session
 */
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { FetchRequest } from '../../engine/protocol/messages/01-fetch.ts';
import type { ClusterShares } from '../cluster-shares.ts';

/** One partition as its reader requested it, and the last values reported to the reader. */
export interface Reading {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: number;
  offset: number;
  maxBytes: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  /** The topic's name when it was last read; undefined when it never existed. */
  foundAs: string | undefined;
  toldHighWatermark: number;
  toldLogStartOffset: number;
}

export interface FetchSession {
  readonly id: number;
  readonly usesIds: boolean;
  epoch: number;
  /** Iteration order is service order: partitions that got data move to the end. */
  readonly readings: Map<string, Reading>;
  /** How many partitions are counted as remembered. */
  counted: number;
}

export type SessionStep =
  | { readonly kind: 'error'; readonly errorCode: number }
  /** Every partition is answered. `session` is set when one was started. */
  | { readonly kind: 'full'; readonly session: FetchSession | undefined; readonly readings: Map<string, Reading> }
  /** Only partitions with news are answered. */
  | { readonly kind: 'incremental'; readonly session: FetchSession; readonly readings: Map<string, Reading> };

const finalEpoch = -1;
const firstEpoch = 0;
const int32Max = 0x7fff_ffff;

interface FetchSessionLimits {
  readonly fetchSessionsMax: number;
  readonly fetchSessionPartitionsMax: number;
}

export class FetchSessions {
  readonly #clusterId: string;
  readonly #remembered: ClusterShares;
  readonly #limits: FetchSessionLimits;
  /** A random id: an id that a client brings from another connection is almost certainly unknown here. */
  readonly #nextId: () => number;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();

  constructor(clusterId: string, remembered: ClusterShares, limits: FetchSessionLimits, random: () => number) {
    this.#clusterId = clusterId;
    this.#remembered = remembered;
    this.#limits = limits;
    this.#nextId = () => 1 + (random() % (int32Max - 1));
  }

  step(request: FetchRequest, usesIds: boolean): SessionStep {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === finalEpoch || sessionEpoch === firstEpoch) {
      this.#end(sessionId);
      const readings = new Map<string, Reading>();
      upsert(readings, request, usesIds);
      return {
        kind: 'full',
        readings,
        session: sessionEpoch === firstEpoch ? this.#open(readings, usesIds) : undefined,
      };
    }
    const session = this.#sessions.get(sessionId);
    if (!session) return { kind: 'error', errorCode: errorCode.fetchSessionIdNotFound };
    if (session.epoch !== sessionEpoch) return { kind: 'error', errorCode: errorCode.invalidFetchSessionEpoch };
    if (session.usesIds !== usesIds) return { kind: 'error', errorCode: errorCode.fetchSessionTopicIdError };
    upsert(session.readings, request, usesIds);
    forget(session.readings, request, usesIds);
    if (session.readings.size === 0) {
      // No partition is left: the session ends, and the request's own partitions are answered without a session.
      this.#end(sessionId);
      const readings = new Map<string, Reading>();
      upsert(readings, request, usesIds);
      return { kind: 'full', readings, session: undefined };
    }
    if (!this.#remember(session)) {
      this.#end(sessionId);
      return { kind: 'error', errorCode: errorCode.fetchSessionIdNotFound };
    }
    this.#touch(session);
    session.epoch = session.epoch === int32Max ? 1 : session.epoch + 1;
    return { kind: 'incremental', session, readings: session.readings };
  }

  /** The connection has ended. */
  close(): void {
    for (const id of this.#sessions.keys()) this.#end(id);
  }

  #touch(session: FetchSession): void {
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  #open(readings: Map<string, Reading>, usesIds: boolean): FetchSession | undefined {
    // A client keeps one session per connection: the least recently used one was abandoned.
    for (const id of this.#sessions.keys()) {
      if (this.#sessions.size < this.#limits.fetchSessionsMax) break;
      this.#end(id);
    }
    let id = this.#nextId();
    while (this.#sessions.has(id)) id = this.#nextId();
    const session: FetchSession = { id, usesIds, epoch: 1, readings, counted: 0 };
    if (!this.#remember(session)) return undefined;
    this.#sessions.set(id, session);
    return session;
  }

  /** False: the session now holds more partitions than there is room for. */
  #remember(session: FetchSession): boolean {
    const added = session.readings.size - session.counted;
    if (session.readings.size > this.#limits.fetchSessionPartitionsMax) return false;
    if (added > 0 && !this.#remembered.tryTake(this.#clusterId, added)) return false;
    if (added < 0) this.#remembered.give(this.#clusterId, -added);
    session.counted = session.readings.size;
    return true;
  }

  #end(id: number): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    this.#sessions.delete(id);
    this.#remembered.give(this.#clusterId, session.counted);
  }
}

/**
 * Identifies a partition by its topic's name or id and its number. Ids have 16 characters, so the number cannot run into
 * them.
 */
export function readingKey(topic: string, partition: number): string {
  return `${partition}/${topic}`;
}

function upsert(readings: Map<string, Reading>, request: FetchRequest, usesIds: boolean): void {
  for (const { topic, topicId, partitions } of request.topics) {
    for (const asked of partitions) {
      const key = readingKey(usesIds ? topicId : topic, asked.partition);
      const known = readings.get(key);
      if (known) {
        known.offset = asked.fetchOffset;
        known.maxBytes = asked.partitionMaxBytes;
        known.currentLeaderEpoch = asked.currentLeaderEpoch;
        known.lastFetchedEpoch = asked.lastFetchedEpoch;
        continue;
      }
      readings.set(key, {
        topic,
        topicId,
        partition: asked.partition,
        offset: asked.fetchOffset,
        maxBytes: asked.partitionMaxBytes,
        currentLeaderEpoch: asked.currentLeaderEpoch,
        lastFetchedEpoch: asked.lastFetchedEpoch,
        foundAs: undefined,
        toldHighWatermark: -1,
        toldLogStartOffset: -1,
      });
    }
  }
}

function forget(readings: Map<string, Reading>, request: FetchRequest, usesIds: boolean): void {
  for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
    for (const partition of partitions) readings.delete(readingKey(usesIds ? topicId : topic, partition));
  }
}
