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
import type { LogFold } from './log-fold.ts';
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
  readonly lastSegment: SegmentRow | undefined;
  /** Consecutive, the first at the published end. */
  readonly batches: readonly Buffer[];
  readonly endOffset: number;
  /** As of the published end; not changed. */
  readonly fold: LogFold;
}

export interface RolledUp<L extends RollUpLog> {
  readonly log: L;
  readonly row: SegmentRow;
  /** The row that it takes the place of, or undefined. */
  readonly replaced: SegmentRow | undefined;
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
  await publish(context, fileId, plans, rows, published);
}

/** Logs planned (and their small segments read) between two turns of the event loop. */
const planLogsMax = 64;

interface Plan<L extends RollUpLog> {
  readonly log: L;
  readonly draft: SegmentDraft;
  readonly replaced: SegmentRow | undefined;
  readonly fold: LogFold;
}

/** What of the log goes into the file: a small last segment, then the batches, without what lies below the start. */
async function planLog<L extends RollUpLog>(context: RollUpContext, log: L): Promise<Plan<L>> {
  const { settings, clock } = context;
  const { lastSegment: last, startOffset, endOffset } = log;
  const fold = log.fold.clone();
  const nowMs = clock.wallMs();
  for (const batch of log.batches) fold.add(readBatchHeader(batch), nowMs, settings);
  fold.producers.expire(nowMs, settings.producerIdExpirationMs);
  fold.epochs.forgetBefore(startOffset);
  // An empty segment of the same base would take the same key as its successor, so it is always replaced.
  let merges = last !== undefined && (last.bytes < settings.mergeBytesMax || last.bytes === 0);
  const batches: Buffer[] = [];
  if (merges && last!.bytes > 0 && last!.endOffset > startOffset) {
    const merged = await readable(context.reader.all(last!, (offset) => log.fold.epochs.at(offset)));
    if (merged) for (const batch of merged) if (lastOffset(batch, 0) >= startOffset) batches.push(batch);
    merges = merged !== undefined;
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
  return { log, draft, replaced: merges ? last : undefined, fold };
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
function turnOf(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.endOfTurn(resolve));
}

/** The guard, the new file, and per log a new row, an old row and an old file. */
const opsPerLogMax = 3;
/** On their way to the store at the same time: some hundred logs by one commit, without holding its lock for long. */
const transactionsTogetherMax = 8;

async function publish<L extends RollUpLog>(
  context: RollUpContext,
  fileId: string,
  plans: readonly Plan<L>[],
  rows: readonly SegmentRow[],
  published: (rolled: readonly RolledUp<L>[]) => void,
): Promise<void> {
  const logsPerTransaction = Math.floor((storeOpsMax - context.guard().length - 1) / opsPerLogMax);
  assert(logsPerTransaction > 0, 'the guard leaves room for rows');
  const changes: { readonly change: RowChangeSet; readonly rolled: readonly RolledUp<L>[] }[] = [];
  for (let from = 0; from < plans.length; from += logsPerTransaction) {
    changes.push(changeOf(fileId, plans.slice(from, from + logsPerTransaction), rows.slice(from)));
  }
  for (let from = 0; from < changes.length; from += transactionsTogetherMax) {
    const some = changes.slice(from, from + transactionsTogetherMax);
    const emptied: string[] = [];
    const sets = some.map(({ change }) => change);
    await changeRowsTogether(context, sets, (index, files) => {
      published(some[index]!.rolled);
      for (const emptiedId of files) emptied.push(emptiedId);
    });
    if (context.removesLater) for (const emptiedId of emptied) context.leftovers.add(emptiedId);
    else await removeFiles(context, emptied);
  }
}

/** The rows of some logs: `rows` begins with theirs. */
function changeOf<L extends RollUpLog>(
  fileId: string,
  plans: readonly Plan<L>[],
  rows: readonly SegmentRow[],
): { readonly change: RowChangeSet; readonly rolled: readonly RolledUp<L>[] } {
  const rolled: RolledUp<L>[] = [];
  const ops: StoreOp[] = [];
  const files = new Map<string, number>();
  for (const [i, { log, replaced, fold }] of plans.entries()) {
    const row = rows[i]!;
    ops.push({ op: 'put', key: segmentKey(log.topicId, log.partition, row.baseOffset), value: encodeSegment(row) });
    files.set(fileId, (files.get(fileId) ?? 0) + 1);
    if (replaced) {
      files.set(replaced.fileId, (files.get(replaced.fileId) ?? 0) - 1);
      if (replaced.baseOffset !== row.baseOffset) {
        ops.push({ op: 'delete', key: segmentKey(log.topicId, log.partition, replaced.baseOffset) });
      }
    }
    rolled.push({ log, row, replaced, fold });
  }
  return { change: { ops, files }, rolled };
}
