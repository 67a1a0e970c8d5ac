/**
 * Retention: which part of a log is past its time or size (retention.ms, retention.bytes). The decision is pure. Applying
 * it moves the start durably and deletes segment rows, in transactions small enough for the store.
 *
 * Time is the records' time, as in Kafka, and clients may have set any: somebody produces a history of years today and
 * reads it right afterwards. So records that arrived since the last look stay until the next one, however old they claim to be.
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
 * The offset that the start moves to; the current start when nothing is due. Moves by whole segments and batches. `knownTo`
 * is where the log ended at the last look.
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

/** Where the start must move to; undefined when there is nothing to write. */
export function retentionDue(log: OwnedLog, nowMs: number, knownTo: number): number | undefined {
  const start = retentionStart(log, nowMs, knownTo);
  // There may be work even without a move: a segment that was kept for its producers may go once they have expired.
  const first = log.segments[0]?.row;
  return start > log.startOffset || (first && first.endOffset <= start) ? start : undefined;
}

/** Per segment, its row and its file. (The guard and the state row come on top.) */
const opsPerSegment = 2;

/**
 * Moves the start to `offset` and deletes the segments that end at or before it. The last segment stays as long as it alone
 * remembers the log's producers.
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
    // On every write without a segment left, not only the one that deletes the last: the row replaced here was the only
    // place that had it.
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
