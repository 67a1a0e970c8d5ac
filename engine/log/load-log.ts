/** What the rows and the last segment say about a log: the start of an open, and of the recovery of a dead session. */
import type { Uuid } from '../kernel/uuid.ts';
import { readBatchHeader } from '../records/batch.ts';
import type { Row } from '../ports.ts';
import { allRows, type RowContext } from './change-rows.ts';
import { DataCorrupt } from './log.ts';
import { LogFold } from './log-fold.ts';
import { decodeLogState, logPk, logStateKey } from './rows/log-state.ts';
import { decodeSegment, decodeSegmentState, segmentSkPrefix } from './rows/segment.ts';
import { type Segment, segmentOf, type SegmentReader } from './segment-reader.ts';

export interface LoadedLog {
  readonly segments: Segment[];
  readonly startOffset: number;
  /** One past the last published offset. */
  readonly endOffset: number;
  readonly fold: LogFold;
  /**
   * One past the last batch that `fold` knows: the end, but below it when DeleteRecords moved the start of a session that
   * died into what was not rolled up. Those batches count no more, their producers do.
   */
  readonly foldedTo: number;
}

/** Throws the store's failures, DiskFault and DataCorrupt. */
export async function loadLog(
  context: RowContext & { readonly reader: SegmentReader },
  topicId: Uuid,
  partition: number,
): Promise<LoadedLog> {
  // One question: a broker that takes over a thousand logs opens them all in the same moment.
  const { segmentRows, stateRow } = await rowsOf(context, topicId, partition);
  const state = stateRow && decodeLogState(stateRow.value);
  const segments = segmentRows.map((row) => segmentOf(decodeSegment(row.sk, row.value)));
  const first = segments[0]?.row;
  const last = segments.at(-1)?.row;
  const startOffset = state?.startOffset ?? first?.baseOffset ?? 0;
  // Without a row of the last segment the start is also the end: retention leaves it so.
  const endOffset = Math.max(last?.endOffset ?? 0, startOffset);
  const inRow = last ? decodeSegmentState(segmentRows.at(-1)!.value) : { producers: [], epochs: state?.epochs ?? [] };
  const fold = inRow ? new LogFold(inRow) : await foldAsOf(context, segments, segments.length - 1);
  const foldedTo = last?.endOffset ?? (state?.epochs ? startOffset : 0);
  return { segments, startOffset, endOffset, fold, foldedTo };
}

async function rowsOf(
  context: RowContext,
  topicId: Uuid,
  partition: number,
): Promise<{ segmentRows: readonly Row[]; stateRow: Row | undefined }> {
  const rows = await allRows(context, logPk(topicId, partition), segmentSkPrefix);
  const stateSk = logStateKey(topicId, partition).sk;
  const segmentRows = rows.filter(({ sk }) => sk.startsWith(segmentSkPrefix));
  return { segmentRows, stateRow: rows.find(({ sk }) => sk === stateSk) };
}

/**
 * Producers and leader epochs as of the end of segment `at`. A damaged snapshot is made again from the one before it and
 * the batches since: it must not cost the log, nor keep a dead broker's other logs from their recovery.
 */
async function foldAsOf(
  context: RowContext & { readonly reader: SegmentReader },
  segments: readonly Segment[],
  at: number,
): Promise<LogFold> {
  const { row } = segments[at]!;
  try {
    return new LogFold(await context.reader.state(row));
  } catch (error) {
    if (!(error instanceof DataCorrupt)) throw error;
  }
  const fold = at === 0 ? new LogFold() : await foldAsOf(context, segments, at - 1);
  const nowMs = context.clock.wallMs();
  for (const batch of await context.reader.all(row, () => -1))
    fold.add(readBatchHeader(batch), nowMs, context.settings);
  return fold;
}
