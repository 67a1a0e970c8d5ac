/**
 * segment   one per run of batches of one log in a segment file, immutable but for a merge, which replaces it. Key:
 * LOG#<topicId>#<partition>, SEG#<base offset, 16 hex digits>. Value: where the bytes lie and what they span.
 */
import type { Uuid } from '../../kernel/uuid.ts';
import type { RowKey } from '../../ports.ts';
import { logPk } from './log-state.ts';

export interface SegmentRow {
  readonly baseOffset: number;
  /** One past the last offset. Equal to the base when only producer state had to be kept. */
  readonly endOffset: number;
  readonly fileId: string;
  /** Of the first batch in the file. */
  readonly position: number;
  /** Of batches. */
  readonly bytes: number;
  /** Sparse index, then state snapshot, one after the other. */
  readonly indexPosition: number;
  readonly indexBytes: number;
  readonly stateBytes: number;
  /** -1 when no batch has one. */
  readonly maxTimestamp: number;
}

export const segmentSkPrefix = 'SEG#';
/** Exclusive end of the range of all segments: '$' follows '#'. */
export const segmentSkEnd = 'SEG$';

export function segmentKey(topicId: Uuid, partition: number, baseOffset: number): RowKey {
  return {
    pk: logPk(topicId, partition),
    sk: `${segmentSkPrefix}${baseOffset.toString(16).padStart(16, '0')}`,
  };
}

export function encodeSegment(row: SegmentRow): string {
  const { endOffset, fileId, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp } = row;
  return JSON.stringify({ endOffset, fileId, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp });
}

export function decodeSegment(sk: string, value: string): SegmentRow {
  const baseOffset = Number.parseInt(sk.slice(segmentSkPrefix.length), 16);
  return { baseOffset, ...(JSON.parse(value) as Omit<SegmentRow, 'baseOffset'>) };
}
