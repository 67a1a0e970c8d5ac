/**
 * What the broker sees of its storage: one LogStore per broker session, one PartitionLog per partition that the session
 * owns. An append is durable when `done` is called with code 0; reads return whole batches below the high watermark.
 */
import { Failure } from '../kernel/failure.ts';
import type { SharedFrame } from '../kernel/frame-pool.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { Row, RowKey } from '../ports.ts';
import { volumeFullCode } from '../protocol/error-codes.ts';
import type { BatchHeader } from '../records/batch.ts';
import type { LogTraffic } from './partition/log-traffic.ts';
import type { SegmentPlace } from './rows/segment.ts';

/** The Kafka error codes that a log answers with (named as in the comments of Kafka's Errors.java), and one of our own. */
export const logErrorCode = {
  none: 0,
  offsetOutOfRange: 1,
  notLeaderOrFollower: 6,
  outOfOrderSequenceNumber: 45,
  invalidProducerEpoch: 47,
  kafkaStorageError: 56,
  unknownProducerId: 59,
  /**
   * Ours, between broker and gateway: no room, so nothing was stored. Kafka uses one code both for that and for an append
   * whose fate is unknown.
   */
  volumeFull: volumeFullCode,
} as const;
export type LogErrorCode = (typeof logErrorCode)[keyof typeof logErrorCode];

/** Same shape as the engine's AppendResult. */
export interface AppendOutcome {
  readonly errorCode: LogErrorCode;
  /** Offset of the first record; for a repeat of an idempotent batch, that of the original. -1 with an error. */
  readonly baseOffset: number;
  /** Set when the topic stamps LogAppendTime, else -1. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  readonly errorMessage: string | null;
}

export interface LogRead {
  /** 0, 1 (offset below the start or above the end), 6 (released or closed) or 56. */
  readonly errorCode: LogErrorCode;
  /**
   * In offset order; every element is one or more whole batches (batchesIn walks them). The first batch may begin before
   * the requested offset. Shared: never write to them.
   */
  readonly batches: readonly Uint8Array[];
  readonly bytes: number;
  /** The frames that the batches are views of, held for the reader. It may drop each once when it is done with all batches. */
  readonly frames?: readonly SharedFrame[];
}

/** For a reader that can read the segment store itself. */
export interface LocatedSegment extends SegmentPlace {
  /** The leader epoch of all its batches; -1 when it is no longer known. */
  readonly leaderEpoch: number;
}

export interface TimedOffset {
  /** -1 and -1 when no record qualifies. */
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export interface EpochEnd {
  /** The largest epoch at or below the requested one that wrote anything, or -1. */
  readonly leaderEpoch: number;
  /** Where that epoch ended, or -1. */
  readonly endOffset: number;
}

/** A registered wait; cancelling twice, or after the wake, does nothing. */
export interface Waiter {
  cancel(): void;
}

/** Kafka topic configs as texts. The log parses those it uses; the defaults are Kafka's. */
export type TopicConfigs = Readonly<Record<string, string>>;

export interface PartitionLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly leaderEpoch: number;
  /** First readable offset. */
  readonly startOffset: number;
  /** One past the last record that is durable and acknowledged: what readers may see. */
  readonly highWatermark: number;
  /** Where read_committed readers stop; equal to the high watermark while no transaction is open. */
  readonly lastStableOffset: number;
  /** One past the last offset given out. */
  readonly endOffset: number;
  /** Bytes of the batches between start and end, in memory and segments. */
  readonly sizeBytes: number;
  /** False once released, forgotten or closed: every append and read then answers 6. */
  readonly isOpen: boolean;
  /** Counted by the code that serves the requests. */
  readonly traffic: LogTraffic;

  /**
   * Takes one batch that validateBatch accepted, gives it its offset in place and queues it; the buffer belongs to the
   * log from here on. `nowMs` is the wall clock. `done` is called exactly once unless the session dies first
   * (LogStoreOptions.onFatal): with code 0 when the batch is durable and the lease held, in order of the calls.
   * `frame` holds the batch, among other things, and is held for it: the log drops it when the batch is in a segment.
   */
  append(
    batch: Buffer,
    header: BatchHeader,
    nowMs: number,
    done: (outcome: AppendOutcome) => void,
    frame?: SharedFrame,
  ): void;

  /**
   * Batches from the one that holds `offset` up to the high watermark, at most `maxBytes`. With `minOneBatch` the first
   * batch is returned whole whatever its size (KIP-74). A value when memory or the page cache has it, otherwise a promise.
   */
  read(offset: number, maxBytes: number, minOneBatch: boolean): LogRead | Promise<LogRead>;
  /**
   * The segments that a sequence of `read` calls would read from, in order, until they hold `bytes` or are many. Empty when
   * `offset` must be read here: memory has it, it is an error, or the segment's batches have several leader epochs.
   */
  locate(offset: number, bytes: number): readonly LocatedSegment[];
  /** Bytes that read(offset) could return now, at most `limit`: an estimate for fetch.min.bytes, without I/O. */
  readableBytes(offset: number, limit: number): number;
  /**
   * Calls `wake` once, when the high watermark passes `offset`, the start moves, or the log closes. The caller keeps the
   * deadline: one timer per fetch instead of one per partition. Undefined when waitersPerLogMax are already registered.
   */
  waitFor(offset: number, wake: () => void): Waiter | undefined;

  /** The first record with a timestamp at or after `timestamp` (ListOffsets). */
  offsetForTimestamp(timestamp: number): Promise<TimedOffset>;
  /** The first record with the largest timestamp (ListOffsets -3). */
  offsetOfMaxTimestamp(): Promise<TimedOffset>;
  /** OffsetForLeaderEpoch. */
  endOfEpoch(leaderEpoch: number): EpochEnd;
  /** The epoch of the batch at or before `offset`, or -1. */
  epochAt(offset: number): number;
  /** DeleteRecords: durable before it resolves. -1 means the high watermark. */
  deleteRecords(offset: number): Promise<{ readonly errorCode: LogErrorCode; readonly lowWatermark: number }>;
  setConfigs(configs: TopicConfigs): void;
}

export interface LogStoreStatus {
  readonly sessionEpoch: number;
  readonly openLogs: number;
  /** Bytes of batches that only WAL and memory hold. */
  readonly unrolledBytes: number;
  /** WAL chunk files on disk. */
  readonly walBytes: number;
  readonly walChunks: number;
  readonly commits: number;
  readonly rollUps: number;
  /** Appends that wait for a roll-up to make room. */
  readonly waitingAppends: number;
  /** Whether the volume is below its free-space floor or refused the last write. */
  readonly diskFull: boolean;
}

export interface LogStore {
  /**
   * Opens (or returns) the log at the leader epoch of its placement row. Throws the store's failures, DataCorrupt, and
   * NotOwner when the log is open at a higher epoch or was released at this epoch.
   */
  open(topicId: Uuid, partition: number, leaderEpoch: number, configs: TopicConfigs): Promise<PartitionLog>;
  get(topicId: Uuid, partition: number): PartitionLog | undefined;
  logs(): Iterable<PartitionLog>;
  /**
   * Before a release, while the logs still serve: rolls up most of what they hold, so that the pause is short. Throws when a
   * segment store behind a network does not answer, or so slowly that the pause would not be short.
   */
  prepareRelease(logs: readonly PartitionLog[]): Promise<void>;
  /**
   * Planned move: refuses appends, waits for those in flight, rolls up, and forgets the logs. Then another broker may open
   * them. After a failure the logs are sealed, and complete in memory: this store may open them again at a later epoch.
   */
  release(logs: readonly PartitionLog[]): Promise<void>;
  /** The topics are deleted: drops the logs, their rows, and the files that hold nothing else. */
  forget(logs: readonly PartitionLog[]): Promise<void>;
  /**
   * One pass of retention.ms and retention.bytes over all open logs, which also gives up sparse files. The store runs it
   * every retentionIntervalMs.
   */
  applyRetention(): Promise<void>;
  /** Rolls up what there is, whether or not rollUpBytes is reached. */
  rollUp(): Promise<void>;
  /** Clean shutdown: everything is acknowledged and rolled up, and the WAL is removed. Nothing is left to recover. */
  close(): Promise<void>;
  status(): LogStoreStatus;
  /** How much of the write-ahead log is on the disk and stays there, in bytes of the session's stream; 0: nothing is certain. */
  syncedLsn(): number;
  /** Controls the scrub of stored bytes (scrub.ts); `start` begins a pass now. Returns the status at once. */
  scrub(act: ScrubAct): ScrubStatus;
}

export interface ScrubStatus {
  readonly state: 'off' | 'waiting' | 'running' | 'paused';
  /** Complete passes since the start. */
  readonly passes: number;
  /** Files of the current pass, or of the last one. */
  readonly files: number;
  readonly filesOfPass: number;
  /** Bytes read since the start. */
  readonly bytes: number;
  /** Damaged places found since the start, plus files that could not be read. */
  readonly damaged: number;
  readonly unread: number;
  /** Wall clock; -1 before the first pass has ended. */
  readonly lastPassEndedAtMs: number;
}

/** The wire carries an act's position in this list. */
export const scrubActs = ['status', 'start', 'pause', 'resume'] as const;
export type ScrubAct = (typeof scrubActs)[number];

/** Stored bytes that were known to be durable contradict their checksums: an operator must look. */
export class DataCorrupt extends Failure {
  readonly code = 'data-corrupt';
  readonly path: string;
  readonly position: number;
  constructor(path: string, position: number, what: string) {
    super(`${what} in ${path} at byte ${position}`);
    this.path = path;
    this.position = position;
  }
}

/** Our session row was changed: another process has taken over, and nothing of ours may be written or acknowledged any more. */
export class SessionFenced extends Failure {
  readonly code = 'fenced';
}

/**
 * A row of a log is not as its writer knew it, or exists where the writer knew of none; nothing was written. The log's
 * owner ends its session; a recovery starts over. Both then continue from what the rows say, and whatever only a
 * write-ahead log holds is still there.
 */
export class LogRowsChanged extends Failure {
  readonly code = 'store-conflict';
  override readonly retryable = true;
  constructor({ pk, sk }: RowKey, current: Row | undefined) {
    const found = current ? `is there at version ${current.version}` : 'is not there';
    super(`row ${pk} ${sk} of a log ${found}, which its owner did not write`);
  }
}

export class NotOwner extends Failure {
  readonly code = 'not-owner';
  override readonly retryable = true;
}
