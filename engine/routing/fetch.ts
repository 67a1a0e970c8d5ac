/**
 * Engine.fetch: reads partitions of many owners as if there were one. A partition known to be at the tail is waited for
 * (tail.ts) without asking first. The rest is read at once, one Fetch per owner, and waited for only when the reads
 * returned less than `minBytes`. A partition that is moving to another owner is waited for like one without records.
 *
 * Why reads of all owners are awaited even when the first returned enough, or filled all the room: otherwise the
 * fastest owner would win every time, and partitions of the others would starve. Each owner also reports errors and the
 * end of its log, whether or not it has records. `stragglerMsMax` bounds this wait.
 *
 * Records are gathered by partition, and shared out when the answer is made (share-room.ts). The byte limits therefore
 * apply as if one broker had read the partitions in the order of the request, whichever owner was first.
 *
 * `maxWaitMs` is for records that do not exist yet, not for a slow owner. Without data in hand, an owner's answer is
 * awaited, as a Kafka client awaits the leader's, for at most `holdMsMax`; another partition's error is not data.
 * Nothing is made up meanwhile: a partition whose log this gateway has never heard of is answered with
 * NOT_LEADER_OR_FOLLOWER, not as empty.
 */
import type { FetchedPartition, FetchOptions, FetchPartition } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Overloaded } from '../kernel/failure.ts';
import { dropAll, type SharedFrame } from '../kernel/frame-pool.ts';
import type { LinkPool } from '../link/pool.ts';
import type { Link } from '../link/link.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { isMisrouted } from './misrouted.ts';
import { askOwner } from './ask-owner.ts';
import { type Asked, offsetBehind, recordBytes, takeBatches } from './fetch-message.ts';
import type { NearSegments } from './near-segments.ts';
import { ownerOf, type RoutingCatalogue } from './owners.ts';
import type { RoutingSettings } from './settings.ts';
import { exactRoomBytesMax, shareRoom } from './share-room.ts';
import { type SeenLog, Tail, type TailWaiter } from './tail.ts';

export class FetchRouter {
  /** `late`: answered before every partition's owner had reported, because that took too long. */
  readonly metrics = { fetches: 0, reads: 0, late: 0 };
  readonly tail: Tail;
  readonly catalogue: RoutingCatalogue;
  readonly pool: LinkPool;
  readonly clock: Clock;
  readonly settings: RoutingSettings;
  readonly near: NearSegments | undefined;
  #linkWaiters = new Set<() => void>();

  /** `near`: for records in segments that this process can read. */
  constructor(
    catalogue: RoutingCatalogue,
    pool: LinkPool,
    clock: Clock,
    settings: RoutingSettings,
    near?: NearSegments,
  ) {
    this.catalogue = catalogue;
    this.pool = pool;
    this.clock = clock;
    this.settings = settings;
    this.near = near;
    this.tail = new Tail(catalogue, pool, clock, settings, near);
    pool.onOpen((_, lane) => {
      if (lane !== 'fetch') return;
      // A waiter that waits again is not called again in this round.
      const waiters = this.#linkWaiters;
      this.#linkWaiters = new Set();
      for (const waiter of waiters) waiter();
    });
  }

  /** Calls back once: when some link has opened, or after `stragglerMsMax` at the latest. */
  onceLinked(callback: () => void): void {
    const done = (): void => {
      timer.cancel();
      this.#linkWaiters.delete(done);
      callback();
    };
    const timer = this.clock.after(this.settings.stragglerMsMax, done);
    this.#linkWaiters.add(done);
  }

  /** Returns all of `partitions`, in their order. Throws Overloaded when too many offsets are waited for. */
  fetch(partitions: readonly FetchPartition[], options: FetchOptions): Promise<FetchedPartition[]> {
    this.metrics.fetches++;
    return new Promise((resolve, reject) => new Gathering(this, partitions, options, resolve, reject).start());
  }

  close(): void {
    this.tail.close();
    this.near?.close();
  }
}

/** One partition of one fetch. */
class Slot implements TailWaiter {
  readonly asked: FetchPartition;
  readonly #gathering: Gathering;
  /** Where it is read, or waited for: after what had been gathered then. */
  offset: number;
  /** How many of `records` lie before `offset`. */
  #passed = 0;
  bytes = 0;
  readonly records: Uint8Array[] = [];
  /** The frames that `records` are views of, one hold for each. */
  readonly frames: SharedFrame[] = [];
  last: FetchedPartition | undefined;
  isWaiting = false;

  constructor(asked: FetchPartition, gathering: Gathering) {
    this.asked = asked;
    this.#gathering = gathering;
    this.offset = asked.offset;
  }

  gather(taken: readonly Uint8Array[], frames: readonly SharedFrame[] = []): void {
    for (const each of taken) this.records.push(each);
    for (const frame of frames) {
      frame.hold();
      this.frames.push(frame);
    }
    this.bytes += recordBytes(taken);
  }

  /** Looks only at what is new: who asks for many bytes may get them a batch at a time. */
  goOn(): void {
    const added = this.records.slice(this.#passed);
    this.#passed = this.records.length;
    this.offset = offsetBehind(added, this.offset);
  }

  delivered(result: FetchedPartition): void {
    this.isWaiting = false;
    this.#gathering.delivered(this, result);
  }

  stillNothing(result: FetchedPartition): void {
    this.last = result;
    this.#gathering.heard();
  }

  /** Whether nothing is known of the log, to this fetch or to another. */
  isBlind(seen: SeenLog): boolean {
    return this.last === undefined && seen.highWatermark < 0;
  }

  /**
   * Whether its owner has told this fetch nothing, and its silence does not mean that the log ends there: before the
   * known end there are records, and beyond it is an error.
   */
  isUnheard(seen: SeenLog): boolean {
    return this.last === undefined && this.offset !== seen.highWatermark;
  }

  /** `isSilent`: a poll at this offset is with the owner, whose silence means the end of the log. */
  result(seen: SeenLog, isSilent: boolean, given: readonly Uint8Array[]): FetchedPartition {
    const { topicId, partition } = this.asked;
    if (this.isBlind(seen)) return emptyResult(this.asked, errorCode.notLeaderOrFollower);
    const last = this.last;
    // A recent poll's result may be taken after a later answer. No reader may see the end of a log go back.
    const isGood = last === undefined || last.errorCode === errorCode.none;
    const isOld = last === undefined || (isGood && last.highWatermark < seen.highWatermark);
    return {
      topicId,
      partition,
      errorCode: last?.errorCode ?? errorCode.none,
      highWatermark: isOld ? seen.highWatermark : last.highWatermark,
      lastStableOffset: isOld ? seen.highWatermark : last.lastStableOffset,
      logStartOffset: isGood ? Math.max(last?.logStartOffset ?? -1, seen.logStartOffset) : last.logStartOffset,
      ...((last === undefined && !isSilent) || this.isUnheard(seen) ? { isStale: true as const } : {}),
      records: given,
      frames: given.length > 0 ? this.frames : [],
    };
  }
}

interface OwnerRead {
  readonly link: Link;
  readonly slots: Slot[];
  readonly asked: Asked[];
}

/** One fetch, from its start to its single answer. */
class Gathering {
  readonly #router: FetchRouter;
  readonly #options: FetchOptions;
  readonly #resolve: (fetched: FetchedPartition[]) => void;
  readonly #reject: (failure: Overloaded) => void;
  readonly #slots: Slot[];
  #bytes = 0;
  #hasError = false;
  /** Something was left out for lack of room. */
  #isFull = false;
  #readsPending = 0;
  /** Stop waiting for records: the time is over, or there was nothing to wait for. */
  #isDue: boolean;
  #done = false;
  #checking = false;
  #deadline: Timer | undefined;
  #straggler: Timer | undefined;
  #lastMoment: Timer | undefined;
  /** Data in hand no longer waits for owners that have not answered. */
  #isLate = false;
  readonly #onCancel = (): void => this.#finish();

  constructor(
    router: FetchRouter,
    partitions: readonly FetchPartition[],
    options: FetchOptions,
    resolve: (fetched: FetchedPartition[]) => void,
    reject: (failure: Overloaded) => void,
  ) {
    this.#router = router;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#slots = partitions.map((partition) => new Slot(partition, this));
    this.#isDue = options.maxWaitMs <= 0 || options.minBytes <= 0;
  }

  start(): void {
    const { cancellation, maxWaitMs } = this.#options;
    if (cancellation?.isCancelled) return this.#finish();
    cancellation?.onCancel(this.#onCancel);
    if (!this.#isDue) {
      this.#deadline = this.#router.clock.after(maxWaitMs, () => {
        this.#isDue = true;
        this.#check();
      });
    }
    const toRead: Slot[] = [];
    for (const slot of this.#slots) {
      const { topicId, partition } = slot.asked;
      const fenced = this.#epochFault(slot.asked);
      // A fetch that does not wait asks the owner for the current state.
      const kept = fenced || this.#isDue ? undefined : this.#router.tail.take(topicId, partition, slot.offset);
      if (fenced) this.#take(slot, emptyResult(slot.asked, fenced));
      else if (kept) this.#take(slot, kept);
      else if (this.#mayWaitUnasked(slot)) this.#wait(slot);
      else toRead.push(slot);
    }
    this.#read(toRead);
    this.#checkSoon();
  }

  delivered(slot: Slot, result: FetchedPartition): void {
    if (this.#done) return;
    this.#take(slot, result);
    // The same socket read may answer other polls.
    this.#checkSoon();
  }

  heard(): void {
    if (!this.#done) this.#checkSoon();
  }

  /**
   * A poll is as good as a read when there are no records, and when the fetch is for one partition only: an available
   * answer comes at once, and all who ask the same share it. The first fetch ever reads, so that the high watermark is
   * known. So does a fetch whose wait may be over before the answer arrives.
   */
  #mayWaitUnasked({ asked: { topicId, partition }, offset }: Slot): boolean {
    const { tail, settings } = this.#router;
    if (this.#isDue || this.#options.maxWaitMs < settings.unreadWaitMsMin) return false;
    return (
      tail.isAtTail(topicId, partition, offset) ||
      (this.#slots.length === 1 && tail.seen(topicId, partition).highWatermark >= 0)
    );
  }

  /** Checks KIP-320 against the catalogue, so brokers are always asked with the epoch of the intended owner. */
  #epochFault({ topicId, partition, currentLeaderEpoch }: FetchPartition): number {
    const known = this.#router.catalogue.byId(topicId)?.partitions[partition]?.leaderEpoch;
    if (currentLeaderEpoch < 0 || known === undefined || known === currentLeaderEpoch) return errorCode.none;
    return currentLeaderEpoch < known ? errorCode.fencedLeaderEpoch : errorCode.unknownLeaderEpoch;
  }

  /**
   * Reads where there is a link. A link that is being made gets a moment to open; `isLastTry` says the moment is over.
   */
  #read(slots: readonly Slot[], isLastTry = false): void {
    const { catalogue, pool, settings, tail } = this.#router;
    const reads = new Map<Link, OwnerRead>();
    const unlinked: Slot[] = [];
    for (const slot of slots) {
      const { topicId, partition, maxBytes } = slot.asked;
      const owner = ownerOf(catalogue, topicId, partition);
      const link = typeof owner === 'string' ? undefined : pool.link(owner.address, 'fetch');
      if (typeof owner === 'string' || (link ? !link.hasRoom() : isLastTry)) {
        this.#wait(slot);
        continue;
      }
      if (!link) {
        unlinked.push(slot);
        continue;
      }
      let read = reads.get(link);
      if (!read) reads.set(link, (read = { link, slots: [], asked: [] }));
      read.slots.push(slot);
      const bytesMax = Math.min(maxBytes, this.#options.maxBytes);
      read.asked.push({
        topicId,
        partition,
        offset: slot.offset,
        maxBytes: bytesMax,
        leaderEpoch: owner.leaderEpoch,
        startOffset: tail.seen(topicId, partition).logStartOffset,
      });
    }
    // Every owner gets its part of the room, so their results fit together. When there is little room, every owner gets
    // all of it and more: the first may need all, and a first batch that is returned whatever its size must not use up
    // the others' room.
    const room = Math.min(settings.readBytesMax, this.#options.maxBytes);
    for (const read of reads.values()) this.#ask(read, Math.max(Math.ceil(room / reads.size), exactRoomBytesMax));
    if (unlinked.length === 0) return;
    this.#readsPending++;
    const startMs = this.#router.clock.monotonicMs();
    this.#router.onceLinked(() => {
      this.#readsPending--;
      if (this.#done) return;
      // Several links may be opening, one after the other.
      this.#read(unlinked, this.#router.clock.monotonicMs() - startMs >= settings.stragglerMsMax);
      this.#check();
    });
  }

  #ask(read: OwnerRead, maxBytes: number): void {
    const { metrics, clock, near } = this.#router;
    metrics.reads++;
    this.#readsPending++;
    const limits = { maxWaitMs: 0, minBytes: 0, maxBytes };
    const question = { link: read.link, asked: read.asked, limits, mustAsk: this.#isDue };
    askOwner(question, clock, near, {
      answered: (fetched) => {
        this.#readsPending--;
        if (this.#done) return;
        const results = new Map(fetched.map((each) => [`${each.topicId}${each.partition}`, each]));
        for (const slot of read.slots) {
          const result = results.get(`${slot.asked.topicId}${slot.asked.partition}`);
          if (!result || isMisrouted(result.errorCode)) this.#wait(slot);
          else this.#take(slot, result);
        }
        this.#check();
      },
      failed: () => {
        this.#readsPending--;
        if (this.#done) return;
        for (const slot of read.slots) this.#wait(slot);
        this.#check();
      },
    });
  }

  #wait(slot: Slot): void {
    if (slot.isWaiting || this.#done) return;
    const { topicId, partition, maxBytes } = slot.asked;
    slot.isWaiting = true;
    try {
      const asked = { topicId, partition, offset: slot.offset, maxBytes };
      // A fetch that does not wait for records waits for an owner here: what is already known of the log is no answer
      // for it.
      this.#router.tail.wait(asked, slot, this.#isDue);
    } catch (error) {
      if (!(error instanceof Overloaded)) throw error;
      this.#done = true;
      this.#release();
      this.#reject(error);
    }
  }

  /**
   * Gathers what the partition's limit allows of a result. Always gathers the first batch: it may turn out to be the
   * first of all.
   */
  #take(slot: Slot, result: FetchedPartition): void {
    this.#router.tail.note(result);
    if (result.errorCode !== errorCode.none) {
      this.#hasError = true;
      // After records read before it, the error shows again at the next fetch. The answer those came with stands: the
      // error says nothing about where the log ends.
      if (slot.bytes === 0) slot.last = result;
      return;
    }
    slot.last = result;
    const taken = takeBatches(result.records, slot.asked.maxBytes - slot.bytes, slot.bytes === 0);
    const bytes = recordBytes(taken);
    if (bytes < recordBytes(result.records)) this.#isFull = true;
    if (bytes === 0) return;
    slot.gather(taken, result.frames);
    this.#bytes += bytes;
    if (this.#bytes >= this.#options.maxBytes) this.#isFull = true;
  }

  #checkSoon(): void {
    if (this.#checking) return;
    this.#checking = true;
    this.#router.clock.endOfTurn(() => {
      this.#checking = false;
      this.#check();
    });
  }

  #check(): void {
    if (this.#done) return;
    const isEnough = this.#hasError || this.#isFull || (this.#bytes > 0 && this.#bytes >= this.#options.minBytes);
    if (!isEnough && !this.#isDue) {
      if (this.#readsPending === 0) this.#waitForMore();
      return;
    }
    if (this.#bytes > 0 && isEnough && this.#isLate) return this.#finish();
    if (this.#readsPending === 0 && !this.#isBlind()) return this.#finish();
    const { clock, settings } = this.#router;
    this.#straggler ??= clock.after(settings.stragglerMsMax, () => {
      this.#isLate = true;
      this.#check();
    });
    this.#lastMoment ??= clock.after(settings.holdMsMax, () => this.#finish());
  }

  /** Whether nothing can be reported yet for some partition. With data in hand, earlier knowledge is enough. */
  #isBlind(): boolean {
    const { tail } = this.#router;
    return this.#slots.some((slot) => {
      const seen = tail.seen(slot.asked.topicId, slot.asked.partition);
      return slot.isBlind(seen) || (this.#bytes === 0 && slot.isUnheard(seen));
    });
  }

  /** All reads are done and returned too little. */
  #waitForMore(): void {
    for (const slot of this.#slots) {
      if (slot.isWaiting) continue;
      slot.goOn();
      this.#wait(slot);
    }
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    const { tail, metrics } = this.#router;
    const shares = shareRoom(this.#slots, this.#options.maxBytes);
    let isLate = false;
    const results = this.#slots.map((slot, i) => {
      const { topicId, partition } = slot.asked;
      if (shares[i]!.length === 0) dropAll(slot.frames);
      const seen = tail.seen(topicId, partition);
      const isAsked = tail.isAsked(topicId, partition, slot.offset);
      if ((slot.last === undefined && !isAsked) || (this.#bytes === 0 && slot.isUnheard(seen))) isLate = true;
      return slot.result(seen, tail.isSilent(topicId, partition, slot.offset), shares[i]!);
    });
    if (isLate && !this.#options.cancellation?.isCancelled) metrics.late++;
    this.#release();
    this.#resolve(results);
  }

  #release(): void {
    this.#deadline?.cancel();
    this.#straggler?.cancel();
    this.#lastMoment?.cancel();
    this.#options.cancellation?.forget(this.#onCancel);
    for (const slot of this.#slots) {
      if (!slot.isWaiting) continue;
      this.#router.tail.leave(slot.asked.topicId, slot.asked.partition, slot.offset, slot);
    }
  }
}

function emptyResult({ topicId, partition }: FetchPartition, code: number): FetchedPartition {
  return {
    topicId,
    partition,
    errorCode: code,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    records: [],
  };
}
