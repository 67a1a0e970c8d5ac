/** The appends of one log on their way through the group commit. */
import type { SharedFrame } from '../../kernel/frame-pool.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { type BatchHeader, restamp } from '../../records/batch.ts';
import type { CommitEntry } from '../wal/group-commit.ts';
import { type AppendOutcome, logErrorCode, type LogErrorCode } from '../log.ts';
import type { OwnedLog } from './partition-log.ts';
import type { ProducerEntry } from '../fold/producer-state.ts';
import type { WalChunk, WalRecord } from '../wal/wal.ts';

export type AppendDone = (outcome: AppendOutcome) => void;

export function refusal(errorCode: LogErrorCode, logStartOffset: number, errorMessage: string): AppendOutcome {
  return { errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset, errorMessage };
}

/** A batch with its place in the log, not durable yet. It is also its own WAL record, which saves an object per batch. */
export class PendingAppend implements CommitEntry, WalRecord {
  readonly log: OwnedLog;
  readonly batch: Buffer;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly logAppendTimeMs: number;
  readonly producerId: number;
  /** What was known of the producer before; restored when the append is undone. */
  readonly producerBefore: ProducerEntry | undefined;
  readonly done: AppendDone;
  readonly frame: SharedFrame | undefined;
  chunk: WalChunk | undefined;
  position = 0;

  constructor(
    log: OwnedLog,
    batch: Buffer,
    header: BatchHeader,
    logAppendTimeMs: number,
    producerBefore: ProducerEntry | undefined,
    done: AppendDone,
    frame: SharedFrame | undefined,
  ) {
    this.log = log;
    this.batch = batch;
    this.baseOffset = log.endOffset;
    this.nextOffset = log.endOffset + header.lastOffsetDelta + 1;
    this.logAppendTimeMs = logAppendTimeMs;
    this.producerId = header.producerId;
    this.producerBefore = producerBefore;
    this.done = done;
    this.frame = frame;
    restamp(batch, 0, this.baseOffset, log.leaderEpoch);
  }

  get record(): WalRecord {
    return this;
  }

  get topicId(): Uuid {
    return this.log.topicId;
  }

  get partition(): number {
    return this.log.partition;
  }

  advance(): void {
    this.log.advance(this);
  }

  acknowledge(): void {
    const { baseOffset, logAppendTimeMs } = this;
    const logStartOffset = this.log.startOffset;
    this.done({ errorCode: logErrorCode.none, baseOffset, logAppendTimeMs, logStartOffset, errorMessage: null });
  }

  undo(): void {
    this.log.undo(this);
  }

  refuse(message: string): void {
    this.done(refusal(logErrorCode.kafkaStorageError, this.log.startOffset, message));
  }

  wake(): void {
    this.log.wakeReaders();
  }
}

/**
 * A batch that is already in the log, or on its way there. It queues behind its original, because the answer must not come
 * before the original is durable.
 */
export class RepeatedAppend implements CommitEntry {
  readonly record = undefined;
  readonly #log: OwnedLog;
  readonly #baseOffset: number;
  readonly #done: AppendDone;

  constructor(log: OwnedLog, baseOffset: number, done: AppendDone) {
    this.#log = log;
    this.#baseOffset = baseOffset;
    this.#done = done;
  }

  advance(): void {}

  acknowledge(): void {
    const { startOffset: logStartOffset } = this.#log;
    const baseOffset = this.#baseOffset;
    this.#done({ errorCode: logErrorCode.none, baseOffset, logAppendTimeMs: -1, logStartOffset, errorMessage: null });
  }

  undo(): void {}

  refuse(message: string): void {
    this.#done(refusal(logErrorCode.kafkaStorageError, this.#log.startOffset, message));
  }

  wake(): void {}
}
