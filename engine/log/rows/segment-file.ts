/**
 * segment-file   one per file of the segment store. Key: FILE, <fileId>. Value: {bytes, segments, liveBytes}: the number of
 * segment rows that point into the file, and how many bytes they cover. Written with 0 before the file is, so that a crash
 * leaves a row to clean up by. Back at 0, the file is removed. Every change is conditional on the row's version.
 */
import { assert } from '../../kernel/assert.ts';
import type { RowKey } from '../../ports.ts';
import { rowText, soundText } from '../../store-row-checksum.ts';
import { isWhole } from '../../store-row-json.ts';

export interface SegmentFileRow {
  /** Bytes of all batches that were written into the file. */
  readonly bytes: number;
  readonly segments: number;
  /** Bytes of batches in live segments. Absent in rows older than this field: unknown. */
  readonly liveBytes?: number;
  /** A sweep has claimed the file: nothing may be published into it any more. */
  readonly swept?: boolean;
}

export const segmentFilePk = 'FILE';

export function segmentFileKey(fileId: string): RowKey {
  return { pk: segmentFilePk, sk: fileId };
}

/** All files of one session sort together, in order of creation. */
export function segmentFilePrefix(brokerId: number, sessionEpoch: number): string {
  return `b${String(brokerId).padStart(6, '0')}-e${String(sessionEpoch).padStart(10, '0')}-`;
}

/** The slot whose session wrote the file; undefined for a name that is not ours. */
export function slotOf(fileId: string): number | undefined {
  const [, slot] = /^b(\d{6,})-e\d{10,}-/.exec(fileId) ?? [];
  return slot === undefined ? undefined : Number(slot);
}

/** `nonce` keeps a repeated recovery from colliding with the files of its first run. */
export function segmentFileId(brokerId: number, sessionEpoch: number, counter: number, nonce: number): string {
  const unique = nonce.toString(16).padStart(8, '0');
  return `${segmentFilePrefix(brokerId, sessionEpoch)}${String(counter).padStart(8, '0')}-${unique}`;
}

const piecedSuffix = '-pieces';

/** The name of a file made of pieces of others (SegmentStore.createPieced), derived from the name it would otherwise have. */
export function piecedFileId(fileId: string): string {
  return fileId + piecedSuffix;
}

export function isPieced(fileId: string): boolean {
  return fileId.endsWith(piecedSuffix);
}

export function encodeSegmentFile(row: SegmentFileRow): string {
  assert(row.segments >= 0, 'a file never has fewer than no segments');
  const { bytes, segments, liveBytes, swept } = row;
  return rowText({ bytes, segments, liveBytes, swept });
}

/**
 * Undefined when the row cannot be read. Then nobody knows how many segments point into the file, so it stays; and as every
 * broker reads all of these rows, one of them must end none.
 */
export function decodeSegmentFile(value: string): SegmentFileRow | undefined {
  const text = soundText(value);
  if (text === undefined) return undefined;
  let row: Partial<Record<keyof SegmentFileRow, unknown>> | null;
  try {
    row = JSON.parse(text) as typeof row;
  } catch {
    return undefined;
  }
  const { bytes, segments, liveBytes = 0, swept = false } = row ?? {};
  const isFile = isWhole(bytes) && isWhole(segments) && typeof liveBytes === 'number' && typeof swept === 'boolean';
  if (!isFile) return undefined;
  return {
    bytes,
    segments,
    ...(row?.liveBytes !== undefined && { liveBytes }),
    ...(row?.swept !== undefined && { swept }),
  };
}

/** Whether segments point into the file, as far as is known. */
export function isFileUsed(value: string): boolean {
  return decodeSegmentFile(value)?.segments !== 0;
}
