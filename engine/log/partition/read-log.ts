/** Reads across segments and tail: synchronously when memory or a recent segment answers, else by promise. */
import { Failure } from '../../kernel/failure.ts';
import { SharedFrame } from '../../kernel/frame-pool.ts';
import { DiskFault } from '../../ports.ts';
import { type LocatedSegment, logErrorCode, type LogErrorCode, type LogRead } from '../log.ts';
import type { OwnedLog } from './partition-log.ts';
import type { Segment, SegmentReader } from '../segments/segment-reader.ts';
import type { EpochAt } from '../segments/verify-batch.ts';

/** How often a read follows segments that a merge or retention moves during the read. */
const movedReadsMax = 5;
/** Most segments returned by one call. */
const locatedMax = 16;

/** Damaged or unreadable data: the rest of the log, and the other logs, are still served. */
const unreadable: LogRead = { errorCode: logErrorCode.kafkaStorageError, batches: [], bytes: 0 };
const nothing: LogRead = { errorCode: logErrorCode.none, batches: [], bytes: 0 };

export function readLog(
  log: OwnedLog,
  reader: SegmentReader,
  offset: number,
  maxBytes: number,
  minOneBatch: boolean,
): LogRead | Promise<LogRead> {
  const errorCode = errorFor(log, offset);
  if (errorCode !== logErrorCode.none) return { errorCode, batches: [], bytes: 0 };
  if (offset === log.highWatermark) return nothing;
  if (log.segmentIndexOf(offset) === log.segments.length) {
    const batches: Uint8Array[] = [];
    const frames: SharedFrame[] = [];
    const bytes = log.tail.read(offset, maxBytes, minOneBatch, batches, frames);
    return { errorCode, batches, bytes, frames };
  }
  return readSegments(log, reader, offset, maxBytes, minOneBatch);
}

/** See PartitionLog.locate. */
export function locateSegments(log: OwnedLog, offset: number, bytes: number): readonly LocatedSegment[] {
  const located: LocatedSegment[] = [];
  if (errorFor(log, offset) !== logErrorCode.none) return located;
  let left = bytes;
  for (let i = log.segmentIndexOf(offset); left > 0 && located.length < locatedMax; i++) {
    const segment = log.segments[i];
    const place = segment && placeOf(log, segment);
    if (!place || place.baseOffset > (located.at(-1)?.endOffset ?? offset)) break;
    located.push(place);
    left -= place.bytes;
  }
  return located;
}

function placeOf(log: OwnedLog, segment: Segment): LocatedSegment | undefined {
  const { baseOffset, endOffset, fileId, position, bytes, indexPosition, indexBytes } = segment.row;
  const leaderEpoch = log.epochAt(endOffset - 1);
  if (log.epochAt(baseOffset) !== leaderEpoch) return undefined;
  return { baseOffset, endOffset, fileId, position, bytes, indexPosition, indexBytes, leaderEpoch };
}

function errorFor(log: OwnedLog, offset: number): LogErrorCode {
  if (!log.isOpen) return logErrorCode.notLeaderOrFollower;
  // Between high watermark and end there is nothing to read yet, but that is no error.
  if (offset < log.startOffset || offset > log.endOffset) return logErrorCode.offsetOutOfRange;
  return logErrorCode.none;
}

function readSegments(
  log: OwnedLog,
  reader: SegmentReader,
  offset: number,
  maxBytes: number,
  minOneBatch: boolean,
): LogRead | Promise<LogRead> {
  const segment = log.segments[log.segmentIndexOf(offset)]!;
  if (isMissing(segment, offset)) return unreadable;
  const epochAt: EpochAt = (at) => log.epochAt(at);
  try {
    const found = reader.read(segment, offset, maxBytes, minOneBatch, epochAt);
    if (found instanceof Promise) return followSegments(log, reader, found, offset, maxBytes, minOneBatch);
    return extend(log, found, segment.row.endOffset, segment.cursorOffset, maxBytes);
  } catch (error) {
    return followSegments(log, reader, Promise.reject(error as Error), offset, maxBytes, minOneBatch);
  }
}

/**
 * The log has had this offset, and no row says where it is: the row of a segment is lost. A reader must not pass over what
 * was acknowledged as if it had never been.
 */
function isMissing({ row }: Segment, offset: number): boolean {
  return offset < row.baseOffset;
}

/** Adds the tail when the segment was read to its end and there is room: saves a turn for a reader that catches up. */
function extend(log: OwnedLog, found: Buffer, segmentEnd: number, reached: number, maxBytes: number): LogRead {
  const batches: Uint8Array[] = found.length > 0 ? [found] : [];
  const frames = framesOf(found);
  let bytes = found.length;
  if (bytes > 0 && reached === segmentEnd && log.segmentIndexOf(segmentEnd) === log.segments.length) {
    bytes += log.tail.read(segmentEnd, maxBytes - bytes, false, batches, frames);
  }
  return { errorCode: logErrorCode.none, batches, bytes, frames };
}

/** Bytes read from a segment were read for this reader alone. */
function framesOf(found: Buffer): SharedFrame[] {
  return found.length > 0 ? [new SharedFrame(found)] : [];
}

/**
 * Awaits a read of a segment. Meanwhile a merge may replace the segment's row and remove its file, or retention may delete
 * it. Then this looks at the log again, where the offset is now in another segment or out of range.
 */
async function followSegments(
  log: OwnedLog,
  reader: SegmentReader,
  first: Promise<Buffer>,
  offset: number,
  maxBytes: number,
  minOneBatch: boolean,
): Promise<LogRead> {
  let pending = first;
  for (let attempt = 1; ; attempt++) {
    const segments = log.segments;
    const segment = segments[log.segmentIndexOf(offset)];
    try {
      const found = await pending;
      const batches = found.length > 0 ? [found] : [];
      return { errorCode: logErrorCode.none, batches, bytes: found.length, frames: framesOf(found) };
    } catch (error) {
      const errorCode = errorFor(log, offset);
      if (errorCode !== logErrorCode.none) return { errorCode, batches: [], bytes: 0 };
      const moved = log.segments[log.segmentIndexOf(offset)];
      if (!moved) return readLog(log, reader, offset, maxBytes, minOneBatch);
      if (!(error instanceof Failure)) throw error;
      if (!(error instanceof DiskFault) || moved === segment || attempt >= movedReadsMax) return unreadable;
      if (isMissing(moved, offset)) return unreadable;
      pending = Promise.resolve(reader.read(moved, offset, maxBytes, minOneBatch, (at) => log.epochAt(at)));
    }
  }
}
