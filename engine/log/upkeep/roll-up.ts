/**
 * Moves data that only a write-ahead log holds into the segment store. The broker does it when its log has grown, a planned
 * move for the logs that leave, recovery for a session that died. All use the same code, so after a crash at any point
 * running it again finishes the work.
 *
 *   announce the file ── write and sync it ── publish the rows, some logs per transaction ── the caller drops its copy
 *
 * Where the bytes need not be copied (`places`), the file refers to the log's chunks instead (pieced-file.ts). A log that
 * changes its owner, or lost it, is then published in the time of a small sync, and its bytes are copied later, when nobody
 * waits (compact-files.ts).
 *
 * A crash before the first publication leaves an empty file that a sweep removes. A crash in between leaves some logs
 * published: the next run finds their batches below their published end and skips them.
 */
import { assert } from '../../kernel/assert.ts';
import type { Clock } from '../../kernel/clock.ts';
import { Failure } from '../../kernel/failure.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { type StoreOp, storeOpsMax } from '../../ports.ts';
import { baseOffset, lastOffset, readBatchHeader } from '../../records/batch.ts';
import {
  announceFile,
  changeRowsTogether,
  type RowChangeSet,
  removeFiles,
  removeSwept,
  type RowContext,
} from '../rows/change-rows.ts';
import { FileChanges } from '../rows/file-changes.ts';
import { SessionFenced } from '../log.ts';
import type { LogFold } from '../fold/log-fold.ts';
import { segmentsToMerge } from '../segments/merge-segments.ts';
import { isPieced, piecedFileId, segmentFileId } from '../rows/segment-file.ts';
import { deleteSegment, type PublishedSegment, putSegment, type SegmentRow } from '../rows/segment.ts';
import { type SegmentDraft, type SegmentFileOptions, writeSegmentFile } from '../segments/segment-file.ts';
import type { StateSnapshot } from '../segments/segment-format.ts';
import type { SegmentReader } from '../segments/segment-reader.ts';

export interface RollUpContext extends RowContext {
  readonly brokerId: number;
  readonly sessionEpoch: number;
  readonly reader: SegmentReader;
  /**
   * Somebody waits for the end of it: merging small segments is left to the next roll-up, and emptied files go to
   * `leftovers`.
   */
  readonly isUrgent?: true;
  /**
   * Marks that everything is published. When one transaction publishes all, it takes the guard's place, with the same
   * condition, so that whoever waits for both waits for one commit. When it takes several, the caller writes it afterwards.
   */
  readonly seal?: StoreOp;
  /**
   * Runs only the publication exclusively of other changes to the logs' rows. The file is written while the logs serve, are
   * released or deleted; logs that have changed by then are left out. Absent where nothing else is running.
   */
  exclusive?<T>(task: () => Promise<T>): Promise<T>;
}

/** Where the bytes of a batch are stored already, for good. */
export interface BatchPlace {
  readonly path: string;
  readonly position: number;
}

/** A log with batches to move. */
export interface RollUpLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly startOffset: number;
  /** The newest published segments, oldest first; as many as a merge may take. */
  readonly segments: readonly PublishedSegment[];
  /** Consecutive; the first begins at the published end. */
  readonly batches: readonly Buffer[];
  /** One for each batch, undefined for a batch that must be written anyway; absent where all must be. */
  readonly places?: readonly (BatchPlace | undefined)[];
  readonly endOffset: number;
  /** State as of the published end; not modified. */
  readonly fold: LogFold;
  /** Whether the log still has the batches, and `replaced` at its end. Absent where nothing else is running. */
  isCurrent?(replaced: readonly PublishedSegment[]): boolean;
}

export interface RolledUp<L extends RollUpLog> {
  readonly log: L;
  readonly row: PublishedSegment;
  /** The rows that it replaces: the last ones, or none. */
  readonly replaced: readonly PublishedSegment[];
  /** State as of the row's end; `state` is the part that was written. */
  readonly fold: LogFold;
  readonly state: StateSnapshot;
}

/**
 * Writes one file and publishes it. Calls `published` at once for every transaction that was applied, so that a later
 * failure leaves memory and rows in step. Resolves with whether `seal` is written. Throws SessionFenced, DiskFull,
 * DiskFault and the store's failures.
 */
export async function rollUp<L extends RollUpLog>(
  context: RollUpContext,
  logs: readonly L[],
  counter: number,
  published: (rolled: readonly RolledUp<L>[]) => void,
  announced?: string,
): Promise<boolean> {
  if (logs.length === 0) return false;
  const refers = context.segments.createPieced !== undefined && logs.every((log) => log.places);
  const plans: Plan<L>[] = [];
  const { logsTogetherMax } = context.settings;
  for (let from = 0; from < logs.length; from += logsTogetherMax) {
    const some = logs.slice(from, from + logsTogetherMax);
    plans.push(...(await Promise.all(some.map((log) => planLog(context, log, refers)))));
    await turnOf(context.clock);
  }
  const written =
    (refers && (await writePieced(context, plans, counter, announced))) ||
    (await writeFile(context, plans, counter, announced));
  let outcome: 'nothing' | 'published' | 'sealed';
  try {
    outcome = await publish(context, plans, written.rows, published);
  } catch (error) {
    if (error instanceof SessionFenced) await removeSwept(context, written.fileId);
    throw error;
  }
  if (outcome === 'nothing') await removeFiles(context, [written.fileId]);
  return outcome === 'sealed';
}

interface WrittenFile {
  readonly fileId: string;
  /** In the order of the plans. */
  readonly rows: readonly SegmentRow[];
}

/**
 * Announces a file that a roll-up will fill later, and returns its id. A release does this while its logs still serve,
 * which shortens their pause by one write. If the file is then not filled, the caller must remove it.
 */
export async function announceAhead(context: RollUpContext, counter: number, isPieced: boolean): Promise<string> {
  const fileId = newFileId(context, counter, isPieced && context.segments.createPieced !== undefined);
  // Its size is known only when it is published.
  await announceFile(context, fileId, 0);
  return fileId;
}

function newFileId({ brokerId, sessionEpoch, random }: RollUpContext, counter: number, pieced: boolean): string {
  const fileId = segmentFileId(brokerId, sessionEpoch, counter, random.u32());
  return pieced ? piecedFileId(fileId) : fileId;
}

async function writeFile(
  context: RollUpContext,
  plans: readonly Plan<RollUpLog>[],
  counter: number,
  announced: string | undefined,
): Promise<WrittenFile> {
  const isAnnounced = announced !== undefined && !isPieced(announced);
  const fileId = isAnnounced ? announced : newFileId(context, counter, false);
  if (!isAnnounced) await announceFile(context, fileId, bytesOf(plans));
  try {
    const drafts = plans.map(({ draft }) => draft);
    return { fileId, rows: await writeSegmentFile(fileOptions(context, fileId), drafts) };
  } catch (error) {
    await removeFiles(context, [fileId]);
    throw error;
  }
}

/** Undefined where the batches cannot be kept by reference: then they are written as usual. */
async function writePieced(
  context: RollUpContext,
  plans: readonly Plan<RollUpLog>[],
  counter: number,
  announced: string | undefined,
): Promise<WrittenFile | undefined> {
  const sources = new Map<string, number>();
  for (const { draft } of plans) {
    for (const place of draft.places!) {
      if (place && !sources.has(place.path)) sources.set(place.path, sources.size);
    }
  }
  const isAnnounced = announced !== undefined && isPieced(announced);
  const fileId = isAnnounced ? announced : newFileId(context, counter, true);
  // Before the file has any name on the disk, as for every file.
  if (!isAnnounced) await announceFile(context, fileId, bytesOf(plans));
  try {
    const file = context.segments.createPieced!(fileId, [...sources.keys()]);
    if (file) {
      const pieced = { file, sources };
      const rows = await writeSegmentFile(
        { ...fileOptions(context, fileId), pieced },
        plans.map(({ draft }) => draft),
      );
      return { fileId, rows };
    }
  } catch (error) {
    await removeFiles(context, [fileId]);
    throw error;
  }
  await removeFiles(context, [fileId]);
  return undefined;
}

function fileOptions(context: RollUpContext, fileId: string): SegmentFileOptions {
  const { segments, settings, clock } = context;
  const { indexIntervalBytes, writeSliceBytes: sliceBytes } = settings;
  return { segments, fileId, indexIntervalBytes, sliceBytes, turn: () => turnOf(clock) };
}

function bytesOf(plans: readonly Plan<RollUpLog>[]): number {
  let bytes = 0;
  for (const { draft } of plans) for (const batch of draft.batches) bytes += batch.length;
  return bytes;
}

interface Plan<L extends RollUpLog> {
  readonly log: L;
  readonly draft: SegmentDraft;
  readonly replaced: readonly PublishedSegment[];
  readonly fold: LogFold;
}

/** What goes into the file for one log: small last segments, then the batches, without what lies below the start. */
async function planLog<L extends RollUpLog>(context: RollUpContext, log: L, refers: boolean): Promise<Plan<L>> {
  const { settings, clock } = context;
  const { segments, startOffset, endOffset } = log;
  const fold = log.fold.clone();
  const nowMs = clock.wallMs();
  for (const batch of log.batches) fold.add(readBatchHeader(batch), nowMs, settings);
  fold.producers.expire(nowMs, settings.producerIdExpirationMs);
  fold.epochs.forgetBefore(startOffset);
  let newBytes = 0;
  for (const batch of log.batches) newBytes += batch.length;
  // Merging means writing. A roll-up by reference does not merge, except for an empty segment whose key it takes over.
  let replaced = segmentsToMerge(segments, newBytes, refers || context.isUrgent ? 0 : settings.mergeBytesMax);
  let batches: Buffer[] = [];
  for (const row of replaced) {
    if (row.bytes === 0 || row.endOffset <= startOffset) continue;
    const merged = await readable(context.reader.all(row, (offset) => log.fold.epochs.at(offset)));
    if (!merged) {
      batches = [];
      // Only whole runs are merged. An empty last segment must still go, and has nothing to lose.
      replaced = replaced.filter((one) => one.bytes === 0);
      break;
    }
    for (const batch of merged) if (lastOffset(batch, 0) >= startOffset) batches.push(batch);
  }
  const places: (BatchPlace | undefined)[] = [];
  for (const [i, batch] of log.batches.entries()) {
    if (lastOffset(batch, 0) < startOffset) continue;
    batches.push(batch);
    if (refers) places.push(log.places![i]);
  }
  const first = batches[0];
  const draft: SegmentDraft = {
    topicId: log.topicId,
    partition: log.partition,
    baseOffset: first ? baseOffset(first, 0) : endOffset,
    endOffset,
    batches,
    ...(refers ? { places } : {}),
    state: fold.snapshot(),
  };
  return { log, draft, replaced, fold };
}

/**
 * Undefined when the segment is damaged or cannot be read; it then stays where it is. A merge only tidies up, and one bad
 * byte in one log must not keep the broker's other logs from being rolled up or recovered.
 */
async function readable(read: Promise<Buffer[]>): Promise<Buffer[] | undefined> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** Lets the event loop turn, because requests come before maintenance. */
export function turnOf(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.endOfTurn(resolve));
}

/** Returns 'nothing' when there was nothing left to publish. */
async function publish<L extends RollUpLog>(
  context: RollUpContext,
  plans: readonly Plan<L>[],
  rows: readonly SegmentRow[],
  published: (rolled: readonly RolledUp<L>[]) => void,
): Promise<'nothing' | 'published' | 'sealed'> {
  const due = plans.map(({ log, draft, replaced, fold }, i): Due<L> => {
    const { state } = draft;
    const row = rows[i]!;
    const sameKey = replaced.find((one) => one.baseOffset === row.baseOffset);
    const { op, published: inStore } = putSegment(log.topicId, log.partition, row, state, sameKey);
    return { log, row: inStore, replaced, fold, state, put: op };
  });
  const { seal, settings } = context;
  const { segmentsPerTransactionMax: logsMax, transactionsTogetherMax } = settings;
  if (seal) {
    const whole = changeOf(due, 0, storeOpsMax - 1, logsMax);
    if (whole.rolled.length === due.length) {
      await publishTogether({ ...context, guard: () => [seal] }, [whole], published);
      return 'sealed';
    }
  }
  let isUsed = false;
  for (let next = 0; next < due.length; ) {
    const some = async (): Promise<void> => {
      const opsMax = storeOpsMax - context.guard().length;
      const changes: Change<L>[] = [];
      while (next < due.length && changes.length < transactionsTogetherMax) {
        const change = changeOf(due, next, opsMax, logsMax);
        next = change.next;
        if (change.rolled.length > 0) changes.push(change);
      }
      if (changes.length === 0) return;
      isUsed = true;
      await publishTogether(context, changes, published);
    };
    await (context.exclusive ? context.exclusive(some) : some());
  }
  return isUsed ? 'published' : 'nothing';
}

async function publishTogether<L extends RollUpLog>(
  context: RollUpContext,
  changes: readonly Change<L>[],
  published: (rolled: readonly RolledUp<L>[]) => void,
): Promise<void> {
  const emptied: string[] = [];
  await changeRowsTogether(context, changes, (index, files) => {
    published(changes[index]!.rolled);
    for (const emptiedId of files) emptied.push(emptiedId);
  });
  if (context.isUrgent) for (const emptiedId of emptied) context.leftovers.add(emptiedId);
  else await removeFiles(context, emptied);
}

interface Due<L extends RollUpLog> extends RolledUp<L> {
  readonly put: StoreOp;
}

interface Change<L extends RollUpLog> extends RowChangeSet {
  readonly rolled: readonly RolledUp<L>[];
  /** The first log that did not fit. */
  readonly next: number;
}

/** The rows of as many logs from `first` on as fit in one transaction, without those that have changed meanwhile. */
function changeOf<L extends RollUpLog>(
  due: readonly Due<L>[],
  first: number,
  opsMax: number,
  logsMax: number,
): Change<L> {
  const rolled: RolledUp<L>[] = [];
  const ops: StoreOp[] = [];
  const files = new FileChanges();
  let next = first;
  for (; next < due.length; next++) {
    const one = due[next]!;
    const { log, row, replaced, put } = one;
    if (log.isCurrent && !log.isCurrent(replaced)) continue;
    if (rolled.length === logsMax) break;
    // The log's row, and at most a row and a file for each segment it replaces; the new file counts once.
    if (rolled.length > 0 && ops.length + files.byFile.size + 2 + 2 * replaced.length > opsMax) break;
    ops.push(put);
    files.add(row);
    for (const old of replaced) {
      files.remove(old);
      if (old.baseOffset === row.baseOffset) continue;
      ops.push(deleteSegment(log.topicId, log.partition, old));
    }
    rolled.push(one);
  }
  assert(ops.length + files.byFile.size <= opsMax, 'one log fits in a transaction');
  return { ops, files, rolled, next };
}
