/**
 * ListOffsets by time. Indexes and batch headers narrow it to one batch, which is decoded to name the record: the answer
 * is the first RECORD at or after the time, not the first batch.
 */
import { Failure, Overloaded } from '../kernel/failure.ts';
import { baseOffset, batchesIn, batchSizeBytes, lastOffset, leaderEpoch, maxTimestamp } from '../records/batch.ts';
import { forEachRecordOf, type VisitRecord, withRecords } from '../records/decode.ts';
import type { TimedOffset } from './log.ts';
import type { OwnedLog } from './partition-log.ts';
import type { Segment, SegmentReader } from './segment-reader.ts';
import type { EpochAt } from './verify-batch.ts';

/** Of a segment, at a time, while looking for one record. */
const scanBytes = 256 * 1024;

const none: TimedOffset = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export async function offsetForTimestamp(
  log: OwnedLog,
  reader: SegmentReader,
  timestamp: number,
): Promise<TimedOffset> {
  // What is appended or moved while we read is not waited for: both lists are of this moment.
  const { segments } = log;
  const tail = log.tail.lend();
  for (const segment of segments) {
    if (segment.row.endOffset <= log.startOffset || segment.row.maxTimestamp < timestamp) continue;
    const found = await findInSegment(log, reader, segment, timestamp);
    if (found) return found;
  }
  for (const { bytes } of tail) {
    const found = await findInBatch(log, bytes, timestamp);
    if (found) return found;
  }
  return none;
}

export async function offsetOfMaxTimestamp(log: OwnedLog, reader: SegmentReader): Promise<TimedOffset> {
  let max = -1;
  for (const { row } of log.segments) if (row.endOffset > log.startOffset) max = Math.max(max, row.maxTimestamp);
  max = Math.max(max, log.tail.maxTimestamp);
  if (max < 0) return none;
  const found = await offsetForTimestamp(log, reader, max);
  if (found.offset >= 0) return found;
  // A header that promised a later record than it holds (a producer's bug): look at the records themselves.
  return largestRecord(log, reader);
}

async function findInSegment(
  log: OwnedLog,
  reader: SegmentReader,
  segment: Segment,
  timestamp: number,
): Promise<TimedOffset | undefined> {
  const epochAt: EpochAt = (offset) => log.epochAt(offset);
  let bytes = await reader.readFromTimestamp(segment, timestamp, epochAt);
  while (bytes.length > 0) {
    let next = segment.row.endOffset;
    for (const at of batchesIn(bytes)) {
      const batch = bytes.subarray(at, at + batchSizeBytes(bytes, at));
      const found = await findInBatch(log, batch, timestamp);
      if (found) return found;
      next = lastOffset(batch, 0) + 1;
    }
    if (next >= segment.row.endOffset) return undefined;
    bytes = await reader.read(segment, next, scanBytes, true, epochAt);
  }
  return undefined;
}

async function findInBatch(log: OwnedLog, batch: Buffer, timestamp: number): Promise<TimedOffset | undefined> {
  if (maxTimestamp(batch, 0) < timestamp || lastOffset(batch, 0) < log.startOffset) return undefined;
  let found: TimedOffset | undefined;
  const isReadable = await forEachReadable(batch, (offset, timestampMs) => {
    if (offset < log.startOffset || timestampMs < timestamp) return undefined;
    found = { offset, timestamp: timestampMs, leaderEpoch: leaderEpoch(batch, 0) };
    return false;
  });
  return isReadable ? found : byHeader(log, batch);
}

/**
 * False: the batch holds no readable records. The log takes batches by header and checksum, so a producer can store such;
 * an error here would leave whoever asks for a time without an answer for as long as the batch is kept.
 */
async function forEachReadable(batch: Buffer, visit: VisitRecord): Promise<boolean> {
  try {
    await withRecords(batch, (section) => forEachRecordOf(batch, section, visit));
    return true;
  } catch (error) {
    // Later it can be asked.
    if (error instanceof Failure && !(error instanceof Overloaded)) return false;
    throw error;
  }
}

/** What the header says of a batch whose records cannot be asked. */
function byHeader(log: OwnedLog, batch: Buffer): TimedOffset {
  const offset = Math.max(baseOffset(batch, 0), log.startOffset);
  return { offset, timestamp: maxTimestamp(batch, 0), leaderEpoch: leaderEpoch(batch, 0) };
}

async function largestRecord(log: OwnedLog, reader: SegmentReader): Promise<TimedOffset> {
  let best = none;
  const visit = async (batch: Buffer): Promise<void> => {
    if (maxTimestamp(batch, 0) <= best.timestamp || lastOffset(batch, 0) < log.startOffset) return;
    const isReadable = await forEachReadable(batch, (offset, timestamp) => {
      if (offset >= log.startOffset && timestamp > best.timestamp) {
        best = { offset, timestamp, leaderEpoch: leaderEpoch(batch, 0) };
      }
    });
    if (!isReadable) best = byHeader(log, batch);
  };
  const tail = log.tail.lend();
  for (const { row } of log.segments) {
    if (row.endOffset <= log.startOffset) continue;
    for (const batch of await reader.all(row, (offset) => log.epochAt(offset))) await visit(batch);
  }
  for (const { bytes } of tail) await visit(bytes);
  return best;
}
