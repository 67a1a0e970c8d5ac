/**
 * Retention: what of a log is over its time or its size (retention.ms, retention.bytes). The decision is pure; applying
 * it moves the start durably and deletes segment rows, in transactions that the store can hold.
 *
 * Time is that of the records, as in Kafka, and clients may have written any: a history of years is produced today, and
 * read by those who have just produced it. So what has come since the last look stays until the next one, however old
 * it says it is.
 */
import { maxTimestamp } from '../../records/batch.ts';
import { type StoreOp, storeOpsMax } from '../../ports.ts';
import { changeRows, removeFiles, type RowContext } from '../rows/change-rows.ts';
import { FileChanges } from '../rows/file-changes.ts';
import type { OwnedLog } from '../partition/partition-log.ts';
import type { Segment } from '../segments/segment-reader.ts';
import { putLogState } from '../rows/log-state.ts';
import { deleteSegment } from '../rows/segment.ts';

/**
 * The offset that the start moves to; the present start when nothing is due. Whole segments and batches only. Up to
 * `knownTo` the log was there at the last look.
 */
function retentionStart(log: OwnedLog, nowMs: number, knownTo: number): number {
  const { retentionMs, retentionBytes } = log.configs;
  let start = log.startOffset;
  let bytes = log.sizeBytes;
  const pass = (endOffset: number, size: number, timestamp: number): boolean => {
    const isOld = endOffset <= knownTo && timestamp >= 0 && nowMs - timestamp > retentionMs;
    if (endOffset > start && !isOld && bytes - size < retentionBytes) return false;
    start = Math.max(start, endOffset);
    bytes -= size;
    return true;
  };
  for (const { row } of log.segments) if (!pass(row.endOffset, row.bytes, row.maxTimestamp)) return start;
  for (const batch of log.tail.batches) {
    if (!pass(batch.nextOffset, batch.bytes.length, maxTimestamp(batch.bytes, 0))) return start;
  }
  return start;
}

/** Where the start has to move to, if it has to be written. */
export function retentionDue(log: OwnedLog, nowMs: number, knownTo: number): number | undefined {
  const start = retentionStart(log, nowMs, knownTo);
  // Also without a move: a segment kept for its producers may go once they have expired.
  const first = log.segments[0]?.row;
  return start > log.startOffset || (first && first.endOffset <= start) ? start : undefined;
}

/** The guard, the state row, and per segment its row and its file. */
const opsPerSegment = 2;

/**
 * Moves the start to `offset` and deletes the segments that end at or before it. The last segment stays as long as it
 * is the only place that remembers the log's producers.
 */
export async function moveStart(context: RowContext, log: OwnedLog, offset: number): Promise<void> {
  for (let isFirst = true; ; isFirst = false) {
    const guard = context.guard();
    const { segmentsPerTransactionMax } = context.settings;
    const roomForSegments = Math.floor((storeOpsMax - guard.length - 1) / opsPerSegment);
    const segmentsMax = Math.min(roomForSegments, segmentsPerTransactionMax);
    const { segments } = log;
    const due: Segment[] = [];
    for (const segment of segments) {
      if (segment.row.endOffset > offset || due.length === segmentsMax) break;
      due.push(segment);
    }
    const keepsLast = due.length === segments.length && log.rolledFold.producers.size > 0;
    if (keepsLast) due.pop();
    if (due.length === 0 && (!isFirst || offset <= log.startOffset)) return;
    const { topicId, partition } = log;
    const start = Math.max(offset, log.startOffset);
    // Each time, not only when the last one goes: the row that this one replaces was all that told it.
    const isBare = due.length === segments.length;
    const told = isBare ? { epochs: log.rolledFold.epochs.snapshot(), foldedTo: log.rolledTo } : {};
    const state = { startOffset: start, ...told };
    const ops: StoreOp[] = [putLogState(topicId, partition, state, log.stateVersion)];
    const files = new FileChanges();
    for (const { row } of due) {
      ops.push(deleteSegment(topicId, partition, row));
      files.remove(row);
    }
    const emptied = await changeRows(context, { ops, files });
    log.moveStart(start);
    log.dropSegments(due.length);
    await removeFiles(context, emptied);
  }
}
