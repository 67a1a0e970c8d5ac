/**
 * Shared waiting for records. However many readers of this gateway wait at one offset of a partition, the broker sees
 * one long poll. All of them get its answer and share its buffers. A poll belongs to nobody: it outlives the fetch that
 * started it. So when a consumer of a hundred partitions is woken by one, its next fetch finds polls for the other
 * ninety-nine still open. An answer that arrives while nobody waits is kept for a moment, and the owner is asked at
 * once for what comes after it. While that question is open, the kept result is all there is, and the next fetch takes
 * it. Once the log is known to have grown (the question was answered, or an append of this gateway was acknowledged),
 * the kept result is old, and the next fetch reads: a reader never learns less than it may have heard otherwise.
 *
 * A poll follows its partition. When the catalogue names another owner, the old question is abandoned (`attempt` tells
 * its late answer from the valid one) and the poll asks the new owner. While nobody can be asked, the poll is parked.
 * After the hold time its readers get NOT_LEADER_OR_FOLLOWER; for a topic that is gone they get UNKNOWN_TOPIC_ID,
 * sooner.
 *
 * Bounds: the number of polls; bytes and age of kept results. A poll that nobody waits for ends with its own bounded
 * wait.
 */
import type { FetchedPartition } from '../engine.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import { Overloaded } from '../kernel/failure.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { LinkPool } from '../link/pool.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { isMisrouted } from './misrouted.ts';
import { askOwner } from './ask-owner.ts';
import { type Asked, offsetBehind, recordBytes } from './fetch-message.ts';
import { HoldTimes } from './hold-times.ts';
import type { NearSegments } from './near-segments.ts';
import { ownerOf, type RoutingCatalogue } from './owners.ts';
import type { RoutingSettings } from './settings.ts';
import { type Bounds, ToldBounds } from './told-bounds.ts';

export interface TailWaiter {
  /** Called at most once per wait. The result is shared and must not be written to. */
  delivered(result: FetchedPartition): void;
  /** The owner says that nothing is there. The wait goes on. */
  stillNothing(result: FetchedPartition): void;
}

/** The highest values that answers have reported for a log. Neither ever falls. */
export interface SeenLog {
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

type Seen = { -readonly [Name in keyof SeenLog]: SeenLog[Name] } & {
  /** Whether an owner's answer is included. Before that, an append may have set the end. */
  isHeard: boolean;
  /** Absent while only reads and appends have reported bounds. */
  told?: ToldBounds | undefined;
};

/** An owner that has records answers a poll in less time. */
const silenceMsMin = 20;

const unseen: SeenLog = { highWatermark: -1, logStartOffset: -1 };

interface Poll {
  readonly key: string;
  readonly topicId: Uuid;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly waiters: Set<TailWaiter>;
  /** Opened only because of a kept result. Nobody has waited for its answer, and it is not kept. */
  isFollowUp: boolean;
  /** Some waiter does not accept an earlier answer of the owner. */
  mustAsk: boolean;
  /** Counts the questions asked. An answer to any but the last is ignored. */
  attempt: number;
  /** Epoch of the owner being asked; -2 while parked. */
  askedEpoch: number;
  /** Since when the owner at that epoch has reported no records. */
  askedAtMs: number;
  /** The known start of the log when the owner was asked. */
  askedStart: number;
  /** Whether an owner has answered that nothing is there. */
  isEmpty: boolean;
  /** Parked because the owner at this epoch refused; until retryAtMs, unless a newer one is named. */
  refusedEpoch: number;
  retryAtMs: number;
}

interface Kept {
  readonly result: FetchedPartition;
  readonly bytes: number;
  readonly endOffset: number;
  readonly untilMs: number;
}

export class Tail {
  readonly metrics = { polls: 0, shared: 0, kept: 0, dropped: 0 };
  readonly #catalogue: RoutingCatalogue;
  readonly #pool: LinkPool;
  readonly #clock: Clock;
  readonly #settings: RoutingSettings;
  readonly #near: NearSegments | undefined;
  readonly #holds: HoldTimes;
  readonly #polls = new Map<string, Poll>();
  readonly #pollsOfTopic = new Map<Uuid, Set<Poll>>();
  readonly #parked = new Set<Poll>();
  /** Oldest first. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  /** By partition, for topics that the catalogue knows. A reader at the high watermark is at the tail. */
  readonly #seen = new Map<Uuid, Seen[]>();
  #tick: Timer | undefined;
  #closed = false;

  constructor(
    catalogue: RoutingCatalogue,
    pool: LinkPool,
    clock: Clock,
    settings: RoutingSettings,
    near: NearSegments | undefined,
  ) {
    this.#near = near;
    this.#catalogue = catalogue;
    this.#pool = pool;
    this.#clock = clock;
    this.#settings = settings;
    this.#holds = new HoldTimes(settings.holdMsMax);
    catalogue.onPlacement((topicId) => this.#placementChanged(topicId));
    catalogue.onBroker(() => this.#askParked());
    pool.onOpen((_, lane) => {
      if (lane === 'fetch') this.#askParked();
    });
  }

  get pollCount(): number {
    return this.#polls.size;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /**
   * Whether a read at `offset` would find nothing: the log ended there, or somebody waits there for a first answer.
   * Beyond the known end there may be more records, or no such offset: only the owner can tell.
   */
  isAtTail(topicId: Uuid, partition: number, offset: number): boolean {
    const { highWatermark } = this.seen(topicId, partition);
    return highWatermark >= 0 ? offset === highWatermark : this.#polls.has(keyOf(topicId, partition, offset));
  }

  /** Whether an owner has been asked for what follows `offset` and has not answered yet. */
  isAsked(topicId: Uuid, partition: number, offset: number): boolean {
    return (this.#polls.get(keyOf(topicId, partition, offset))?.askedEpoch ?? -2) >= 0;
  }

  /**
   * Whether the owner has been asked for so long that its silence means nothing is there. What clients of another
   * gateway stored since the last question is not known here before.
   */
  isSilent(topicId: Uuid, partition: number, offset: number): boolean {
    const poll = this.#polls.get(keyOf(topicId, partition, offset));
    return poll !== undefined && poll.askedEpoch >= 0 && this.#clock.monotonicMs() - poll.askedAtMs >= silenceMsMin;
  }

  /** -1 for unknown values: both, until an owner has answered. */
  seen(topicId: Uuid, partition: number): SeenLog {
    const seen = this.#seen.get(topicId)?.[partition];
    if (!seen?.isHeard) return unseen;
    return seen.told ? this.#withTold(seen, seen.told) : seen;
  }

  /**
   * Every answer about a partition, from polls and reads, passes through here. A former owner's answer counts too: what
   * it knows of a log that it gave away also holds for the next owner. And while a log moves again and again, no other
   * broker may report anything for a long time.
   */
  note({ topicId, partition, errorCode: code, highWatermark, logStartOffset }: FetchedPartition): void {
    if ((code !== errorCode.none && !isMisrouted(code)) || highWatermark < 0) return;
    const seen = this.#seen.get(topicId)?.[partition] ?? this.#remember(topicId, partition);
    if (!seen) return;
    seen.isHeard = true;
    if (highWatermark > seen.highWatermark) seen.highWatermark = highWatermark;
    if (logStartOffset > seen.logStartOffset) seen.logStartOffset = logStartOffset;
  }

  /**
   * An append of this gateway was acknowledged, so the log ends at `endOffset` or later. Noted even before any owner
   * has answered a read: the first read may have left before the append, and its answer is then older. The end also
   * holds for every later owner, because acknowledged records are recovered. A topic created again has another id.
   */
  stored(topicId: Uuid, partition: number, endOffset: number): void {
    const seen = this.#seen.get(topicId)?.[partition] ?? this.#remember(topicId, partition);
    if (seen && endOffset > seen.highWatermark) seen.highWatermark = endOffset;
  }

  /** A client was told a log's bounds without reading it: see told-bounds.ts. */
  told(topicId: Uuid, partition: number, bounds: Bounds): void {
    const seen = this.#seen.get(topicId)?.[partition] ?? this.#remember(topicId, partition);
    if (seen) (seen.told ??= new ToldBounds()).tell(bounds, this.#clock.monotonicMs());
  }

  #withTold(seen: Seen, told: ToldBounds): SeenLog {
    const nowMs = this.#clock.monotonicMs();
    const [start, end] = [told.startAt(nowMs), told.endAt(nowMs)];
    const { highWatermark, logStartOffset } = seen;
    if (end <= highWatermark && start <= logStartOffset) {
      // Expired, or overtaken by reads and appends: no later call needs to check the clock for it.
      seen.told = undefined;
      return seen;
    }
    return { highWatermark: Math.max(highWatermark, end), logStartOffset: Math.max(logStartOffset, start) };
  }

  /** Remembers nothing of a topic that is gone: entries that arrive after its deletion would never be forgotten. */
  #remember(topicId: Uuid, partition: number): Seen | undefined {
    if (!this.#catalogue.byId(topicId)) return undefined;
    let ofTopic = this.#seen.get(topicId);
    if (!ofTopic) this.#seen.set(topicId, (ofTopic = []));
    return (ofTopic[partition] = { ...unseen, isHeard: false });
  }

  /** A kept result that begins at `offset`, if it is all that the log has from there on. The caller then owns it. */
  take(topicId: Uuid, partition: number, offset: number): FetchedPartition | undefined {
    const key = keyOf(topicId, partition, offset);
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    this.#dropKept(key, kept);
    const { highWatermark, logStartOffset } = this.seen(topicId, partition);
    const isAll =
      kept.endOffset >= highWatermark &&
      offset >= logStartOffset &&
      this.isAsked(topicId, partition, kept.endOffset) &&
      this.#clock.monotonicMs() <= kept.untilMs;
    if (!isAll) this.metrics.dropped++;
    return isAll ? kept.result : undefined;
  }

  #keep(poll: Poll, result: FetchedPartition): void {
    const bytes = recordBytes(result.records);
    const { keptBytesMax, keptMsMax, pollsMax } = this.#settings;
    const { key, topicId, partition } = poll;
    const old = this.#kept.get(key);
    if (old) this.#dropKept(key, old);
    const endOffset = offsetBehind(result.records, poll.offset);
    // A result that ends before the end of the log, because the poll had no room for more, is read again from its
    // beginning.
    if (bytes === 0 || this.#closed || endOffset < this.seen(topicId, partition).highWatermark) return;
    const nextKey = keyOf(topicId, partition, endOffset);
    if (!this.#polls.has(nextKey)) {
      if (this.#polls.size >= pollsMax) return;
      this.#ask(this.#open(nextKey, { topicId, partition, offset: endOffset, maxBytes: poll.maxBytes }));
    }
    // Held for good: nobody knows how many readers will take it, or when.
    if (result.frames) for (const frame of result.frames) frame.hold();
    this.#kept.set(key, { result, bytes, endOffset, untilMs: this.#clock.monotonicMs() + keptMsMax });
    this.#keptBytes += bytes;
    this.metrics.kept++;
    for (const [oldestKey, oldest] of this.#kept) {
      if (this.#keptBytes <= keptBytesMax) break;
      this.#dropKept(oldestKey, oldest);
      this.metrics.dropped++;
    }
    this.#scheduleTick();
  }

  /** `mustAsk`: asks whatever is known of the log. Throws Overloaded when too many offsets are waited for. */
  wait(asked: Omit<Asked, 'leaderEpoch' | 'startOffset'>, waiter: TailWaiter, mustAsk: boolean): void {
    const key = keyOf(asked.topicId, asked.partition, asked.offset);
    const known = this.#polls.get(key);
    if (known) {
      this.metrics.shared++;
      known.waiters.add(waiter);
      known.isFollowUp = false;
      if (!mustAsk || known.mustAsk) return;
      known.mustAsk = true;
      // Its answer may be an earlier one of the owner, and may still be on its way from a slow disk.
      if (known.askedEpoch >= 0) this.#ask(known);
      return;
    }
    if (this.#polls.size >= this.#settings.pollsMax)
      throw new Overloaded(`fetches wait at ${this.#polls.size} offsets, the most allowed`);
    const poll = this.#open(key, asked);
    poll.waiters.add(waiter);
    poll.isFollowUp = false;
    poll.mustAsk = mustAsk;
    this.#ask(poll);
  }

  #open(key: string, { topicId, partition, offset, maxBytes }: Omit<Asked, 'leaderEpoch' | 'startOffset'>): Poll {
    const poll: Poll = {
      key,
      topicId,
      partition,
      offset,
      maxBytes: Math.min(maxBytes, this.#settings.pollBytesMax),
      waiters: new Set(),
      isFollowUp: true,
      mustAsk: false,
      attempt: 0,
      askedEpoch: -2,
      askedAtMs: 0,
      askedStart: 0,
      isEmpty: false,
      refusedEpoch: -2,
      retryAtMs: 0,
    };
    this.#polls.set(key, poll);
    let ofTopic = this.#pollsOfTopic.get(topicId);
    if (!ofTopic) this.#pollsOfTopic.set(topicId, (ofTopic = new Set()));
    ofTopic.add(poll);
    return poll;
  }

  /** The poll goes on without the waiter. A parked poll asks nobody, so it ends with its last waiter. */
  leave(topicId: Uuid, partition: number, offset: number, waiter: TailWaiter): void {
    const poll = this.#polls.get(keyOf(topicId, partition, offset));
    if (!poll) return;
    poll.waiters.delete(waiter);
    if (poll.waiters.size === 0 && this.#parked.has(poll)) this.#end(poll);
  }

  close(): void {
    this.#closed = true;
    this.#tick?.cancel();
    for (const poll of this.#polls.values()) this.#deliver(poll, this.#errorOf(poll, errorCode.notLeaderOrFollower));
    this.#kept.clear();
    this.#keptBytes = 0;
  }

  #ask(poll: Poll): void {
    if (this.#closed) return this.#deliver(poll, this.#errorOf(poll, errorCode.notLeaderOrFollower));
    const owner = ownerOf(this.#catalogue, poll.topicId, poll.partition);
    if (typeof owner === 'string') return this.#park(poll, owner === 'unknown');
    const isRefused = owner.leaderEpoch === poll.refusedEpoch && this.#clock.monotonicMs() < poll.retryAtMs;
    const link = isRefused ? undefined : this.#pool.link(owner.address, 'fetch');
    if (!link?.hasRoom()) return this.#park(poll, false);
    this.#parked.delete(poll);
    const attempt = ++poll.attempt;
    if (poll.askedEpoch !== owner.leaderEpoch) poll.askedAtMs = this.#clock.monotonicMs();
    poll.askedEpoch = owner.leaderEpoch;
    // For a log of which nothing is known, the owner's silence would say nothing, so the first answer comes at once.
    const { highWatermark, logStartOffset } = this.seen(poll.topicId, poll.partition);
    poll.askedStart = logStartOffset;
    const maxWaitMs = highWatermark < 0 && !poll.isEmpty ? 0 : this.#settings.pollWaitMsMax;
    const asked = [{ ...poll, leaderEpoch: owner.leaderEpoch, startOffset: logStartOffset }];
    const limits = { maxWaitMs, minBytes: 1, maxBytes: poll.maxBytes };
    const question = { link, asked, limits, mustAsk: poll.mustAsk };
    this.metrics.polls++;
    askOwner(question, this.#clock, this.#near, {
      answered: ([result], code) => {
        if (attempt !== poll.attempt) return;
        this.#answered(poll, result ?? this.#errorOf(poll, code || errorCode.unknownTopicId));
      },
      failed: () => {
        if (attempt === poll.attempt) this.#park(poll, false);
      },
    });
  }

  #answered(poll: Poll, result: FetchedPartition): void {
    if (isMisrouted(result.errorCode)) {
      this.note(result);
      poll.refusedEpoch = poll.askedEpoch;
      poll.retryAtMs = this.#clock.monotonicMs() + this.#settings.retryMs;
      return this.#park(poll, false);
    }
    this.#holds.succeeded(holdKey(poll));
    this.note(result);
    if (result.errorCode === 0 && result.records.length === 0) {
      // The broker's wait is over and no records came.
      poll.isEmpty = true;
      for (const waiter of poll.waiters) waiter.stillNothing(result);
      if (poll.waiters.size > 0) this.#ask(poll);
      else this.#end(poll);
    } else if (result.errorCode === 0 && this.#isOutrun(poll)) this.#ask(poll);
    else this.#deliver(poll, result);
  }

  /**
   * Whether the records at its offset were deleted while a slow disk delayed the answer. A waiter that joined since
   * then has been told the new start of the log. The owner is then asked again, and its next answer is delivered
   * whatever it is.
   */
  #isOutrun({ topicId, partition, offset, askedStart }: Poll): boolean {
    return offset >= askedStart && offset < this.seen(topicId, partition).logStartOffset;
  }

  #deliver(poll: Poll, result: FetchedPartition): void {
    this.#end(poll);
    if (poll.waiters.size === 0 && !poll.isFollowUp && result.errorCode === 0) this.#keep(poll, result);
    for (const waiter of poll.waiters) waiter.delivered(result);
  }

  #end(poll: Poll): void {
    poll.attempt++;
    this.#parked.delete(poll);
    this.#polls.delete(poll.key);
    const ofTopic = this.#pollsOfTopic.get(poll.topicId);
    ofTopic?.delete(poll);
    if (ofTopic?.size === 0) this.#pollsOfTopic.delete(poll.topicId);
  }

  /** Parks the poll while nobody can be asked: until something changes, or until the hold time is over. */
  #park(poll: Poll, isUnknown: boolean): void {
    poll.askedEpoch = -2;
    poll.attempt++;
    if (poll.waiters.size === 0) return this.#end(poll);
    const { holdMsMax, unknownTopicMsMax } = this.#settings;
    const heldMsMax = isUnknown ? Math.min(unknownTopicMsMax, holdMsMax) : holdMsMax;
    if (this.#holds.failed(holdKey(poll), this.#clock.monotonicMs(), heldMsMax)) {
      const code = isUnknown ? errorCode.unknownTopicId : errorCode.notLeaderOrFollower;
      return this.#deliver(poll, this.#errorOf(poll, code));
    }
    this.#parked.add(poll);
    this.#scheduleTick();
  }

  #askParked(): void {
    // A copy, so a poll that is parked again is not visited twice in one round.
    const parked = Array.from(this.#parked);
    for (const poll of parked) if (this.#parked.has(poll)) this.#ask(poll);
  }

  #placementChanged(topicId: Uuid): void {
    if (!this.#catalogue.byId(topicId)) this.#seen.delete(topicId);
    for (const poll of this.#pollsOfTopic.get(topicId) ?? []) {
      const place = this.#catalogue.byId(topicId)?.partitions[poll.partition];
      if (poll.askedEpoch !== place?.leaderEpoch) this.#ask(poll);
    }
  }

  #scheduleTick(): void {
    this.#tick ??= this.#clock.after(this.#settings.tickMs, () => this.#lookAround(), 'background');
  }

  #lookAround(): void {
    this.#tick = undefined;
    this.#askParked();
    const nowMs = this.#clock.monotonicMs();
    for (const [key, kept] of this.#kept) {
      if (kept.untilMs > nowMs) break;
      this.#dropKept(key, kept);
      this.metrics.dropped++;
    }
    if (this.#parked.size > 0 || this.#kept.size > 0) this.#scheduleTick();
  }

  #dropKept(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#keptBytes -= kept.bytes;
  }

  #errorOf(poll: Poll, code: number): FetchedPartition {
    return {
      topicId: poll.topicId,
      partition: poll.partition,
      errorCode: code,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      records: [],
    };
  }
}

function keyOf(topicId: Uuid, partition: number, offset: number): string {
  return `${topicId}${partition} ${offset}`;
}

function holdKey(poll: Poll): string {
  return `${poll.topicId}${poll.partition}`;
}
