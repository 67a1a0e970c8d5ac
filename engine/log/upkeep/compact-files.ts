/**
 * Frees the space of segment files that hold little live data. A file is shared by many logs and is removed with its last
 * live segment, so one log that keeps its records for ever would keep what a thousand others have deleted. When less than
 * liveFileMin of a file is live, the owner of each log in it moves that log's segments into a new file. However often that
 * happens, each byte is rewritten at most about 1 / (1 - liveFileMin) times. Segments that a move or a recovery published
 * by reference only (pieced-file.ts) are copied out of their write-ahead log here for the first time.
 *
 *   announce the new file ── write and sync it ── publish rows that point into it, old ones out ── remove what is empty
 *
 * The steps are those of a roll-up, and as safe at any point: a row names the old file until it names the new one.
 */
import { storeOpsMax, type StoreOp } from '../../ports.ts';
import { Failure } from '../../kernel/failure.ts';
import { allRows, announceFile, changeRows, removeFiles } from '../rows/change-rows.ts';
import { FileChanges } from '../rows/file-changes.ts';
import type { OwnedLog } from '../partition/partition-log.ts';
import { type RollUpContext, turnOf } from './roll-up.ts';
import { type PublishedSegment, putSegment, type SegmentRow } from '../rows/segment.ts';
import {
  decodeSegmentFile,
  isPieced,
  segmentFileId,
  segmentFilePk,
  type SegmentFileRow,
} from '../rows/segment-file.ts';
import { type SegmentDraft, writeSegmentFile } from '../segments/segment-file.ts';

/** A file is rewritten when a smaller share of its batches than this is live. */
const liveFileMin = 0.4;
/** Bytes moved in one round, because they stay in memory meanwhile; the rest follows in the next rounds. */
const compactBytesMax = 16 * 1024 * 1024;
/** The log's row and the old file's row; the new file's row comes once per transaction. */
const opsPerSegmentMax = 2;

/** A pieced file always counts as sparse: it keeps whole chunks of a write-ahead log alive for the few batches it needs. */
export function isSparse(fileId: string, { segments, bytes, liveBytes = bytes }: SegmentFileRow): boolean {
  return segments > 0 && (isPieced(fileId) || liveBytes < bytes * liveFileMin);
}

interface Move {
  readonly log: OwnedLog;
  readonly row: PublishedSegment;
}

/** Returns the bytes moved; 0 when there is nothing to do. Throws what a roll-up throws. */
export async function compactFiles(
  context: RollUpContext,
  logs: Iterable<OwnedLog>,
  counter: () => number,
): Promise<number> {
  const sparse = new Set<string>();
  for (const { sk, value } of await allRows(context, segmentFilePk, 'b', 'b~')) {
    const file = decodeSegmentFile(value);
    if (file && isSparse(sk, file)) sparse.add(sk);
  }
  const moves = sparse.size === 0 ? [] : movesFrom(logs, sparse);
  const drafts: SegmentDraft[] = [];
  const moved: Move[] = [];
  let bytes = 0;
  for (const move of moves) {
    const draft = await draftOf(context, move);
    if (!draft) continue;
    drafts.push(draft);
    moved.push(move);
    bytes += move.row.bytes;
  }
  if (moved.length === 0) return 0;
  const { brokerId, sessionEpoch, settings, segments } = context;
  const fileId = segmentFileId(brokerId, sessionEpoch, counter(), context.random.u32());
  await announceFile(context, fileId, bytes);
  let rows: SegmentRow[];
  try {
    const { indexIntervalBytes, writeSliceBytes: sliceBytes } = settings;
    const turn = (): Promise<void> => turnOf(context.clock);
    rows = await writeSegmentFile({ segments, fileId, indexIntervalBytes, sliceBytes, turn }, drafts);
  } catch (error) {
    await removeFiles(context, [fileId]);
    throw error;
  }
  const isUsed = await publish(context, moved, drafts, rows);
  if (isUsed) return bytes;
  await removeFiles(context, [fileId]);
  return 0;
}

function movesFrom(logs: Iterable<OwnedLog>, sparse: ReadonlySet<string>): Move[] {
  const moves: Move[] = [];
  let bytes = 0;
  for (const log of logs) {
    if (!log.isOpen) continue;
    for (const { row } of log.segments) {
      if (!sparse.has(row.fileId)) continue;
      if (moves.length > 0 && bytes + row.bytes > compactBytesMax) return moves;
      moves.push({ log, row });
      bytes += row.bytes;
    }
  }
  return moves;
}

/** Undefined when the segment is damaged or cannot be read: then it stays, and its file with it. */
async function draftOf(context: RollUpContext, { log, row }: Move): Promise<SegmentDraft | undefined> {
  const { topicId, partition } = log;
  const { baseOffset, endOffset } = row;
  try {
    const state = await context.reader.state(row);
    const batches = await context.reader.all(row, (offset) => log.epochAt(offset));
    return { topicId, partition, baseOffset, endOffset, batches, state };
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** Returns whether anything was published. */
async function publish(
  context: RollUpContext,
  moves: readonly Move[],
  drafts: readonly SegmentDraft[],
  rows: readonly SegmentRow[],
): Promise<boolean> {
  let isUsed = false;
  for (let next = 0; next < moves.length; ) {
    const some = async (): Promise<void> => {
      const room = Math.floor((storeOpsMax - context.guard().length - 1) / opsPerSegmentMax);
      const perTransaction = Math.min(room, context.settings.segmentsPerTransactionMax);
      const due: Moved[] = [];
      for (; next < moves.length && due.length < perTransaction; next++) {
        if (isThere(moves[next]!)) due.push({ move: moves[next]!, moved: rows[next]!, draft: drafts[next]! });
      }
      if (due.length === 0) return;
      isUsed = true;
      await publishTogether(context, due);
    };
    await (context.exclusive ? context.exclusive(some) : some());
  }
  return isUsed;
}

/** False when the log was released, or the segment was merged or deleted, while the file was written. */
function isThere({ log, row }: Move): boolean {
  if (!log.isOpen) return false;
  const at = log.segmentIndexOf(row.baseOffset);
  // A segment without batches comes before its own offset.
  return log.segments[at]?.row === row || log.segments[at - 1]?.row === row;
}

interface Moved {
  readonly move: Move;
  readonly moved: SegmentRow;
  readonly draft: SegmentDraft;
}

async function publishTogether(context: RollUpContext, due: readonly Moved[]): Promise<void> {
  const ops: StoreOp[] = [];
  const files = new FileChanges();
  const relocations = due.map(({ move, moved, draft }) => {
    const { log, row } = move;
    const { op, published } = putSegment(log.topicId, log.partition, moved, draft.state, row);
    ops.push(op);
    files.add(moved);
    files.remove(row);
    return { log, row, published };
  });
  const emptied = await changeRows(context, { ops, files });
  for (const { log, row, published } of relocations) log.relocate(row, published);
  await removeFiles(context, emptied);
}
