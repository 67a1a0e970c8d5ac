/**
 * Every change of a log's rows goes through here: it carries the session's guard, keeps the counters of segment files
 * exact, rides out a store that is slow or away, and removes files that nothing points into any more.
 */
import { assert } from '../../kernel/assert.ts';
import { type Clock, sleep } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import {
  type MetadataStore,
  type Row,
  StoreAmbiguous,
  type SegmentStore,
  StoreConflict,
  type StoreOp,
} from '../../ports.ts';
import { Failure } from '../../kernel/failure.ts';
import type { FileChanges } from './file-changes.ts';
import { LogRowsChanged, SessionFenced } from '../log.ts';
import { decodeSegmentFile, encodeSegmentFile, segmentFileKey, segmentFilePk } from './segment-file.ts';
import type { LogSettings } from '../settings.ts';

export interface RowContext {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: LogSettings;
  readonly segments: SegmentStore;
  guard(): readonly StoreOp[];
  /** Emptied files whose removal failed, for another attempt. */
  readonly leftovers: Set<string>;
  /** A file is about to be removed: close it if it is open. */
  onRemove(fileId: string): void;
}

/**
 * Repeats a call to the store while its failure is a passing one, at most storeRetryTotalMsMax. Then throws the last
 * failure, or StoreAmbiguous if any attempt ended so: one that was applied is not undone by a later refusal.
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
   * Puts and deletes of log rows, each with what its writer expects to find there. With the guard and the files at most
   * storeOpsMax operations.
   */
  readonly ops: readonly StoreOp[];
  readonly files: FileChanges;
}

/**
 * Applies one change set atomically; returns the files that nothing points into any more, for removeFiles once readers
 * have been sent elsewhere. Throws SessionFenced when the guard does not hold, LogRowsChanged when a row is not as the
 * change expects it, and the store's failures when it stays away: after StoreAmbiguous whether the change happened is
 * unknown, and only who reads the rows again may go on.
 */
export async function changeRows(context: RowContext, change: RowChangeSet): Promise<readonly string[]> {
  let emptied: readonly string[] = [];
  await changeRowsTogether(context, [change], (_index, files) => (emptied = files));
  return emptied;
}

/**
 * Several change sets, each atomic by itself, on their way at the same time: a store that groups what arrives together
 * makes them durable by one sync. Each expects the counters of files as the ones before it leave them; one that finds
 * others is sent again, by what it finds then. `applied` is called for each, in order as far as they succeed together,
 * also when another one's failure is thrown afterwards. Fails as changeRows does.
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
        // The token makes a repeat after a lost answer harmless; other operations need another one.
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

/** Undefined when it is only the counter of a file that has changed. */
function refusalOf({ index, current }: StoreConflict, guards: number, { ops }: RowChangeSet): Failure | undefined {
  if (index < guards) return new SessionFenced('the session row has changed');
  const op = ops[index - guards];
  return op && new LogRowsChanged(op.key, current);
}

/** The operations of one change set with the counters of its files; `files` moves on to what it leaves. */
function withCounters(
  change: RowChangeSet,
  guard: readonly StoreOp[],
  files: Map<string, FileState>,
): { readonly ops: readonly StoreOp[]; readonly emptied: readonly string[] } {
  const ops = [...guard, ...change.ops];
  const emptied: string[] = [];
  for (const [fileId, delta] of change.files.byFile) {
    const file = files.get(fileId);
    // A file is swept only once the session that was making it is over.
    if (delta.segments > 0 && (file?.swept ?? true)) throw new SessionFenced(`segment file ${fileId} was swept`);
    if (!file) continue;
    const { version } = file;
    const segments = file.segments + delta.segments;
    const liveBytes = file.liveBytes + delta.bytes;
    // One that was announced before it was known what it will hold.
    const bytes = Math.max(file.bytes, liveBytes);
    assert(segments >= 0, 'a segment is dropped once');
    if (segments === 0) emptied.push(fileId);
    // Claimed in the same transaction: should we die before it is removed, sweepEmptied knows it from one just announced.
    const value = encodeSegmentFile({ bytes, segments, liveBytes, ...(segments === 0 ? { swept: true } : {}) });
    ops.push({ op: 'put', key: segmentFileKey(fileId), value, if: { version } });
    files.set(fileId, { bytes, segments, liveBytes, swept: segments === 0, version: version + 1 });
  }
  return { ops, emptied };
}

/** The row of a file that is to be written. */
export function announcement(fileId: string, bytes: number): StoreOp {
  const value = encodeSegmentFile({ bytes, segments: 0, liveBytes: 0 });
  return { op: 'put', key: segmentFileKey(fileId), value, if: { absent: true } };
}

/** Announces a file before it is written, so that a crash leaves something to clean up by. */
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
 * Removes emptied files. The rows that mattered are written, so a failure here is no failure of the change: what could
 * not be removed is remembered and tried again with the next call.
 */
export async function removeFiles(context: RowContext, fileIds: readonly string[]): Promise<void> {
  for (const fileId of fileIds) context.leftovers.add(fileId);
  for (const fileId of context.leftovers) {
    try {
      await removeFile(context, fileId);
    } catch (error) {
      if (error instanceof Failure) return;
      throw error;
    }
    context.leftovers.delete(fileId);
  }
}

/**
 * Removes a file with no live segment, then its row: in this order a crash in between leaves a row without a file, which
 * a sweep understands. The row goes only if nobody has counted a segment in since.
 */
async function removeFile(context: RowContext, fileId: string): Promise<void> {
  const key = segmentFileKey(fileId);
  const row = await withRetries(context, () => context.store.get(key));
  if (!row || decodeSegmentFile(row.value).segments > 0) return;
  context.onRemove(fileId);
  await context.segments.remove(fileId);
  try {
    await withRetries(context, () => context.store.transact([{ op: 'delete', key, if: { version: row.version } }]));
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error;
  }
}

/**
 * After a fence. Whoever took over may have swept the file's row, and looked for the file, before it was made: the answer
 * to the announcement was late. Nobody else would ever find it then. Nothing can point into a file that is swept.
 */
export async function removeSwept(context: RowContext, fileId: string): Promise<void> {
  try {
    const row = await withRetries(context, () => context.store.get(segmentFileKey(fileId)));
    if (row && decodeSegmentFile(row.value).swept !== true) return;
    context.onRemove(fileId);
    await context.segments.remove(fileId);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}

/**
 * Removes files of any session that were emptied by one that died before it had removed them. Files that were announced
 * and are not published yet are not claimed, and stay.
 */
export async function sweepEmptied(context: RowContext): Promise<void> {
  const rows = await allRows(context, segmentFilePk, 'b', 'b~');
  for (const row of rows) {
    const { segments, swept } = decodeSegmentFile(row.value);
    if (segments === 0 && swept) await removeFile(context, row.sk);
  }
}

/** Removes the files of a session that hold no live segment: roll-ups that died between announcing and publishing. */
export async function sweepFiles(context: RowContext, prefix: string): Promise<number> {
  // '~' sorts behind every character of a file id.
  const rows = await allRows(context, segmentFilePk, prefix, `${prefix}~`);
  const empty = rows.filter((row) => decodeSegmentFile(row.value).segments === 0);
  for (const row of empty) {
    // Claim it first: a roll-up of the same session that still runs must not publish into a file about to go.
    const value = encodeSegmentFile({ ...decodeSegmentFile(row.value), swept: true });
    const claim: StoreOp = { op: 'put', key: segmentFileKey(row.sk), value, if: { version: row.version } };
    const token = context.random.bytes(12).toString('base64url');
    try {
      await withRetries(context, () => context.store.transact([...context.guard(), claim], token));
    } catch (error) {
      if (error instanceof StoreConflict) continue;
      throw error;
    }
    await removeFile(context, row.sk);
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
      if (!row) return;
      const { bytes, segments, liveBytes = segments === 0 ? 0 : bytes, swept = false } = decodeSegmentFile(row.value);
      files.set(fileId, { bytes, segments, liveBytes, swept, version: row.version });
    }),
  );
  return files;
}
