/**
 * Sends appends to the owners of their partitions. Appends that arrive in one turn leave at its end, one Produce frame
 * per broker. An append that cannot be sent waits in its partition's queue until the catalogue names an owner that
 * accepts it. While a partition moves, a client therefore sees latency, not an error.
 *
 * Order. A route sends only while `mayBeSent` says yes, and all of it follows from two rules:
 *   1. Nothing is sent while something of the partition is in flight elsewhere (another epoch or another link).
 *   2. Once something comes back, nothing is sent until everything in flight has come back or been acknowledged.
 * The interleavings these rules handle, with a, b, c arriving in this order:
 * - a, b are in frames F1, F2 at broker 1; F1 is refused, F2 not yet answered; the catalogue says broker 2. Sending a,
 *   c to broker 2 now would put c before b, which is about to be refused as well. Rule 1 waits for F2; b is put back
 *   between a and c by its sequence number.
 * - F1 is refused, the owner stays the same (its log was not open yet), and F2 is under way. A second try of a could be
 *   overtaken by F2. Rule 2 waits for F2.
 * - A new owner may refuse the first batch because it has not opened the log, and accept a second one right after it.
 *   So an unproven route has at most one batch in flight. After the first success, a refusal means that this epoch is
 *   over for good, because epochs only grow and every batch carries the one it was sent at.
 * - The link closes with F1, F2 in flight. It fails them in send order. Idempotent items go back to the queue, and the
 *   broker recognises those it had stored. Plain items have an unknown fate: a repeat could be a duplicate, so they are
 *   answered and the others keep their order. Items never sent go back in any case.
 * - a comes back, waits and is given up while b is still with the broker, whose refusal comes late. The producer
 *   repeats a, whose place is then behind b. If b were put back, it would be sent before a; so b is given up as well
 *   when it comes back.
 * - A broker hangs with F1 in flight and is replaced. Its answer is awaited for `staleFlightMsMax`, then its link is
 *   cut.
 *
 * A client whose batch is given up is told the truth: NOT_LEADER_OR_FOLLOWER when no broker can have stored it,
 * REQUEST_TIMED_OUT when one may have, even if others refused it since. REQUEST_TIMED_OUT is also the answer when a
 * batch's time is over while a broker has it. That batch keeps its place in its partition's order, and its sender's
 * repeat comes behind it.
 *
 * The leader epoch that a frame was sent at is written into its batches' partitionLeaderEpoch (outside the CRC). A
 * broker that owns the partition at another epoch must refuse them.
 */
import type { Append, AppendResult } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { grantedMs } from '../kernel/request-time.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { Link } from '../link/link.ts';
import type { LinkPool } from '../link/pool.ts';
import { LinkClosed } from '../ports.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import { batchField, lastOffsetDelta } from '../records/batch.ts';
import { writeI32 } from '../records/bytes.ts';
import { SequenceGaps } from '../records/sequence-gaps.ts';
import { AppendRoute, type Flight, type Item } from './append-route.ts';
import { errorCode, volumeFullCode } from '../protocol/error-codes.ts';
import { isMisrouted } from './misrouted.ts';
import { type Owner, ownerOf, type RoutingCatalogue } from './owners.ts';
import type { RoutingSettings } from './settings.ts';

const produceKey = 0;
/** With topic ids (KIP-516); embedded brokers speak nothing older. */
const produceVersion = 13;
/** How often to look for batches that are with a broker and whose time is over. */
const flightLookMs = 250;

type PartitionAnswer = ResponseOf<0>['responses'][number]['partitionResponses'][number];

interface Frame {
  readonly link: Link;
  readonly flights: Flight[];
  bytes: number;
}

export class AppendRouter {
  readonly metrics = { appends: 0, frames: 0, refused: 0, replayed: 0, expired: 0, unknownFates: 0, overloaded: 0 };
  readonly #catalogue: RoutingCatalogue;
  readonly #pool: LinkPool;
  readonly #clock: Clock;
  readonly #settings: RoutingSettings;
  readonly #routes = new Map<Uuid, Map<number, AppendRoute>>();
  #ready: AppendRoute[] = [];
  /** Routes with queued items that could not be sent when last looked at. */
  readonly #waiting = new Set<AppendRoute>();
  /** Routes that had something in flight at some point since the last check. The next check drops those without. */
  #lookedAfter: AppendRoute[] = [];
  readonly #awaitingRoom = new Set<Link>();
  readonly #gaps = new SequenceGaps();
  /** Called for each stored batch, with the offset after its last record. */
  readonly #onStored: (topicId: Uuid, partition: number, endOffset: number) => void;
  /**
   * Frames being filled at the end of a turn, one per link. A fresh array each turn, not a Map that is cleared: see
   * Outstanding in engine/link/link.ts for what such a Map keeps alive.
   */
  #filling: Frame[] = [];
  #flushing = false;
  #tick: Timer | undefined;
  #flightTick: Timer | undefined;
  #sequence = 0;
  #queuedBytes = 0;
  /** Time of this turn; -1 until somebody asks for it. */
  #turnMs = -1;
  #closed = false;

  constructor(
    catalogue: RoutingCatalogue,
    pool: LinkPool,
    clock: Clock,
    settings: RoutingSettings,
    onStored: (topicId: Uuid, partition: number, endOffset: number) => void,
  ) {
    this.#catalogue = catalogue;
    this.#pool = pool;
    this.#clock = clock;
    this.#settings = settings;
    this.#onStored = onStored;
    catalogue.onPlacement((topicId) => this.#placementChanged(topicId));
    catalogue.onBroker(() => this.#wakeWaiting());
    pool.onOpen((_, lane) => {
      if (lane === 'append') this.#wakeWaiting();
    });
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Partitions of which something is remembered. */
  get routeCount(): number {
    let count = 0;
    for (const routes of this.#routes.values()) count += routes.size;
    return count;
  }

  append(append: Append): void {
    const route = this.#route(append.topicId, append.partition);
    const bytes = append.records.length;
    this.metrics.appends++;
    const nowMs = this.#nowMs();
    if (append.idempotent && this.#gaps.isEarly(append, nowMs)) {
      this.metrics.expired++;
      const text = 'an earlier batch of this producer was not stored and has not been sent again';
      return append.done(failed(errorCode.notLeaderOrFollower, text), true);
    }
    if (
      this.#closed ||
      route.queuedBytes + bytes > this.#settings.heldBytesPerPartitionMax ||
      this.#queuedBytes + bytes > this.#settings.heldBytesMax
    ) {
      this.metrics.overloaded++;
      if (append.idempotent) this.#gaps.add(append, nowMs);
      return append.done(
        failed(
          errorCode.notLeaderOrFollower,
          'too many writes are waiting for this partition: slow down and try again',
        ),
        true,
      );
    }
    const heldSinceMs = this.#waiting.has(route) ? nowMs : -1;
    route.push({
      append,
      sequence: this.#sequence++,
      arrivedMs: nowMs,
      heldSinceMs,
      mayBeStored: false,
      isTold: false,
      isRefusedForRoom: false,
      followsGivenUp: false,
    });
    this.#queuedBytes += bytes;
    // A waiting route is woken by what it waits for.
    if (heldSinceMs < 0) this.#makeReady(route);
  }

  close(): void {
    this.#closed = true;
    this.#tick?.cancel();
    this.#flightTick?.cancel();
    for (const routes of this.#routes.values()) {
      for (const route of routes.values()) this.#fail(route.take(route.queue.length), errorCode.notLeaderOrFollower);
    }
    this.#waiting.clear();
  }

  #nowMs(): number {
    if (this.#turnMs < 0) {
      this.#turnMs = this.#clock.monotonicMs();
      this.#scheduleFlush();
    }
    return this.#turnMs;
  }

  #route(topicId: Uuid, index: number): AppendRoute {
    let routes = this.#routes.get(topicId);
    if (!routes) this.#routes.set(topicId, (routes = new Map()));
    let route = routes.get(index);
    if (!route) routes.set(index, (route = new AppendRoute(topicId, index)));
    return route;
  }

  // --- Deciding what leaves ---

  #makeReady(route: AppendRoute): void {
    if (route.isReady) return;
    route.isReady = true;
    this.#ready.push(route);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.endOfTurn(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const nowMs = this.#turnMs < 0 ? this.#clock.monotonicMs() : this.#turnMs;
    this.#turnMs = -1;
    if (this.#closed) return;
    const ready = this.#ready;
    this.#ready = [];
    for (const route of ready) {
      route.isReady = false;
      if (route.queue.length > 0) this.#dispatch(route, nowMs);
      if (route.queue.length > 0) this.#wait(route, nowMs);
      else this.#waiting.delete(route);
    }
    const filling = this.#filling;
    this.#filling = [];
    for (const frame of filling) this.#send(frame);
  }

  /** Moves what may be sent from the queue into this turn's frames. */
  #dispatch(route: AppendRoute, nowMs: number): void {
    const owner = ownerOf(this.#catalogue, route.topicId, route.index);
    if (typeof owner === 'string') return;
    const link = this.#pool.link(owner.address, 'append');
    if (!link || !route.mayBeSent(owner, link, nowMs)) return;
    if (!link.hasRoom()) return this.#awaitRoom(link);
    if (route.sentEpoch !== owner.leaderEpoch || route.sentLink !== link) {
      route.sentEpoch = owner.leaderEpoch;
      route.sentLink = link;
      route.proven = false;
    }
    let before: number;
    do {
      before = route.queue.length;
      this.#fill(route, link);
      // A full frame is sent at once, and a link that has just closed gives it back at once: to fill on would never end.
    } while (route.proven && route.queue.length > 0 && route.queue.length < before);
  }

  /**
   * Takes as many items as fit in the frame being filled for `link`, at least one. Only one while the owner is
   * unproven.
   */
  #fill(route: AppendRoute, link: Link): void {
    const firstBytes = route.queue[0]!.append.records.length;
    const at = this.#filling.findIndex((filled) => filled.link === link);
    let frame = this.#filling[at];
    if (frame && frame.bytes + firstBytes > this.#settings.produceBytesMax) {
      this.#send(frame);
      this.#filling[at] = frame = { link, flights: [], bytes: 0 };
    } else if (!frame) {
      this.#filling.push((frame = { link, flights: [], bytes: 0 }));
    }
    let count = 0;
    for (const { append } of route.queue) {
      if (count > 0 && (!route.proven || frame.bytes + append.records.length > this.#settings.produceBytesMax)) break;
      writeI32(append.records, batchField.leaderEpoch, route.sentEpoch);
      frame.bytes += append.records.length;
      count++;
    }
    const before = route.queuedBytes;
    const flight: Flight = { frame, route, items: route.take(count), answered: 0 };
    this.#queuedBytes -= before - route.queuedBytes;
    route.flights.push(flight);
    frame.flights.push(flight);
    if (!route.isLookedAfter) {
      route.isLookedAfter = true;
      this.#lookedAfter.push(route);
    }
  }

  #send(frame: Frame): void {
    const topics = new Map<Uuid, RequestOf<0>['topicData'][number]>();
    let timeoutMs = 0;
    for (const { route, items } of frame.flights) {
      let topic = topics.get(route.topicId);
      if (!topic) topics.set(route.topicId, (topic = { name: '', topicId: route.topicId, partitionData: [] }));
      for (const { append } of items) {
        topic.partitionData.push({ index: route.index, records: append.records });
        if (append.timeoutMs > timeoutMs) timeoutMs = append.timeoutMs;
      }
    }
    this.metrics.frames++;
    this.#lookAfterFlightsLater();
    frame.link.send(
      produceKey,
      produceVersion,
      { transactionalId: null, acks: -1, timeoutMs, topicData: [...topics.values()] },
      {
        answered: (response) => this.#answered(frame, response),
        failed: (failure) => this.#lost(frame, failure instanceof LinkClosed && failure.sent),
      },
    );
  }

  // --- What comes back ---

  #answered(frame: Frame, response: ResponseOf<0>): void {
    for (const topic of response.responses) {
      const routes = this.#routes.get(topic.topicId);
      for (const result of topic.partitionResponses) {
        const flight = routes?.get(result.index)?.flightOf(frame);
        const item = flight?.items[flight.answered];
        // Ignores an answer that fits nothing we sent. What it should have answered counts as lost below.
        if (!flight || !item) continue;
        flight.answered++;
        this.#settle(flight.route, item, result);
      }
    }
    // A broker that leaves out entries may have done anything with them.
    this.#lost(frame, true);
  }

  #settle(route: AppendRoute, item: Item, result: PartitionAnswer): void {
    const code = result.errorCode;
    // A storage error is not a refusal: the batch may be on disk, and the broker is about to stop. A broker without
    // room may have room soon, and later batches must not overtake the one that it refused.
    const isOfStorage = code === errorCode.kafkaStorageError || code === volumeFullCode;
    if (isMisrouted(code) || (isOfStorage && item.append.idempotent)) {
      this.metrics.refused++;
      if (code === errorCode.kafkaStorageError) item.mayBeStored = true;
      item.isRefusedForRoom = code === volumeFullCode;
      this.#putBack(route, item);
      const { retryMs, retryMsMax } = this.#settings;
      if (route.refusedEpoch !== route.sentEpoch) route.retryMs = 0;
      route.refusedEpoch = route.sentEpoch;
      if (this.#nowMs() >= route.retryAtMs) {
        route.retryMs = Math.min(Math.max(route.retryMs * 2, retryMs), retryMsMax);
        route.retryAtMs = this.#nowMs() + route.retryMs;
      }
      return;
    }
    if (code === errorCode.none && !route.draining) {
      route.proven = true;
      route.refusedEpoch = -2;
    }
    if (code === errorCode.none && result.baseOffset >= 0) {
      // Called before the answer: a client with an answer may ask for the records at once. And afterwards the batch's
      // memory is no longer ours.
      const endOffset = result.baseOffset + lastOffsetDelta(item.append.records, 0) + 1;
      this.#onStored(route.topicId, route.index, endOffset);
    }
    // A broker that answers has received all of the batch. Its memory can be released unless an earlier broker gave no
    // answer: that one's closed link may still be writing the batch to its socket.
    tell(
      item,
      {
        errorCode: code,
        baseOffset: result.baseOffset,
        logAppendTimeMs: result.logAppendTimeMs,
        logStartOffset: result.logStartOffset,
        errorMessage: result.errorMessage,
        recordIndexes:
          result.recordErrors.length === 0 ? undefined : result.recordErrors.map((each) => each.batchIndex),
      },
      !item.mayBeStored,
    );
  }

  /** Ends the flights of a frame. Items without an answer are repeated where that is safe. */
  #lost(frame: Frame, sent: boolean): void {
    for (const flight of frame.flights) {
      const { route, items } = flight;
      for (const item of items.slice(flight.answered)) {
        if (sent) item.mayBeStored = true;
        if (!sent || item.append.idempotent) this.#putBack(route, item);
        else if (!item.isTold) {
          this.metrics.unknownFates++;
          tell(item, failed(errorCode.requestTimedOut, 'the broker stopped before it answered'), false);
        }
      }
      route.endFlight(flight);
      if (route.queue.length > 0) this.#makeReady(route);
    }
  }

  #putBack(route: AppendRoute, item: Item): void {
    if (this.#closed) return this.#fail([item], errorCode.notLeaderOrFollower);
    route.draining = true;
    // An idempotent batch keeps its place before its producer's next ones. A plain one is better not sent again.
    if (item.isTold && !item.append.idempotent) return;
    const nowMs = this.#nowMs();
    if (item.followsGivenUp) {
      this.metrics.expired++;
      this.#gaps.add(item.append, nowMs);
      return this.#fail([item], errorCode.notLeaderOrFollower);
    }
    if (item.heldSinceMs < 0) item.heldSinceMs = nowMs;
    this.metrics.replayed++;
    route.putBack(item);
    this.#queuedBytes += item.append.records.length;
  }

  // --- Waiting ---

  #wait(route: AppendRoute, nowMs: number): void {
    for (const item of route.queue) if (item.heldSinceMs < 0) item.heldSinceMs = nowMs;
    this.#waiting.add(route);
    this.#tick ??= this.#clock.after(this.#settings.tickMs, () => this.#lookAfterWaiting());
  }

  #placementChanged(topicId: Uuid): void {
    const routes = this.#routes.get(topicId);
    if (!routes) return;
    for (const route of routes.values()) if (route.queue.length > 0) this.#makeReady(route);
    if (!this.#catalogue.byId(topicId)) for (const route of routes.values()) this.#forget(route);
  }

  /** Topics come and go, so what is known about them must go too. */
  #forget(route: AppendRoute): void {
    const routes = this.#routes.get(route.topicId);
    if (!routes || !route.isIdle) return;
    routes.delete(route.index);
    if (routes.size === 0) this.#routes.delete(route.topicId);
  }

  #wakeWaiting(): void {
    for (const route of this.#waiting) this.#makeReady(route);
  }

  #awaitRoom(link: Link): void {
    if (this.#awaitingRoom.has(link)) return;
    this.#awaitingRoom.add(link);
    link.onRoom(() => {
      this.#awaitingRoom.delete(link);
      this.#wakeWaiting();
    });
  }

  /** Runs every tick while something waits: gives up what waited too long, and checks the rest again. */
  #lookAfterWaiting(): void {
    this.#tick = undefined;
    const nowMs = this.#nowMs();
    for (const route of this.#waiting) {
      const owner = ownerOf(this.#catalogue, route.topicId, route.index);
      this.#expire(route, owner === 'unknown', nowMs);
      if (route.queue.length === 0) {
        this.#waiting.delete(route);
        if (owner === 'unknown') this.#forget(route);
        continue;
      }
      this.#cutStale(route, owner, nowMs);
      // Without an owner there is nothing to try: the catalogue reports when that changes. Thousands may wait like this
      // at once.
      if (typeof owner !== 'string') this.#makeReady(route);
    }
    if (this.#waiting.size > 0) {
      this.#tick ??= this.#clock.after(this.#settings.tickMs, () => this.#lookAfterWaiting());
    }
  }

  #lookAfterFlightsLater(): void {
    this.#flightTick ??= this.#clock.after(flightLookMs, () => this.#lookAfterFlights(), 'background');
  }

  /**
   * A silent broker does not count as gone until its link ends. Its waiting clients may have less time, and once
   * another broker owns the partition there is no reason to wait at all.
   */
  #lookAfterFlights(): void {
    this.#flightTick = undefined;
    const nowMs = this.#nowMs();
    const looked = this.#lookedAfter;
    this.#lookedAfter = [];
    for (const route of looked) {
      route.isLookedAfter = route.flights.length > 0;
      if (!route.isLookedAfter) {
        // The topic was deleted while a broker had something of it.
        if (!this.#catalogue.byId(route.topicId)) this.#forget(route);
        continue;
      }
      this.#lookedAfter.push(route);
      for (const { items, answered } of route.flights) {
        for (let i = answered; i < items.length; i++) this.#endTime(items[i]!, nowMs);
      }
      this.#cutStale(route, ownerOf(this.#catalogue, route.topicId, route.index), nowMs);
    }
    if (this.#lookedAfter.length > 0) this.#lookAfterFlightsLater();
  }

  #endTime(item: Item, nowMs: number): void {
    if (item.isTold || nowMs - item.arrivedMs < grantedMs(item.append.timeoutMs)) return;
    this.metrics.unknownFates++;
    tell(item, failed(errorCode.requestTimedOut, 'the broker did not answer in time'), false);
  }

  #expire(route: AppendRoute, isUnknown: boolean, nowMs: number): void {
    const { holdMsMax, unknownTopicMsMax } = this.#settings;
    const heldMsMax = isUnknown ? Math.min(unknownTopicMsMax, holdMsMax) : holdMsMax;
    const isOver = ({ append, arrivedMs, heldSinceMs }: Item): boolean =>
      nowMs - arrivedMs >= append.timeoutMs || (heldSinceMs >= 0 && nowMs - heldSinceMs >= heldMsMax);
    if (!route.queue.some(isOver)) return;
    const before = route.queuedBytes;
    const timedOut = route.expel((item) => nowMs - item.arrivedMs >= item.append.timeoutMs);
    const held = route.expel((item) => item.heldSinceMs >= 0 && nowMs - item.heldSinceMs >= heldMsMax);
    route.markBehind([...timedOut, ...held]);
    held.push(...route.expelBehind([...timedOut, ...held]));
    this.#queuedBytes -= before - route.queuedBytes;
    this.metrics.expired += timedOut.length + held.length;
    for (const { append } of [...timedOut, ...held]) if (append.idempotent) this.#gaps.add(append, nowMs);
    this.#fail(timedOut, errorCode.requestTimedOut);
    this.#fail(held, isUnknown ? errorCode.unknownTopicId : errorCode.notLeaderOrFollower);
  }

  #cutStale(route: AppendRoute, owner: Owner | 'unknown' | 'none', nowMs: number): void {
    const isStale = route.flights.length > 0 && typeof owner !== 'string' && owner.leaderEpoch > route.sentEpoch;
    if (!isStale) route.staleSinceMs = -1;
    else if (route.staleSinceMs < 0) route.staleSinceMs = nowMs;
    else if (nowMs - route.staleSinceMs >= this.#settings.staleFlightMsMax) route.sentLink!.close();
  }

  #fail(items: readonly Item[], code: number): void {
    for (const item of items) {
      const { mayBeStored, isRefusedForRoom } = item;
      const result = mayBeStored
        ? failed(
            errorCode.requestTimedOut,
            'a broker stopped while it had the write, and no other took it over in time',
          )
        : isRefusedForRoom
          ? failed(volumeFullCode, 'the volume is nearly full')
          : failed(code, 'no broker accepted the write in time');
      tell(item, result, !mayBeStored);
    }
  }
}

function tell(item: Item, result: AppendResult, recordsAreFree: boolean): void {
  if (item.isTold) return;
  item.isTold = true;
  item.append.done(result, recordsAreFree);
}

function failed(code: number, errorMessage: string): AppendResult {
  return { errorCode: code, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, errorMessage };
}
