/**
 * One partition's log while this session owns it: published segments, then the tail in memory, then queued batches that
 * nobody can see yet. An idle log holds its segment rows and a few numbers.
 *
 *   startOffset ── segments ── tail ── highWatermark ── queued ── endOffset
 */
import { assert } from '../../kernel/assert.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { SharedFrame } from '../../kernel/frame-pool.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { type BatchHeader, attributeBit, stampLogAppendTime } from '../../records/batch.ts';
import { justGivenMsMax, wasJustGiven } from '../../records/dated-producer-id.ts';
import type { GroupCommit } from '../wal/group-commit.ts';
import {
  type EpochEnd,
  logErrorCode,
  type LogErrorCode,
  type LocatedSegment,
  type LogRead,
  type PartitionLog,
  type TimedOffset,
  type TopicConfigs,
  type Waiter,
} from '../log.ts';
import { type LogConfigs, parseLogConfigs } from './log-configs.ts';
import { LogFold } from '../fold/log-fold.ts';
import { LogTraffic } from './log-traffic.ts';
import { offsetForTimestamp, offsetOfMaxTimestamp } from './find-timestamp.ts';
import { type AppendDone, PendingAppend, refusal, RepeatedAppend } from './partition-append.ts';
import type { HoldsProducers, ProducerRoom } from '../fold/producer-room.ts';
import { judgeProducer, producerAfter } from '../fold/producer-state.ts';
import { locateSegments, readLog } from './read-log.ts';
import type { Segment, SegmentReader } from '../segments/segment-reader.ts';
import { segmentOf } from '../segments/segment-reader.ts';
import { smallSegmentsMax } from '../segments/merge-segments.ts';
import type { BatchPlace, RolledUp, RollUpLog } from '../upkeep/roll-up.ts';
import type { PublishedSegment } from '../rows/segment.ts';
import type { LogSettings } from '../settings.ts';
import { Tail, type TailBatch } from './tail.ts';
import { Waiters } from './waiters.ts';
import type { Wal } from '../wal/wal.ts';

/** What a log uses from its session. */
export interface LogSession {
  readonly settings: LogSettings;
  readonly clock: Clock;
  readonly wal: Wal;
  readonly commit: GroupCommit;
  readonly reader: SegmentReader;
  readonly producerRoom: ProducerRoom;
  /** Passes the append on through `log.take`, now or when there is room, or refuses it. */
  admit(
    log: OwnedLog,
    batch: Buffer,
    header: BatchHeader,
    nowMs: number,
    done: AppendDone,
    frame: SharedFrame | undefined,
  ): void;
  /** A write of this log found no room. */
  refused(log: OwnedLog, batch: Buffer, producerId: number): void;
  /** The bytes that only WAL and memory hold changed by `bytes`. */
  unrolledChanged(bytes: number): void;
  /** Makes a later start durable, then calls log.moveStart. */
  advanceStart(log: OwnedLog, offset: number): Promise<void>;
}

export interface OpenedLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly stateVersion: number;
  readonly endOffset: number;
  readonly segments: Segment[];
  readonly fold: LogFold;
  readonly configs: TopicConfigs;
}

const codeOf = {
  'old-epoch': logErrorCode.invalidProducerEpoch,
  'out-of-order': logErrorCode.outOfOrderSequenceNumber,
  early: logErrorCode.unknownProducerId,
} as const;

/** From here on the chunk stays as it is, whatever becomes of the roll-up that gets this place. */
function placeOf({ chunk, position }: TailBatch): BatchPlace {
  chunk.isReferred = true;
  return { path: chunk.path, position };
}

export class OwnedLog implements PartitionLog, HoldsProducers {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly tail = new Tail();
  readonly traffic = new LogTraffic();
  readonly #session: LogSession;
  readonly #waiters = new Waiters();
  /** Includes everything that has an offset. */
  readonly #live: LogFold;
  /** As of the end of the last segment; `#rolledTo` is where that is or was. */
  #rolled: LogFold;
  #rolledTo: number;
  #segments: Segment[];
  #segmentBytes = 0;
  #startOffset: number;
  #stateVersion: number;
  #endOffset: number;
  #highWatermark: number;
  /** The end offset that retention last saw. */
  #lookedTo: number;
  #configs: LogConfigs;
  #leaderEpoch: number;
  #isOpen = true;

  constructor(session: LogSession, opened: OpenedLog) {
    this.#session = session;
    this.topicId = opened.topicId;
    this.partition = opened.partition;
    this.#leaderEpoch = opened.leaderEpoch;
    this.#startOffset = this.#lookedTo = opened.startOffset;
    this.#stateVersion = opened.stateVersion;
    this.#endOffset = this.#highWatermark = opened.endOffset;
    this.#segments = opened.segments;
    for (const { row } of opened.segments) this.#segmentBytes += row.bytes;
    this.#rolled = opened.fold;
    this.#rolledTo = opened.endOffset;
    this.#live = opened.fold.clone();
    this.#configs = parseLogConfigs(opened.configs);
    assert(this.#live.epochs.latest <= this.leaderEpoch, 'a log is opened at no older epoch than wrote it');
  }

  /** Grows when the log is opened again after a release that failed. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  get startOffset(): number {
    return this.#startOffset;
  }

  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** With open transactions it would be the smallest of their first offsets. */
  get lastStableOffset(): number {
    return this.#highWatermark;
  }

  get endOffset(): number {
    return this.#endOffset;
  }

  get sizeBytes(): number {
    return this.#segmentBytes + this.tail.bytes;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get configs(): LogConfigs {
    return this.#configs;
  }

  setConfigs(configs: TopicConfigs): void {
    this.#configs = parseLogConfigs(configs);
  }

  append(batch: Buffer, header: BatchHeader, nowMs: number, done: AppendDone, frame?: SharedFrame): void {
    this.#session.admit(this, batch, header, nowMs, done, frame);
  }

  /** The actual append, once the session has room for it. */
  take(batch: Buffer, header: BatchHeader, nowMs: number, done: AppendDone, frame: SharedFrame | undefined): void {
    if (!this.#isOpen) {
      done(refusal(logErrorCode.notLeaderOrFollower, -1, 'this broker does not lead the partition any more'));
      return;
    }
    assert(batch.length === header.sizeBytes, 'the buffer holds one batch and nothing else');
    const { settings, commit, producerRoom } = this.#session;
    const { producers, epochs } = this.#live;
    let before = header.producerId < 0 ? undefined : producers.get(header.producerId);
    if (before && nowMs - before.lastMs >= settings.producerIdExpirationMs) before = undefined;
    // Where producers are forgotten sooner than that, even an id that was just given out may have been forgotten.
    const isNew = settings.producerIdExpirationMs > justGivenMsMax && wasJustGiven(header.producerId, nowMs);
    const verdict = judgeProducer(before, header, isNew);
    if (verdict.kind === 'repeat') {
      commit.queue(new RepeatedAppend(this, verdict.batch.baseOffset, done));
      return;
    }
    if (verdict.kind !== 'accept') {
      done(refusal(codeOf[verdict.kind], this.#startOffset, verdict.message));
      return;
    }
    if (this.#configs.stampsAppendTime) stampLogAppendTime(batch, 0, nowMs);
    const stampedMs = this.#configs.stampsAppendTime ? nowMs : -1;
    const append = new PendingAppend(this, batch, header, stampedMs, before, done, frame);
    if (header.producerId >= 0 && !(header.attributes & attributeBit.control)) {
      const entry = producerAfter(before, header, append.baseOffset, nowMs);
      const known = producers.size;
      producers.set(header.producerId, entry, producerRoom.perLogMax);
      if (producers.size > known) producerRoom.added(1);
    }
    epochs.observe(this.leaderEpoch, append.baseOffset);
    this.#endOffset = append.nextOffset;
    this.#session.unrolledChanged(batch.length);
    commit.queue(append);
  }

  // --- Called by the group commit ---

  advance(append: PendingAppend): void {
    assert(append.baseOffset === this.#highWatermark, 'acknowledgements come in offset order');
    assert(append.chunk, 'what is acknowledged was written');
    const { batch: bytes, baseOffset, nextOffset, chunk, position, frame } = append;
    this.tail.push({ bytes, baseOffset, nextOffset, chunk, position, frame });
    this.#highWatermark = nextOffset;
  }

  undo(append: PendingAppend): void {
    assert(append.nextOffset === this.#endOffset, 'appends are taken back in reverse order');
    this.#endOffset = append.baseOffset;
    this.#live.epochs.retractFrom(append.baseOffset);
    if (append.producerId >= 0) {
      this.#live.producers.set(append.producerId, append.producerBefore, this.#session.producerRoom.perLogMax);
      this.#session.refused(this, append.batch, append.producerId);
    }
    this.#session.unrolledChanged(-append.batch.length);
  }

  knowsProducer(producerId: number): boolean {
    return this.#live.producers.get(producerId) !== undefined;
  }

  wakeReaders(): void {
    this.#waiters.wakeBelow(this.#highWatermark);
  }

  // --- Reading ---

  read(offset: number, maxBytes: number, minOneBatch: boolean): LogRead | Promise<LogRead> {
    return readLog(this, this.#session.reader, offset, maxBytes, minOneBatch);
  }

  locate(offset: number, bytes: number): readonly LocatedSegment[] {
    return locateSegments(this, offset, bytes);
  }

  readableBytes(offset: number, limit: number): number {
    if (!this.#isOpen || offset < this.#startOffset || offset >= this.#highWatermark) return 0;
    let bytes = this.tail.bytesFrom(offset, limit);
    for (let i = this.#segments.length - 1; i >= 0 && bytes < limit; i--) {
      const { row } = this.#segments[i]!;
      if (row.endOffset <= offset) break;
      // Assumes batches of equal length: fetch.min.bytes needs only an estimate.
      const share = (row.endOffset - Math.max(offset, row.baseOffset)) / (row.endOffset - row.baseOffset);
      bytes += Math.ceil(row.bytes * share);
    }
    return Math.min(bytes, limit);
  }

  waitFor(offset: number, wake: () => void): Waiter | undefined {
    const waiter = this.#waiters.add(offset, wake, this.#session.settings.waitersPerLogMax);
    // If the wake is due already, it comes at the end of the turn, so that the caller always has the waiter first.
    if (waiter && !this.#isOpen) this.#session.clock.endOfTurn(() => this.#waiters.wakeAll());
    else if (waiter && offset < this.#highWatermark) this.#session.clock.endOfTurn(() => this.wakeReaders());
    return waiter;
  }

  /**
   * Index of the segment that holds `offset`, or of the next one when it falls between two; the number of segments when all
   * end before it.
   */
  segmentIndexOf(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle]!.row.endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  offsetForTimestamp(timestamp: number): Promise<TimedOffset> {
    return offsetForTimestamp(this, this.#session.reader, timestamp);
  }

  offsetOfMaxTimestamp(): Promise<TimedOffset> {
    return offsetOfMaxTimestamp(this, this.#session.reader);
  }

  endOfEpoch(leaderEpoch: number): EpochEnd {
    return this.#live.epochs.endOf(leaderEpoch, this.leaderEpoch, this.#highWatermark);
  }

  epochAt(offset: number): number {
    return this.#live.epochs.at(offset);
  }

  // --- Moving the start, rolling up, closing ---

  async deleteRecords(offset: number): Promise<{ errorCode: LogErrorCode; lowWatermark: number }> {
    const target = offset === -1 ? this.#highWatermark : offset;
    if (target < 0 || target > this.#highWatermark) {
      return { errorCode: logErrorCode.offsetOutOfRange, lowWatermark: -1 };
    }
    if (!this.#isOpen) return { errorCode: logErrorCode.notLeaderOrFollower, lowWatermark: -1 };
    if (target > this.#startOffset) await this.#session.advanceStart(this, target);
    // The log was given away while this waited for its turn: the next owner must do it.
    if (target > this.#startOffset) return { errorCode: logErrorCode.notLeaderOrFollower, lowWatermark: -1 };
    return { errorCode: logErrorCode.none, lowWatermark: this.#startOffset };
  }

  /** Version of the row that holds the start, as it was read or as this log wrote it; 0 when there is none. */
  get stateVersion(): number {
    return this.#stateVersion;
  }

  /** The rows already say so. Waiting readers are woken: what another gateway keeps for its readers may be gone. */
  moveStart(offset: number): void {
    this.#stateVersion++;
    assert(offset <= this.#highWatermark, 'the start is never beyond the high watermark');
    if (offset <= this.#startOffset) return;
    this.#startOffset = offset;
    this.#live.epochs.forgetBefore(offset);
    this.#waiters.wakeAll();
  }

  /** The oldest `count` segments are deleted; the rows already say so. */
  dropSegments(count: number): void {
    for (const { row } of this.#segments.slice(0, count)) this.#segmentBytes -= row.bytes;
    this.#segments = this.#segments.slice(count);
  }

  /** What the tail holds now, for a roll-up; with `places`, as references into the write-ahead log. */
  toRollUp(withPlaces = false): (RollUpLog & { readonly owner: OwnedLog; readonly count: number }) | undefined {
    const batches = this.tail.batches;
    const first = batches[0];
    if (!first) return undefined;
    const places = withPlaces && batches.map(placeOf);
    return {
      owner: this,
      count: batches.length,
      topicId: this.topicId,
      partition: this.partition,
      startOffset: this.#startOffset,
      segments: this.#segments.slice(-smallSegmentsMax).map(({ row }) => row),
      batches: batches.map((batch) => batch.bytes),
      ...(places ? { places } : {}),
      isCurrent: (replaced) => this.tail.batches[0] === first && this.#endsWith(replaced),
      endOffset: batches.at(-1)!.nextOffset,
      fold: this.#rolled,
    };
  }

  /** The oldest `count` batches of the tail are published: from here on readers find them in the segment. */
  swap(rolled: RolledUp<RollUpLog>, count: number): void {
    const { clock, settings, producerRoom } = this.#session;
    const segments = this.#segments.slice(0, this.#segments.length - rolled.replaced.length);
    for (const row of rolled.replaced) this.#segmentBytes -= row.bytes;
    segments.push(segmentOf(rolled.row, clock.monotonicMs() + settings.recentSegmentMs));
    this.#segmentBytes += rolled.row.bytes;
    this.#segments = segments;
    this.#rolled = rolled.fold;
    this.#rolled.producers.trim(producerRoom.perLogMax);
    this.#rolledTo = rolled.row.endOffset;
    this.#discard(count);
  }

  /** From here on the segment's bytes are elsewhere; the rows already say so. */
  relocate(from: PublishedSegment, to: PublishedSegment): void {
    assert(from.baseOffset === to.baseOffset && from.endOffset === to.endOffset, 'a move changes no offsets');
    this.#segments = this.#segments.map((segment) => (segment.row === from ? segmentOf(to) : segment));
  }

  /** Forgets producers that have been silent for too long. */
  expireProducers(nowMs: number): void {
    for (const fold of [this.#live, this.#rolled]) {
      fold.producers.expire(nowMs, this.#session.settings.producerIdExpirationMs);
    }
  }

  get producerCount(): number {
    return this.#live.producers.size;
  }

  trimProducers(producersMax: number): void {
    for (const fold of [this.#live, this.#rolled]) fold.producers.trim(producersMax);
  }

  /** Returns where the log ended when retention last looked, and notes where it ends now. */
  lookForRetention(): number {
    const knownTo = this.#lookedTo;
    this.#lookedTo = this.#endOffset;
    return knownTo;
  }

  #endsWith(rows: readonly PublishedSegment[]): boolean {
    const from = this.#segments.length - rows.length;
    return rows.every((row, i) => this.#segments[from + i]?.row === row);
  }

  get rolledFold(): LogFold {
    return this.#rolled;
  }

  /** One past the last batch that `rolledFold` knows. */
  get rolledTo(): number {
    return this.#rolledTo;
  }

  /** From here on refuses everything; wakes the waiting readers. */
  seal(): void {
    this.#isOpen = false;
    this.#waiters.wakeAll();
  }

  /**
   * Its release failed, and this session leads the log again at a later epoch. What was sent at the earlier one and
   * refused comes again with the new epoch, in order.
   */
  reopen(leaderEpoch: number, configs: TopicConfigs): void {
    assert(!this.#isOpen && leaderEpoch > this.#leaderEpoch, 'a sealed log opens at a later epoch');
    assert(this.#highWatermark === this.#endOffset, 'nothing of the earlier epoch is on its way');
    this.#leaderEpoch = leaderEpoch;
    this.#configs = parseLogConfigs(configs);
    this.#isOpen = true;
  }

  /**
   * The log is given away or deleted while a roll-up may still be writing its tail. Nobody knows when the roll-up has read
   * the last of it, so the memory is left to the garbage collector.
   */
  lendTail(): void {
    this.tail.lend();
  }

  /** The log is deleted: nobody needs what memory and WAL hold of it. */
  discardTail(): void {
    this.#discard(this.tail.batches.length);
  }

  #discard(count: number): void {
    const before = this.tail.bytes;
    const batches = this.tail.shift(count);
    for (let from = 0, to = 0; from < batches.length; from = to) {
      const { chunk } = batches[from]!;
      while (to < batches.length && batches[to]!.chunk === chunk) to++;
      this.#session.wal.release(chunk, to - from);
    }
    for (const { frame } of batches) frame?.drop();
    this.#session.unrolledChanged(this.tail.bytes - before);
  }
}
