/**
 * ListOffsets by time. Indexes and batch headers narrow the search to one batch, which is decoded to find the record: the
 * answer is the first RECORD at or after the time, not the first batch.
 */
import { Failure, Overloaded } from '../../kernel/failure.ts';
import { DiskFault } from '../../ports.ts';
import { baseOffset, batchesIn, batchSizeBytes, lastOffset, leaderEpoch, maxTimestamp } from '../../records/batch.ts';
import { forEachRecordOf, type VisitRecord, withRecords } from '../../records/decode.ts';
import type { TimedOffset } from '../log.ts';
import type { OwnedLog } from './partition-log.ts';
import type { Segment, SegmentReader } from '../segments/segment-reader.ts';
import type { EpochAt } from '../segments/verify-batch.ts';

/** How much of a segment is read at a time while looking for one record. */
const scanBytes = 256 * 1024;

/**
 * How many batches one look-up may decode in vain. Headers that promise what their batches do not hold must not make a
 * reader decompress the whole log again and again. After this many, the next header is believed, and the reader starts too early.
 */
const vainLooksMax = 8;

/** Attempts when the log keeps changing during the search. */
const attemptsMax = 5;

const none: TimedOffset = { offset: -1, timestamp: -1, leaderEpoch: -1 };

/** Undefined: the search continues. */
type Look = (batch: Buffer) => Promise<TimedOffset | undefined>;

export function offsetForTimestamp(log: OwnedLog, reader: SegmentReader, timestamp: number): Promise<TimedOffset> {
  let vain = 0;
  const look: Look = async (batch) => {
    if (vain === vainLooksMax) return byHeader(log, batch);
    const found = await firstRecord(log, batch, timestamp);
    if (!found) vain++;
    return found;
  };
  return following(log, () => search(log, reader, timestamp, look));
}

/**
 * The first record with the largest time that any header gives, in the batch whose header gives it. If that batch holds
 * less than it promises, the other batches are not searched. Everything below the start is ignored, whatever rows and
 * headers say.
 */
export function offsetOfMaxTimestamp(log: OwnedLog, reader: SegmentReader): Promise<TimedOffset> {
  return following(log, () => maxOf(log, reader));
}

/** Searches again when a merge, retention or a deletion changed the log meanwhile and so hid what was searched for. */
async function following(log: OwnedLog, find: () => Promise<TimedOffset>): Promise<TimedOffset> {
  for (let attempt = 1; ; attempt++) {
    const { segments, startOffset } = log;
    const isChanged = (): boolean => log.segments !== segments || log.startOffset !== startOffset;
    try {
      const found = await find();
      if (found.offset >= 0 || !isChanged() || attempt === attemptsMax) return found;
    } catch (error) {
      if (!(error instanceof DiskFault) || !isChanged() || attempt === attemptsMax) throw error;
    }
  }
}

async function maxOf(log: OwnedLog, reader: SegmentReader): Promise<TimedOffset> {
  const { segments, startOffset } = log;
  const tail = log.tail.lend();
  let max = -1;
  for (const { row } of segments) if (row.baseOffset >= startOffset) max = Math.max(max, row.maxTimestamp);
  let cut: Buffer | undefined;
  const count = (batch: Buffer): void => {
    if (lastOffset(batch, 0) < startOffset) return;
    if (baseOffset(batch, 0) < startOffset) cut = batch;
    else max = Math.max(max, maxTimestamp(batch, 0));
  };
  const cutSegment = segments.find(({ row }) => row.baseOffset < startOffset && row.endOffset > startOffset);
  if (cutSegment && cutSegment.row.maxTimestamp >= max) await eachFrom(log, reader, cutSegment, startOffset, count);
  for (const { bytes } of tail) count(bytes);
  const inCut = cut && maxTimestamp(cut, 0) >= max ? await largestRecord(log, cut) : none;
  if (inCut.offset >= 0 && inCut.timestamp >= max) return inCut;
  // Where nothing is later, -1 is searched for as well: records without a time, of which Kafka names the first. Those from
  // before 1970 have smaller times and are not found.
  return search(log, reader, max, async (batch) =>
    baseOffset(batch, 0) < startOffset ? undefined : largestRecord(log, batch),
  );
}

/** Visits the segment's batches from the one that holds the offset on. */
async function eachFrom(
  log: OwnedLog,
  reader: SegmentReader,
  segment: Segment,
  offset: number,
  visit: (batch: Buffer) => void,
): Promise<void> {
  for (let next = offset; next < segment.row.endOffset; ) {
    const bytes = await reader.read(segment, next, scanBytes, true, (at) => log.epochAt(at));
    for (const at of batchesIn(bytes)) {
      const batch = bytes.subarray(at, at + batchSizeBytes(bytes, at));
      visit(batch);
      next = lastOffset(batch, 0) + 1;
    }
  }
}

/** Decodes, in order, the batches that promise a record at or after the time, until one answers. */
async function search(log: OwnedLog, reader: SegmentReader, timestamp: number, look: Look): Promise<TimedOffset> {
  const lookAt: Look = async (batch) => {
    const isOut = maxTimestamp(batch, 0) < timestamp || lastOffset(batch, 0) < log.startOffset;
    return isOut ? undefined : look(batch);
  };
  // Records appended or moved during the search are ignored: both lists are of this moment.
  const { segments } = log;
  const tail = log.tail.lend();
  for (const segment of segments) {
    if (segment.row.endOffset <= log.startOffset || segment.row.maxTimestamp < timestamp) continue;
    const found = await searchSegment(log, reader, segment, timestamp, lookAt);
    if (found) return found;
  }
  for (const { bytes } of tail) {
    const found = await lookAt(bytes);
    if (found) return found;
  }
  return none;
}

async function searchSegment(
  log: OwnedLog,
  reader: SegmentReader,
  segment: Segment,
  timestamp: number,
  look: Look,
): Promise<TimedOffset | undefined> {
  const epochAt: EpochAt = (offset) => log.epochAt(offset);
  let bytes = await reader.readFromTimestamp(segment, timestamp, epochAt);
  while (bytes.length > 0) {
    let next = segment.row.endOffset;
    for (const at of batchesIn(bytes)) {
      const batch = bytes.subarray(at, at + batchSizeBytes(bytes, at));
      const found = await look(batch);
      if (found) return found;
      next = lastOffset(batch, 0) + 1;
    }
    if (next >= segment.row.endOffset) return undefined;
    bytes = await reader.read(segment, next, scanBytes, true, epochAt);
  }
  return undefined;
}

/** The first record at or after the time that is not deleted. */
async function firstRecord(log: OwnedLog, batch: Buffer, timestamp: number): Promise<TimedOffset | undefined> {
  let found: TimedOffset | undefined;
  const isReadable = await forEachReadable(batch, (offset, timestampMs) => {
    if (offset < log.startOffset || timestampMs < timestamp) return undefined;
    found = { offset, timestamp: timestampMs, leaderEpoch: leaderEpoch(batch, 0) };
    return false;
  });
  return isReadable ? found : byHeader(log, batch);
}

async function largestRecord(log: OwnedLog, batch: Buffer): Promise<TimedOffset> {
  let largest: TimedOffset = { ...none, timestamp: -Infinity };
  const isReadable = await forEachReadable(batch, (offset, timestamp) => {
    if (offset >= log.startOffset && timestamp > largest.timestamp) {
      largest = { offset, timestamp, leaderEpoch: leaderEpoch(batch, 0) };
    }
  });
  return isReadable && largest.offset >= 0 ? largest : byHeader(log, batch);
}

/**
 * False: the batch holds no readable records. The log accepts batches by header and checksum, so a producer can store such
 * a batch. An error here would leave every look-up by time without an answer for as long as the batch is kept.
 */
async function forEachReadable(batch: Buffer, visit: VisitRecord): Promise<boolean> {
  try {
    await withRecords(batch, (section) => forEachRecordOf(batch, section, visit));
    return true;
  } catch (error) {
    // Overloaded is temporary: the batch can be read later.
    if (error instanceof Failure && !(error instanceof Overloaded)) return false;
    throw error;
  }
}

/** What the header says of a batch whose records cannot be read. */
function byHeader(log: OwnedLog, batch: Buffer): TimedOffset {
  const offset = Math.max(baseOffset(batch, 0), log.startOffset);
  return { offset, timestamp: maxTimestamp(batch, 0), leaderEpoch: leaderEpoch(batch, 0) };
}
