/**
 * What a topic demands of the records inside a batch: keys (cleanup.policy=compact) or a codec (compression.type); and the
 * largest time of a batch whose header cannot be right about it. All need a look into the batch, possibly in other threads. Appends to one log must keep their order of arrival: an
 * idempotent producer has several batches in flight, and a small one after a large one would be ready first. So the
 * looks of one log end in order:
 *
 *   large comes ── small comes ── small is ready, waits ── large is ready, appended ── small appended
 *
 * A batch that needs no look also waits behind those that do: the topic's configs may have changed in between. A log
 * that was given away meanwhile refuses the append itself.
 */
import { Overloaded } from '../kernel/failure.ts';
import type { PartitionLog } from '../log/log.ts';
import { errorCode } from '../protocol/error-codes.ts';
import {
  baseTimestamp,
  batchHeaderBytes,
  type Codec,
  codec,
  compression,
  maxTimestamp,
  stampMaxTimestamp,
} from '../records/batch.ts';
import { CodecUnavailable } from '../records/compression.ts';
import { recompressBatch, recordsFaultOf, validateRecords } from '../records/decode.ts';
import type { CompressionType, TopicSettings } from '../topic-configs.ts';

export interface RecordsFault {
  readonly errorCode: number;
  readonly message: string;
  readonly recordIndexes?: readonly number[];
}

export type Wanted = Pick<
  TopicSettings,
  | 'requiresKeys'
  | 'compressionType'
  | 'gzipLevel'
  | 'messageBytesMax'
  | 'timestampType'
  | 'timestampBeforeMaxMs'
  | 'timestampAfterMaxMs'
>;

/** A batch with larger records is not recompressed: both forms are in memory at once. */
const recompressedBytesMax = 32 * 1024 * 1024;

const codecOf: Readonly<Record<CompressionType, Codec | undefined>> = {
  producer: undefined,
  uncompressed: codec.none,
  gzip: codec.gzip,
  snappy: codec.snappy,
  lz4: codec.lz4,
  zstd: codec.zstd,
};

/** The last unfinished look into a batch, by log. */
const lastOf = new WeakMap<PartitionLog, Promise<void>>();

/**
 * Calls `done` once, with the batch as the topic wants it or with what is wrong. Calls it in this turn when neither
 * this batch nor an earlier one needs a look.
 */
export function afterLook(
  log: PartitionLog,
  batch: Buffer,
  wanted: Wanted,
  nowMs: number,
  done: (looked: Buffer | RecordsFault) => void,
): void {
  const before = lastOf.get(log);
  const codecId = codecOf[wanted.compressionType];
  const isOtherCodec = codecId !== undefined && codecId !== compression(batch, 0);
  const needsLook = wanted.requiresKeys || isOtherCodec || hasWrongTime(batch, wanted);
  if (!needsLook && !before) {
    done(batch);
    return;
  }
  const looked = needsLook ? look(batch, wanted, nowMs, codecId).catch(unlessUnable) : batch;
  const ended = Promise.all([looked, before]).then(([outcome]) => {
    if (lastOf.get(log) === ended) lastOf.delete(log);
    done(outcome);
  });
  lastOf.set(log, ended);
}

async function look(
  batch: Buffer,
  wanted: Wanted,
  nowMs: number,
  codecId = compression(batch, 0) as Codec,
): Promise<Buffer | RecordsFault> {
  const { requiresKeys, gzipLevel, messageBytesMax } = wanted;
  // What a header says of its records' times may be wrong.
  const refusesTime = (timestampMs: number): boolean => isTimeRefused(timestampMs, nowMs, wanted);
  const facts = await validateRecords(batch, { requiresKey: requiresKeys, refusesTime });
  if ('errorCode' in facts) return facts;
  if (hasWrongTime(batch, wanted)) stampMaxTimestamp(batch, 0, facts.maxTimestampMs);
  const bytesMax = codecId === codec.none ? messageBytesMax - batchHeaderBytes : recompressedBytesMax;
  try {
    const kept = await recompressBatch(batch, codecId, Math.min(bytesMax, recompressedBytesMax), gzipLevel);
    if (kept.length <= messageBytesMax) return kept;
    const message = `the batch has ${kept.length} bytes when compressed as the topic asks; at most ${messageBytesMax} are allowed`;
    return { errorCode: errorCode.messageTooLarge, message };
  } catch (error) {
    return recordsFaultOf(error);
  }
}

/** Kafka's NO_TIMESTAMP: a record without a time is never refused for it. */
const noTimestampMs = -1;

/** Whether the topic refuses a record for its time. */
export function isTimeRefused(
  timestampMs: number,
  nowMs: number,
  { timestampType, timestampBeforeMaxMs, timestampAfterMaxMs }: Wanted,
): boolean {
  if (timestampType !== 'CreateTime' || timestampMs === noTimestampMs) return false;
  return timestampMs - nowMs > timestampAfterMaxMs || nowMs - timestampMs > timestampBeforeMaxMs;
}

/**
 * Whether the header says that no record is as young as the first one. Retention and look-ups by time go by the header, so
 * it gets the largest time among the records, as in Kafka. In other batches the header is believed.
 */
function hasWrongTime(batch: Buffer, { timestampType }: Wanted): boolean {
  return timestampType === 'CreateTime' && maxTimestamp(batch, 0) < baseTimestamp(batch, 0);
}

/** Nothing is wrong with the batch; it could not be looked into. Nothing of it is stored. */
export function unlessUnable(error: unknown): RecordsFault {
  if (error instanceof Overloaded) return { errorCode: errorCode.requestTimedOut, message: error.message };
  if (error instanceof CodecUnavailable)
    return { errorCode: errorCode.unsupportedCompressionType, message: error.message };
  throw error;
}
