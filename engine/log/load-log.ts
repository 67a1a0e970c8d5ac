/** What the rows and the last segment say about a log: the start of an open, and of the recovery of a dead session. */
import type { Uuid } from '../kernel/uuid.ts';
import { allRows, type RowContext, withRetries } from './change-rows.ts';
import { LogFold } from './log-fold.ts';
import { decodeLogState, logPk, logStateKey } from './rows/log-state.ts';
import { decodeSegment, segmentSkEnd, segmentSkPrefix } from './rows/segment.ts';
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
  const [stateRow, rows] = await Promise.all([
    withRetries(context, () => context.store.get(logStateKey(topicId, partition))),
    allRows(context, logPk(topicId, partition), segmentSkPrefix, segmentSkEnd),
  ]);
  const state = stateRow && decodeLogState(stateRow.value);
  const segments = rows.map((row) => segmentOf(decodeSegment(row.sk, row.value)));
  const first = segments[0]?.row;
  const last = segments.at(-1)?.row;
  const startOffset = state?.startOffset ?? first?.baseOffset ?? 0;
  // Without a row of the last segment the start is also the end: retention leaves it so.
  const endOffset = Math.max(last?.endOffset ?? 0, startOffset);
  const fold = last
    ? new LogFold(await context.reader.state(last))
    : new LogFold({ producers: [], epochs: state?.epochs ?? [] });
  const foldedTo = last?.endOffset ?? (state?.epochs ? startOffset : 0);
  return { segments, startOffset, endOffset, fold, foldedTo };
}
