/**
 * Deletes the rows of logs whose topics are deleted, many logs per transaction: thousands of small topics may be deleted at
 * once, and each transaction waits for the disk.
 */
import { type StoreOp, storeOpsMax } from '../../ports.ts';
import type { OwnedLog } from '../partition/partition-log.ts';
import { changeRows, changeRowsTogether, removeFiles, type RowContext } from '../rows/change-rows.ts';
import { FileChanges } from '../rows/file-changes.ts';
import { deleteLogState } from '../rows/log-state.ts';
import { deleteSegment } from '../rows/segment.ts';

/** Segment rows of one log that one transaction deletes: each may need a second operation, for its file. */
const segmentRowsMax = 40;
/** Transactions sent at the same time; they share the wait for the disk. */
const transactionsTogetherMax = 16;

/** Logs that leave in one transaction. */
interface Leaving {
  readonly logs: OwnedLog[];
  readonly ops: StoreOp[];
  readonly files: FileChanges;
}

/**
 * Calls `gone` for each log in the same task that learns that its rows are deleted: a roll-up in between would publish the
 * log again. Fails as changeRows does; the logs that are not gone then are as their rows say.
 */
export async function forgetRows(
  context: RowContext,
  logs: readonly OwnedLog[],
  gone: (log: OwnedLog) => void,
): Promise<void> {
  for (const log of logs) await dropMostSegments(context, log);
  const room = storeOpsMax - context.guard().length;
  const all = packed(logs, room);
  for (let from = 0; from < all.length; from += transactionsTogetherMax) {
    const together = all.slice(from, from + transactionsTogetherMax);
    const emptied: string[] = [];
    await changeRowsTogether(context, together, (index, files) => {
      emptied.push(...files);
      for (const log of together[index]!.logs) {
        log.dropSegments(log.segments.length);
        gone(log);
      }
    });
    await removeFiles(context, emptied);
  }
}

/** For a log with more segments than one transaction can delete: the remaining ones fit into one, together with its state row. */
async function dropMostSegments(context: RowContext, log: OwnedLog): Promise<void> {
  while (log.segments.length > segmentRowsMax) {
    const due = log.segments.slice(0, segmentRowsMax);
    const files = new FileChanges();
    const ops = due.map(({ row }) => {
      files.remove(row);
      return deleteSegment(log.topicId, log.partition, row);
    });
    const emptied = await changeRows(context, { ops, files });
    log.dropSegments(due.length);
    await removeFiles(context, emptied);
  }
}

/** Packs whole logs, as many as fit, into each transaction. */
function packed(logs: readonly OwnedLog[], room: number): Leaving[] {
  const all: Leaving[] = [];
  let last: Leaving | undefined;
  for (const log of logs) {
    const needs = 2 * log.segments.length + 1;
    if (!last || last.ops.length + last.files.byFile.size + needs > room) {
      last = { logs: [], ops: [], files: new FileChanges() };
      all.push(last);
    }
    last.logs.push(log);
    for (const { row } of log.segments) {
      last.ops.push(deleteSegment(log.topicId, log.partition, row));
      last.files.remove(row);
    }
    last.ops.push(deleteLogState(log.topicId, log.partition, log.stateVersion));
  }
  return all;
}
