/**
 * Moves what only a write-ahead log holds into the segment store. The broker does it when its log has grown, a planned
 * move for the logs that leave, recovery for a session that died: the same code, so a crash at any point is finished by
 * running it again.
 *
 *   announce the file ── write and sync it ── publish the rows, some logs per transaction ── the caller drops its copy
 *
 * A crash before the first publication leaves an empty file that a sweep removes; one in between leaves some logs
 * published, whose batches the next run finds below their published end and skips.
 */
import { assert } from '../kernel/assert.ts';
import type { Clock } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { type StoreOp, storeOpsMax } from '../ports.ts';
import { baseOffset, lastOffset, readBatchHeader } from '../records/batch.ts';
import { announceFile, changeRowsTogether, type RowChangeSet, removeFiles, type RowContext } from './change-rows.ts';
import { FileChanges } from './file-changes.ts';
import type { LogFold } from './log-fold.ts';
import { segmentsToMerge } from './merge-segments.ts';
import { segmentFileId } from './rows/segment-file.ts';
import { encodeSegment, segmentKey, type SegmentRow } from './rows/segment.ts';
import { type SegmentDraft, writeSegmentFile } from './segment-file.ts';
import type { SegmentReader } from './segment-reader.ts';

export interface RollUpContext extends RowContext {
  readonly brokerId: number;
  readonly sessionEpoch: number;
  readonly reader: SegmentReader;
  /** Files that a roll-up empties are left in `leftovers`: nobody waits for their removal. */
  readonly removesLater?: true;
}

/** A log with batches to move. */
export interface RollUpLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly startOffset: number;
  /** The newest of what is published, oldest first; as many as a merge may take. */
  readonly segments: readonly SegmentRow[];
  /** Consecutive, the first at the published end. */
  readonly batches: readonly Buffer[];
  readonly endOffset: number;
  /** As of the published end; not changed. */
  readonly fold: LogFold;
}

export interface RolledUp<L extends RollUpLog> {
  readonly log: L;
  readonly row: SegmentRow;
  /** The rows that it takes the place of: the last ones, or none. */
  readonly replaced: readonly SegmentRow[];
  /** As of the row's end. */
  readonly fold: LogFold;
}

/**
 * Writes one file and publishes it; `published` is called for every transaction that has been applied, at once, so that
 * a failure later on leaves memory and rows in step. Throws SessionFenced, DiskFull, DiskFault and the store's failures.
 */
export async function rollUp<L extends RollUpLog>(
  context: RollUpContext,
  logs: readonly L[],
  counter: number,
  published: (rolled: readonly RolledUp<L>[]) => void,
): Promise<void> {
  if (logs.length === 0) return;
  const { brokerId, sessionEpoch, settings } = context;
  const fileId = segmentFileId(brokerId, sessionEpoch, counter, context.random.u32());
  const plans: Plan<L>[] = [];
  for (let from = 0; from < logs.length; from += planLogsMax) {
    plans.push(...(await Promise.all(logs.slice(from, from + planLogsMax).map((log) => planLog(context, log)))));
    await turnOf(context.clock);
  }
  let bytes = 0;
  for (const { draft } of plans) for (const batch of draft.batches) bytes += batch.length;
  await announceFile(context, fileId, bytes);
  let rows: SegmentRow[];
  try {
    const { indexIntervalBytes, writeSliceBytes: sliceBytes } = settings;
    rows = await writeSegmentFile(
      { segments: context.segments, fileId, indexIntervalBytes, sliceBytes, turn: () => turnOf(context.clock) },
      plans.map((plan) => plan.draft),
    );
  } catch (error) {
    await removeFiles(context, [fileId]);
    throw error;
  }
  await publish(context, plans, rows, published);
}

/** Logs planned (and their small segments read) between two turns of the event loop. */
const planLogsMax = 64;

interface Plan<L extends RollUpLog> {
  readonly log: L;
  readonly draft: SegmentDraft;
  readonly replaced: readonly SegmentRow[];
  readonly fold: LogFold;
}

/** What of the log goes into the file: small last segments, then the batches, without what lies below the start. */
async function planLog<L extends RollUpLog>(context: RollUpContext, log: L): Promise<Plan<L>> {
  const { settings, clock } = context;
  const { segments, startOffset, endOffset } = log;
  const fold = log.fold.clone();
  const nowMs = clock.wallMs();
  for (const batch of log.batches) fold.add(readBatchHeader(batch), nowMs, settings);
  fold.producers.expire(nowMs, settings.producerIdExpirationMs);
  fold.epochs.forgetBefore(startOffset);
  let newBytes = 0;
  for (const batch of log.batches) newBytes += batch.length;
  let replaced = segmentsToMerge(segments, newBytes, settings.mergeBytesMax);
  let batches: Buffer[] = [];
  for (const row of replaced) {
    if (row.bytes === 0 || row.endOffset <= startOffset) continue;
    const merged = await readable(context.reader.all(row, (offset) => log.fold.epochs.at(offset)));
    if (!merged) {
      batches = [];
      // Only whole runs are merged; an empty last segment has to go all the same, and has nothing to lose.
      replaced = replaced.filter((one) => one.bytes === 0);
      break;
    }
    for (const batch of merged) if (lastOffset(batch, 0) >= startOffset) batches.push(batch);
  }
  for (const batch of log.batches) if (lastOffset(batch, 0) >= startOffset) batches.push(batch);
  const first = batches[0];
  const draft: SegmentDraft = {
    topicId: log.topicId,
    partition: log.partition,
    baseOffset: first ? baseOffset(first, 0) : endOffset,
    endOffset,
    batches,
    state: fold.snapshot(),
  };
  return { log, draft, replaced, fold };
}

/**
 * Undefined when the segment is damaged or cannot be read: it then stays where it is. A merge is for tidiness alone, and
 * one bad byte in one log must not keep the other logs of the broker from being rolled up, or recovered.
 */
async function readable(read: Promise<Buffer[]>): Promise<Buffer[] | undefined> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** Lets the event loop turn: requests come before maintenance. */
export function turnOf(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.endOfTurn(resolve));
}

/** On their way to the store at the same time: some hundred logs by one commit, without holding its lock for long. */
const transactionsTogetherMax = 8;

async function publish<L extends RollUpLog>(
  context: RollUpContext,
  plans: readonly Plan<L>[],
  rows: readonly SegmentRow[],
  published: (rolled: readonly RolledUp<L>[]) => void,
): Promise<void> {
  const changes: Change<L>[] = [];
  for (let next = 0; next < plans.length; ) {
    const change = changeOf(plans, rows, next, storeOpsMax - context.guard().length);
    changes.push(change);
    next += change.rolled.length;
  }
  for (let from = 0; from < changes.length; from += transactionsTogetherMax) {
    const some = changes.slice(from, from + transactionsTogetherMax);
    const emptied: string[] = [];
    await changeRowsTogether(context, some, (index, files) => {
      published(some[index]!.rolled);
      for (const emptiedId of files) emptied.push(emptiedId);
    });
    if (context.removesLater) for (const emptiedId of emptied) context.leftovers.add(emptiedId);
    else await removeFiles(context, emptied);
  }
}

interface Change<L extends RollUpLog> extends RowChangeSet {
  readonly rolled: readonly RolledUp<L>[];
}

/** The rows of as many logs from `first` on as one transaction holds. */
function changeOf<L extends RollUpLog>(
  plans: readonly Plan<L>[],
  rows: readonly SegmentRow[],
  first: number,
  opsMax: number,
): Change<L> {
  const rolled: RolledUp<L>[] = [];
  const ops: StoreOp[] = [];
  const files = new FileChanges();
  for (let next = first; next < plans.length; next++) {
    const { log, replaced, fold } = plans[next]!;
    const row = rows[next]!;
    // Its row, and at most a row and a file for each one that it replaces; the new file counts once.
    if (rolled.length > 0 && ops.length + files.byFile.size + 2 + 2 * replaced.length > opsMax) break;
    ops.push({ op: 'put', key: segmentKey(log.topicId, log.partition, row.baseOffset), value: encodeSegment(row) });
    files.add(row);
    for (const old of replaced) {
      files.remove(old);
      if (old.baseOffset === row.baseOffset) continue;
      ops.push({ op: 'delete', key: segmentKey(log.topicId, log.partition, old.baseOffset) });
    }
    rolled.push({ log, row, replaced, fold });
  }
  assert(ops.length + files.byFile.size <= opsMax, 'one log fits in a transaction');
  return { ops, files, rolled };
}
