/** What the rows and the last segment say about a log: the first step of an open, and of a dead session's recovery. */
import type { Uuid } from '../../kernel/uuid.ts';
import { readBatchHeader } from '../../records/batch.ts';
import { DiskFault, type Row } from '../../ports.ts';
import { allRows, type RowContext, withRetries } from '../rows/change-rows.ts';
import { DataCorrupt } from '../log.ts';
import { LogFold } from '../fold/log-fold.ts';
import { RowCorrupt } from '../../store-row-json.ts';
import { findSegment } from '../segments/find-segment.ts';
import { decodeLogState, logPk, type LogStateRow, logStateSk } from '../rows/log-state.ts';
import { decodeSegmentAndState, type PublishedSegment, type SegmentRow, segmentSkPrefix } from '../rows/segment.ts';
import type { StateSnapshot } from '../segments/segment-format.ts';
import { type Segment, segmentOf, type SegmentReader } from '../segments/segment-reader.ts';

/** What must be known of a log to continue at its end. */
export interface LogEnd {
  readonly startOffset: number;
  /** One past the last published offset. */
  readonly endOffset: number;
  readonly fold: LogFold;
  /**
   * One past the last batch that `fold` knows. Normally the end; below it when DeleteRecords moved the start into batches
   * that were not rolled up and the session then died. Those batches no longer count, but their producers do.
   */
  readonly foldedTo: number;
}

export interface LoadedLog extends LogEnd {
  /** Version of the row that holds the start; 0 when there is none. */
  readonly stateVersion: number;
  readonly segments: Segment[];
}

type ReadContext = RowContext & { readonly reader: SegmentReader };

/** Throws the store's failures, RowCorrupt, DiskFault and DataCorrupt. */
export async function loadLog(context: ReadContext, topicId: Uuid, partition: number): Promise<LoadedLog> {
  // A single query: a broker that takes over a thousand logs opens them all at the same moment.
  const rows = await allRows(context, logPk(topicId, partition), segmentSkPrefix);
  const { stateRow, segmentRows } = byKind(rows);
  const segments: Segment[] = [];
  let last: FoundSegment | undefined;
  for (const row of segmentRows) {
    const found = readable(row) ?? (await restored(context, row));
    // What follows a segment begins at or behind its end.
    if (last && last.row.endOffset > found.row.baseOffset)
      throw new RowCorrupt(row, 'begins inside the segment before it');
    segments.push(segmentOf(found.row));
    last = found;
  }
  const state = stateRow && decodeLogState(stateRow);
  const inRow = last ? last.state : stateWithoutSegments(state);
  const fold = inRow ? new LogFold(inRow) : await foldAsOf(context, segments, segments.length - 1);
  const end = endOf(state, last?.row, segments[0]?.row.baseOffset ?? 0);
  return { segments, stateVersion: stateRow?.version ?? 0, ...end, fold };
}

/**
 * The same, but with only the last segment, in a time that does not grow with their number: the recovery of a thousand logs
 * calls this for each while their clients wait. Throws as loadLog does.
 */
export async function loadLogEnd(
  context: ReadContext,
  topicId: Uuid,
  partition: number,
): Promise<LogEnd & { readonly last: PublishedSegment | undefined }> {
  // The state row sorts after all segments, so the last two rows include both it and the last segment.
  const options = { from: segmentSkPrefix, reverse: true, limit: 2 };
  const { rows } = await withRetries(context, () => context.store.range(logPk(topicId, partition), options));
  const { stateRow, segmentRows } = byKind(rows);
  const lastRow = segmentRows[0];
  const last = lastRow && (readable(lastRow) ?? (await restored(context, lastRow)));
  const state = last ? stateBesides(stateRow) : stateRow && decodeLogState(stateRow);
  // No row says that the start has moved: the log starts where every log does.
  const end = endOf(state, last?.row, 0);
  const inRow = last ? last.state : stateWithoutSegments(state);
  if (inRow) return { last: last?.row, ...end, fold: new LogFold(inRow) };
  const written = await unlessLost(context, last!.row.fileId, context.reader.state(last!.row));
  if (written) return { last: last!.row, ...end, fold: new LogFold(written) };
  const { segments, ...whole } = await loadLog(context, topicId, partition);
  return { last: segments.at(-1)?.row, ...whole };
}

type FoundSegment = ReturnType<typeof decodeSegmentAndState>;

/** Undefined when the row is damaged. */
function readable(row: Row): FoundSegment | undefined {
  try {
    return decodeSegmentAndState(row);
  } catch (error) {
    if (error instanceof RowCorrupt) return undefined;
    throw error;
  }
}

/** From the segment files. Throws RowCorrupt when they do not tell it for certain. */
async function restored(context: ReadContext, row: Row): Promise<FoundSegment> {
  const found = await findSegment(context, row);
  if (!found) throw new RowCorrupt(row, 'damaged, and no segment file tells for certain what it said');
  return { row: found, state: undefined };
}

/**
 * The log's start, as far as a recovery needs it where segments tell the end: without it nothing is left out of what is
 * published. Whoever opens the log is refused, so that no deleted record comes back.
 */
function stateBesides(row: Row | undefined): LogStateRow | undefined {
  try {
    return row && decodeLogState(row);
  } catch (error) {
    if (error instanceof RowCorrupt) return undefined;
    throw error;
  }
}

function byKind(rows: readonly Row[]): { segmentRows: readonly Row[]; stateRow: Row | undefined } {
  return {
    segmentRows: rows.filter(({ sk }) => sk.startsWith(segmentSkPrefix)),
    stateRow: rows.find(({ sk }) => sk === logStateSk),
  };
}

function stateWithoutSegments(state: LogStateRow | undefined): StateSnapshot {
  return { producers: [], epochs: state?.epochs ?? [] };
}

function endOf(
  state: LogStateRow | undefined,
  last: SegmentRow | undefined,
  firstOffset: number,
): Omit<LogEnd, 'fold'> {
  const startOffset = state?.startOffset ?? firstOffset;
  return {
    startOffset,
    // Without a last segment row the start is also the end, as retention leaves it.
    endOffset: Math.max(last?.endOffset ?? 0, startOffset),
    foldedTo: last?.endOffset ?? state?.foldedTo ?? (state?.epochs ? startOffset : 0),
  };
}

/**
 * Producers and leader epochs as of the end of segment `at`. A damaged snapshot is rebuilt from the one before it and the
 * batches since. It must not cost the log, nor keep a dead broker's other logs from being recovered. When the batches are
 * damaged too, nothing is known: a producer may then go on with any sequence, as with one that was forgotten, and batches
 * are not compared with epochs. What was known before them would refuse producers that have sent since.
 */
async function foldAsOf(context: ReadContext, segments: readonly Segment[], at: number): Promise<LogFold> {
  const { row } = segments[at]!;
  const state = await unlessLost(context, row.fileId, context.reader.state(row));
  if (state) return new LogFold(state);
  const batches = await unlessLost(
    context,
    row.fileId,
    context.reader.all(row, () => -1),
  );
  if (!batches) return new LogFold();
  const fold = at === 0 ? new LogFold() : await foldAsOf(context, segments, at - 1);
  const nowMs = context.clock.wallMs();
  for (const batch of batches) fold.add(readBatchHeader(batch), nowMs, context.settings);
  return fold;
}

/** Undefined when the bytes are damaged, or their file is missing among others: trying again would not bring them back. */
async function unlessLost<T>({ segments }: ReadContext, fileId: string, read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof DataCorrupt) return undefined;
    if (!(error instanceof DiskFault)) throw error;
    const files = await segments.list();
    if (files.length === 0 || files.includes(fileId)) throw error;
    return undefined;
  }
}
