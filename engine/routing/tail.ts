/**
 * Waiting for records, shared. However many readers of this gateway wait at one offset of a partition, the broker sees
 * one long poll: its answer is handed to all of them, and they share its buffers. A poll belongs to nobody: it outlives
 * the fetch that started it, so a consumer of a hundred partitions, woken by one, finds the other ninety-nine still
 * asked at its next fetch. An answer that comes while nobody waits is kept for a moment, and the owner is asked at once
 * for what comes behind it: while that question is open, what is kept is all there is, and the next fetch takes it.
 * Once the log is known to have grown (the question was answered, an append of this gateway was acknowledged) what was
 * kept is old, and the next fetch reads: a reader is never told less than it may have heard of otherwise.
 *
 * A poll follows its partition. When the catalogue names another owner, the old question is abandoned (its late answer
 * is told from the valid one by `attempt`) and the poll asks there; while nobody can be asked it is parked, and after the
 * hold time its readers get NOT_LEADER_OR_FOLLOWER; of a topic that is gone, sooner, UNKNOWN_TOPIC_ID.
 *
 * Bounds: number of polls; bytes and age of kept results; a poll nobody waits for ends with its own bounded wait.
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
  /** At most once per wait. The result is shared and never written to. */
  delivered(result: FetchedPartition): void;
  /** The owner has said that nothing is there; the wait goes on. */
  stillNothing(result: FetchedPartition): void;
}

/** What answers have told of a log: the highest values of both, which never fall. */
export interface SeenLog {
  readonly highWatermark: number;
  readonly logStartOffset: number;
}

type Seen = { -readonly [Name in keyof SeenLog]: SeenLog[Name] } & {
  /** Whether an answer of an owner is in it. Before, an append may have told the end. */
  isHeard: boolean;
  /** Absent while nothing is told in other ways than by reads and appends. */
  told?: ToldBounds | undefined;
};

/** An owner that has records answers a poll within less. */
const silenceMsMin = 20;

const unseen: SeenLog = { highWatermark: -1, logStartOffset: -1 };

interface Poll {
  readonly key: string;
  readonly topicId: Uuid;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly waiters: Set<TailWaiter>;
  /** Asked for what was kept alone: nobody has waited for its answer, and it is not kept. */
  isFollowUp: boolean;
  /** Somebody waits who takes no earlier answer of the owner for given. */
  mustAsk: boolean;
  /** Counts the questions asked; an answer to another than the last is ignored. */
  attempt: number;
  /** Epoch of the owner being asked; -2 while parked. */
  askedEpoch: number;
  /** Since when the owner at that epoch has said nothing of records. */
  askedAtMs: number;
  /** Where the log was known to begin when the owner was asked. */
  askedStart: number;
  /** Whether an owner has answered that nothing is there. */
  isEmpty: boolean;
  /** Parked because the owner at this epoch refused, until then unless a newer one is named. */
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
  /** By partition, of topics that the catalogue knows. Who reads from the high watermark on is at the tail. */
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
   * Whether a read at `offset` would find nothing: the log ended there, or somebody waits there for its first answer. Beyond
   * the end that is known there may be more than that, or no such offset: only its owner can tell.
   */
  isAtTail(topicId: Uuid, partition: number, offset: number): boolean {
    const { highWatermark } = this.seen(topicId, partition);
    return highWatermark >= 0 ? offset === highWatermark : this.#polls.has(keyOf(topicId, partition, offset));
  }

  /** Whether an owner has been asked for what comes at `offset` and has not answered yet. */
  isAsked(topicId: Uuid, partition: number, offset: number): boolean {
    return (this.#polls.get(keyOf(topicId, partition, offset))?.askedEpoch ?? -2) >= 0;
  }

  /**
   * Whether it has been asked for so long that its silence says that nothing is there. What another gateway's clients have stored since
   * the last question is not known here before.
   */
  isSilent(topicId: Uuid, partition: number, offset: number): boolean {
    const poll = this.#polls.get(keyOf(topicId, partition, offset));
    return poll !== undefined && poll.askedEpoch >= 0 && this.#clock.monotonicMs() - poll.askedAtMs >= silenceMsMin;
  }

  /** -1 for what is not known: both, until an owner has answered. */
  seen(topicId: Uuid, partition: number): SeenLog {
    const seen = this.#seen.get(topicId)?.[partition];
    if (!seen?.isHeard) return unseen;
    return seen.told ? this.#withTold(seen, seen.told) : seen;
  }

  /**
   * Every answer about a partition, from polls and reads, passes here. What a former owner knows of a log that it has given away
   * is good for the next one as well; and where a log moves again and again, no other may tell anything for a long time.
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
   * An append of this gateway was acknowledged, so the log ends at `endOffset` or behind it. Remembered also while no owner
   * has answered a read: the first read may have left before the append, and its answer is then older than this. The end
   * is good for every later owner as well, as what was acknowledged is recovered; a topic made again has another id.
   */
  stored(topicId: Uuid, partition: number, endOffset: number): void {
    const seen = this.#seen.get(topicId)?.[partition] ?? this.#remember(topicId, partition);
    if (seen && endOffset > seen.highWatermark) seen.highWatermark = endOffset;
  }

  /** Somebody was told of the bounds of a log without reading it: see told-bounds.ts. */
  told(topicId: Uuid, partition: number, bounds: Bounds): void {
    const seen = this.#seen.get(topicId)?.[partition] ?? this.#remember(topicId, partition);
    if (seen) (seen.told ??= new ToldBounds()).tell(bounds, this.#clock.monotonicMs());
  }

  #withTold(seen: Seen, told: ToldBounds): SeenLog {
    const nowMs = this.#clock.monotonicMs();
    const [start, end] = [told.startAt(nowMs), told.endAt(nowMs)];
    const { highWatermark, logStartOffset } = seen;
    if (end <= highWatermark && start <= logStartOffset) {
      // Over, or overtaken by reads and appends: nobody need ask the clock for it any more.
      seen.told = undefined;
      return seen;
    }
    return { highWatermark: Math.max(highWatermark, end), logStartOffset: Math.max(logStartOffset, start) };
  }

  /** Nothing of a topic that has gone: nobody would forget what comes of it behind its deletion. */
  #remember(topicId: Uuid, partition: number): Seen | undefined {
    if (!this.#catalogue.byId(topicId)) return undefined;
    let ofTopic = this.#seen.get(topicId);
    if (!ofTopic) this.#seen.set(topicId, (ofTopic = []));
    return (ofTopic[partition] = { ...unseen, isHeard: false });
  }

  /** A kept result that begins at `offset`, if it is all that the log has from there on; it is then the caller's. */
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
    // What ends before the end of the log, for want of room in the poll, is read again from its beginning.
    if (bytes === 0 || this.#closed || endOffset < this.seen(topicId, partition).highWatermark) return;
    const nextKey = keyOf(topicId, partition, endOffset);
    if (!this.#polls.has(nextKey)) {
      if (this.#polls.size >= pollsMax) return;
      this.#ask(this.#open(nextKey, { topicId, partition, offset: endOffset, maxBytes: poll.maxBytes }));
    }
    // For good: how many will take it, and when, is not known.
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

  /** `mustAsk`: whatever is known of the log. Throws Overloaded when too many offsets are waited for. */
  wait(asked: Omit<Asked, 'leaderEpoch' | 'startOffset'>, waiter: TailWaiter, mustAsk: boolean): void {
    const key = keyOf(asked.topicId, asked.partition, asked.offset);
    const known = this.#polls.get(key);
    if (known) {
      this.metrics.shared++;
      known.waiters.add(waiter);
      known.isFollowUp = false;
      known.mustAsk ||= mustAsk;
      return;
    }
    if (this.#polls.size >= this.#settings.pollsMax) throw new Overloaded(`${this.#polls.size} offsets are waited for`);
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

  /** The poll goes on without the waiter; a parked one, which asks nobody anything, ends with its last waiter. */
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
    // Of a log of which nothing is known its owner's silence would tell nothing: the first answer comes at once.
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
      // The broker's wait is over and nothing came.
      poll.isEmpty = true;
      for (const waiter of poll.waiters) waiter.stillNothing(result);
      if (poll.waiters.size > 0) this.#ask(poll);
      else this.#end(poll);
    } else if (result.errorCode === 0 && this.#isOutrun(poll)) this.#ask(poll);
    else this.#deliver(poll, result);
  }

  /**
   * Whether what it asks for was deleted while a disk kept the answer: who came to wait for it since then has been told where the
   * log begins. Its owner says so when it is asked again, and what it says to that is delivered, whatever it is.
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

  /** Nobody can be asked at the moment: until something changes, or until the hold time is over. */
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
    // A copy: a poll that is parked again is not met again in the same round.
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
