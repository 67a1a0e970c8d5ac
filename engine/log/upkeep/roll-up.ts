/**
 * Moves what only a write-ahead log holds into the segment store. The broker does it when its log has grown, a planned
 * move for the logs that leave, recovery for a session that died: the same code, so a crash at any point is finished by
 * running it again.
 *
 *   announce the file ── write and sync it ── publish the rows, some logs per transaction ── the caller drops its copy
 *
 * Where the bytes need not be copied (`places`), the file refers to the log's chunks instead (pieced-file.ts): a log that
 * changes its owner, or lost it, is published in the time of a small sync, and its bytes are written again later, when
 * nobody waits (compact-files.ts).
 *
 * A crash before the first publication leaves an empty file that a sweep removes; one in between leaves some logs
 * published, whose batches the next run finds below their published end and skips.
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
   * Somebody waits for the end of it: small segments are left to the next roll-up to merge, and files that are emptied in
   * `leftovers`.
   */
  readonly isUrgent?: true;
  /**
   * Says that all is published. It takes the guard's place, with the same condition, where one transaction publishes all: who
   * waits for both then waits for one commit. Where it takes several, the caller writes it behind them.
   */
  readonly seal?: StoreOp;
  /**
   * Publication alone excludes what else changes the logs' rows: the file is written while they serve, are released or
   * deleted, and what is not as it was by then is left out. Absent where nothing else goes on.
   */
  exclusive?<T>(task: () => Promise<T>): Promise<T>;
}

/** Where the bytes of a batch lie already, for good. */
export interface BatchPlace {
  readonly path: string;
  readonly position: number;
}

/** A log with batches to move. */
export interface RollUpLog {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly startOffset: number;
  /** The newest of what is published, oldest first; as many as a merge may take. */
  readonly segments: readonly PublishedSegment[];
  /** Consecutive, the first at the published end. */
  readonly batches: readonly Buffer[];
  /** One for each of the batches, undefined for one that has to be written all the same; absent where all have to be. */
  readonly places?: readonly (BatchPlace | undefined)[];
  readonly endOffset: number;
  /** As of the published end; not changed. */
  readonly fold: LogFold;
  /** Whether the log still has the batches, and `replaced` at its end. Absent where nothing else goes on. */
  isCurrent?(replaced: readonly PublishedSegment[]): boolean;
}

export interface RolledUp<L extends RollUpLog> {
  readonly log: L;
  readonly row: PublishedSegment;
  /** The rows that it takes the place of: the last ones, or none. */
  readonly replaced: readonly PublishedSegment[];
  /** As of the row's end; `state` is what was written of it. */
  readonly fold: LogFold;
  readonly state: StateSnapshot;
}

/**
 * Writes one file and publishes it; `published` is called for every transaction that has been applied, at once, so that
 * a failure later on leaves memory and rows in step. Resolves with whether `seal` is written. Throws SessionFenced, DiskFull, DiskFault and the store's failures.
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
 * Announces a file that a roll-up will fill later, and returns its id: a release does this while its logs still serve, so
 * that their pause is shorter by one write. One that is then not filled is for the caller to remove.
 */
export async function announceAhead(context: RollUpContext, counter: number, isPieced: boolean): Promise<string> {
  const fileId = newFileId(context, counter, isPieced && context.segments.createPieced !== undefined);
  // How much it will hold shows when that is published.
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

/** Undefined where the batches cannot be kept by reference: they are written then, as ever. */
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
  // Before it has any name on the disk, as for every file.
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

/** What of the log goes into the file: small last segments, then the batches, without what lies below the start. */
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
  // To merge is to write; who refers to what is written does without, but for an empty segment whose key it takes.
  let replaced = segmentsToMerge(segments, newBytes, refers || context.isUrgent ? 0 : settings.mergeBytesMax);
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

/** 'nothing': there was nothing left to publish. */
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
  /** The first that did not fit. */
  readonly next: number;
}

/** The rows of as many logs from `first` on as one transaction holds, without those that went on meanwhile. */
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
    // Its row, and at most a row and a file for each one that it replaces; the new file counts once.
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
