/**
 * segment-file   one per file of the segment store. Key: FILE, <fileId>. Value: {bytes, segments, liveBytes}: how many segment
 * rows point into it, and to how much. Written with 0 before the file is, so that a crash leaves a row to clean up by; at 0 again the file is
 * removed. Every change is conditional on the row's version.
 */
import { assert } from '../../kernel/assert.ts';
import type { RowKey } from '../../ports.ts';

export interface SegmentFileRow {
  /** Of all batches that were written into it. */
  readonly bytes: number;
  readonly segments: number;
  /** Of batches in live segments. Absent in rows of before it was kept: unknown. */
  readonly liveBytes?: number;
  /** A sweep has claimed the file: nothing may be published into it any more. */
  readonly swept?: boolean;
}

export const segmentFilePk = 'FILE';

export function segmentFileKey(fileId: string): RowKey {
  return { pk: segmentFilePk, sk: fileId };
}

/** All files of one session sort together, in the order of their making. */
export function segmentFilePrefix(brokerId: number, sessionEpoch: number): string {
  return `b${String(brokerId).padStart(6, '0')}-e${String(sessionEpoch).padStart(10, '0')}-`;
}

/** Whose session made the file; undefined for a name that is none of ours. */
export function slotOf(fileId: string): number | undefined {
  const [, slot] = /^b(\d{6,})-e\d{10,}-/.exec(fileId) ?? [];
  return slot === undefined ? undefined : Number(slot);
}

/** `nonce` keeps a recovery that runs again from meeting the files of its first run. */
export function segmentFileId(brokerId: number, sessionEpoch: number, counter: number, nonce: number): string {
  const unique = nonce.toString(16).padStart(8, '0');
  return `${segmentFilePrefix(brokerId, sessionEpoch)}${String(counter).padStart(8, '0')}-${unique}`;
}

const piecedSuffix = '-pieces';

/** The name of a file that is made from pieces of others (SegmentStore.createPieced), from what would be its name else. */
export function piecedFileId(fileId: string): string {
  return fileId + piecedSuffix;
}

export function isPieced(fileId: string): boolean {
  return fileId.endsWith(piecedSuffix);
}

export function encodeSegmentFile(row: SegmentFileRow): string {
  assert(row.segments >= 0, 'a file never has fewer than no segments');
  return JSON.stringify({ bytes: row.bytes, segments: row.segments, liveBytes: row.liveBytes, swept: row.swept });
}

export function decodeSegmentFile(value: string): SegmentFileRow {
  return JSON.parse(value) as SegmentFileRow;
}
