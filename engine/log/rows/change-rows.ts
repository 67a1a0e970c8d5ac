/**
 * Every change of a log's rows goes through here. It adds the session's guard, keeps the counters of segment files exact,
 * keeps trying while the store is slow or unreachable, and removes files that no row points to any more.
 */
import { assert } from '../../kernel/assert.ts';
import { type Clock, sleep } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import {
  DiskFault,
  type MetadataStore,
  type Row,
  StoreAmbiguous,
  type SegmentStore,
  SegmentsUnavailable,
  StoreConflict,
  type StoreOp,
} from '../../ports.ts';
import { Failure } from '../../kernel/failure.ts';
import type { FileChanges } from './file-changes.ts';
import { LogRowsChanged, SessionFenced } from '../log.ts';
import {
  decodeSegmentFile,
  encodeSegmentFile,
  isFileUsed,
  type SegmentFileRow,
  segmentFileKey,
  segmentFilePk,
} from './segment-file.ts';
import type { LogSettings } from '../settings.ts';

export interface RowContext {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LogSettings;
  readonly segments: SegmentStore;
  guard(): readonly StoreOp[];
  /** Emptied files whose removal failed; they will be tried again. */
  readonly leftovers: Set<string>;
  /** The file is about to be removed: close it if it is open. */
  onRemove(fileId: string): void;
}

/**
 * Repeats a store call while its failure is temporary, for at most storeRetryTotalMsMax. Then throws the last failure, or
 * StoreAmbiguous if any attempt ended so: a later refusal does not undo an attempt that was applied.
 */
export async function withRetries<T>(context: RowContext, call: () => Promise<T>): Promise<T> {
  const { clock, settings } = context;
  const giveUpMs = clock.monotonicMs() + settings.storeRetryTotalMsMax;
  let ambiguous: StoreAmbiguous | undefined;
  for (let waitMs = settings.storeRetryMs; ; waitMs = Math.min(waitMs * 2, settings.storeRetryMsMax)) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof Failure && error.retryable)) throw error;
      if (error instanceof StoreAmbiguous) ambiguous = error;
      if (clock.monotonicMs() + waitMs > giveUpMs) throw ambiguous ?? error;
      await sleep(clock, waitMs);
    }
  }
}

/** All rows of a partition key between `from` and `to`, or from `from` on. */
export async function allRows(context: RowContext, pk: string, from: string, to?: string): Promise<Row[]> {
  const rows: Row[] = [];
  const span = to === undefined ? { from } : { from, to };
  let cursor: string | undefined;
  do {
    const options = cursor === undefined ? span : { ...span, cursor };
    const page = await withRetries(context, () => context.store.range(pk, options));
    for (const row of page.rows) rows.push(row);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return rows;
}

export interface RowChangeSet {
  /**
   * Puts and deletes of log rows, each with what its writer expects to find. At most storeOpsMax operations together with
   * the guard and the files.
   */
  readonly ops: readonly StoreOp[];
  readonly files: FileChanges;
}

/**
 * Applies one change set atomically. Returns the files that no row points to any more; the caller passes them to
 * removeFiles once readers have been sent elsewhere. Throws SessionFenced when the guard does not hold, LogRowsChanged when
 * a row is not as the change expects it, and the store's failures when it stays away. After StoreAmbiguous it is unknown
 * whether the change happened: only a caller that reads the rows again may go on.
 */
export async function changeRows(context: RowContext, change: RowChangeSet): Promise<readonly string[]> {
  let emptied: readonly string[] = [];
  await changeRowsTogether(context, [change], (_index, files) => (emptied = files));
  return emptied;
}

/**
 * Sends several change sets at the same time, each atomic by itself: a store that groups concurrent transactions makes them
 * durable with one sync. Each expects the file counters as the ones before it leave them; one that finds other counters is
 * sent again with what it found. `applied` is called for each success, even when the failure of another is thrown
 * afterwards, and in order as far as they succeed in the same round. Fails as changeRows does.
 */
export async function changeRowsTogether(
  context: RowContext,
  changes: readonly RowChangeSet[],
  applied: (index: number, emptied: readonly string[]) => void,
): Promise<void> {
  let left = changes.map((_, index) => index);
  while (left.length > 0) {
    const files = await readFileRows(
      context,
      new Set(left.flatMap((index) => [...changes[index]!.files.byFile.keys()])),
    );
    const guard = context.guard();
    const due = left.map((index) => ({ index, ...withCounters(changes[index]!, guard, files) }));
    const outcomes = await Promise.allSettled(
      due.map(({ ops }) => {
        // The token makes a repeat after a lost answer harmless. Different operations need a different token.
        const token = context.random.bytes(12).toString('base64url');
        return withRetries(context, () => context.store.transact(ops, token));
      }),
    );
    left = [];
    let failure: unknown;
    for (const [i, outcome] of outcomes.entries()) {
      const { index, emptied } = due[i]!;
      if (outcome.status === 'fulfilled') applied(index, emptied);
      else if (!(outcome.reason instanceof StoreConflict)) failure ??= outcome.reason;
      else {
        const refused = refusalOf(outcome.reason, guard.length, changes[index]!);
        if (refused) failure ??= refused;
        else left.push(index);
      }
    }
    if (failure !== undefined) throw failure;
  }
}

/** Undefined when only a file's counter has changed. */
function refusalOf({ index, current }: StoreConflict, guards: number, { ops }: RowChangeSet): Failure | undefined {
  if (index < guards) return new SessionFenced('the session row has changed');
  const op = ops[index - guards];
  return op && new LogRowsChanged(op.key, current);
}

/** The operations of one change set plus its file counters. Updates `files` to the state that the change set leaves. */
function withCounters(
  change: RowChangeSet,
  guard: readonly StoreOp[],
  files: Map<string, FileState>,
): { readonly ops: readonly StoreOp[]; readonly emptied: readonly string[] } {
  const ops = [...guard, ...change.ops];
  const emptied: string[] = [];
  for (const [fileId, delta] of change.files.byFile) {
    const file = files.get(fileId);
    // A file is swept only after the session that was writing it is over.
    if (delta.segments > 0 && (file?.swept ?? true)) throw new SessionFenced(`segment file ${fileId} was swept`);
    if (!file) continue;
    const { version } = file;
    const segments = file.segments + delta.segments;
    const liveBytes = file.liveBytes + delta.bytes;
    // The file may have been announced before its size was known.
    const bytes = Math.max(file.bytes, liveBytes);
    assert(segments >= 0, 'a segment is dropped once');
    if (segments === 0) emptied.push(fileId);
    // Claimed in the same transaction: if we die before the file is removed, sweepEmptied can tell it from one that was
    // just announced.
    const value = encodeSegmentFile({ bytes, segments, liveBytes, ...(segments === 0 ? { swept: true } : {}) });
    ops.push({ op: 'put', key: segmentFileKey(fileId), value, if: { version } });
    files.set(fileId, { bytes, segments, liveBytes, swept: segments === 0, version: version + 1 });
  }
  return { ops, emptied };
}

/** The row for a file that is about to be written. */
export function announcement(fileId: string, bytes: number): StoreOp {
  const value = encodeSegmentFile({ bytes, segments: 0, liveBytes: 0 });
  return { op: 'put', key: segmentFileKey(fileId), value, if: { absent: true } };
}

/** Announces a file before it is written, so that a crash leaves a row to clean up by. */
export async function announceFile(context: RowContext, fileId: string, bytes: number): Promise<void> {
  const guard = context.guard();
  const token = context.random.bytes(12).toString('base64url');
  try {
    await withRetries(context, () => context.store.transact([...guard, announcement(fileId, bytes)], token));
  } catch (error) {
    if (error instanceof StoreConflict && error.index < guard.length) {
      throw new SessionFenced('the session row has changed');
    }
    throw error;
  }
}

/**
 * Removes emptied files. The rows that matter are written, so a failure here does not fail the change: files that could not
 * be removed are remembered, and the next call tries again. A call ends at its first failure, because the next file mostly
 * meets it too. The file that failed then comes last, so that one that can never be removed keeps no other from it.
 */
export async function removeFiles(context: RowContext, fileIds: readonly string[]): Promise<void> {
  for (const fileId of fileIds) context.leftovers.add(fileId);
  for (const fileId of context.leftovers) {
    try {
      await removeFile(context, fileId);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      context.leftovers.delete(fileId);
      context.leftovers.add(fileId);
      return;
    }
    context.leftovers.delete(fileId);
  }
}

/**
 * Removes a file with no live segment, then its row. In this order, a crash in between leaves a row without a file, which a
 * sweep understands. The row is deleted only if nobody has counted a segment in since.
 */
async function removeFile(context: RowContext, fileId: string): Promise<void> {
  const key = segmentFileKey(fileId);
  const row = await withRetries(context, () => context.store.get(key));
  if (!row || isFileUsed(row.value)) return;
  context.onRemove(fileId);
  await context.segments.remove(fileId);
  try {
    await withRetries(context, () => context.store.transact([{ op: 'delete', key, if: { version: row.version } }]));
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error;
  }
}

/**
 * Called after a fence. The new owner may have swept the file's row, and looked for the file, before the file was created,
 * because the answer to the announcement came late. Then nobody else would ever find the file. Nothing can point to a swept
 * file, so it is safe to remove.
 */
export async function removeSwept(context: RowContext, fileId: string): Promise<void> {
  try {
    const row = await withRetries(context, () => context.store.get(segmentFileKey(fileId)));
    if (row && decodeSegmentFile(row.value)?.swept !== true) return;
    context.onRemove(fileId);
    await context.segments.remove(fileId);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

/**
 * Removes files, of any session, that were emptied by a session that died before removing them. Files that were announced
 * and not published yet are not claimed, so they stay.
 */
export async function sweepEmptied(context: RowContext): Promise<void> {
  const rows = await allRows(context, segmentFilePk, 'b', 'b~');
  const isEmptied = (file: SegmentFileRow | undefined): boolean => file?.segments === 0 && file.swept === true;
  const emptied = rows.filter((row) => isEmptied(decodeSegmentFile(row.value)));
  await removeFiles(
    context,
    emptied.map(({ sk }) => sk),
  );
}

/**
 * Removes a session's files without a live segment: their roll-ups died between announcing and publishing. One that cannot be
 * removed stays claimed, and sweepEmptied of a later session tries again: the end of a session, or the recovery of one, must
 * not wait for it. When the segment store is away, no further file is tried.
 */
export async function sweepFiles(context: RowContext, prefix: string): Promise<number> {
  // '~' sorts after every character of a file id.
  const rows = await allRows(context, segmentFilePk, prefix, `${prefix}~`);
  const empty = rows.flatMap((row) => {
    const file = decodeSegmentFile(row.value);
    return file?.segments === 0 ? [{ row, file }] : [];
  });
  let isAway = false;
  for (const { row, file } of empty) {
    // Claim it first: a roll-up of the same session that still runs must not publish into a file that is about to be
    // removed.
    const value = encodeSegmentFile({ ...file, swept: true });
    const claim: StoreOp = { op: 'put', key: segmentFileKey(row.sk), value, if: { version: row.version } };
    const token = context.random.bytes(12).toString('base64url');
    try {
      await withRetries(context, () => context.store.transact([...context.guard(), claim], token));
    } catch (error) {
      if (error instanceof StoreConflict) continue;
      throw error;
    }
    if (isAway) continue;
    try {
      await removeFile(context, row.sk);
    } catch (error) {
      isAway = error instanceof SegmentsUnavailable;
      if (!isAway && !(error instanceof DiskFault)) throw error;
    }
  }
  return empty.length;
}

interface FileState {
  readonly bytes: number;
  readonly segments: number;
  readonly liveBytes: number;
  readonly swept: boolean;
  readonly version: number;
}

async function readFileRows(context: RowContext, fileIds: Iterable<string>): Promise<Map<string, FileState>> {
  const files = new Map<string, FileState>();
  await Promise.all(
    [...fileIds].map(async (fileId) => {
      const row = await withRetries(context, () => context.store.get(segmentFileKey(fileId)));
      const file = row && decodeSegmentFile(row.value);
      if (!file) return;
      const { bytes, segments, liveBytes = segments === 0 ? 0 : bytes, swept = false } = file;
      files.set(fileId, { bytes, segments, liveBytes, swept, version: row.version });
    }),
  );
  return files;
}
