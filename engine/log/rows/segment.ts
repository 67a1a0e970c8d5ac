/**
 * segment   one per run of batches of one log in a segment file, immutable but for a merge, which replaces it. Key:
 * LOG#<topicId>#<partition>, SEG#<base offset, 16 hex digits>. Value: where the bytes lie and what they span; and the
 * state as of its end when that is small, as it is for most logs: who takes over a thousand of them then opens no file.
 */
import type { Uuid } from '../../kernel/uuid.ts';
import type { RowKey } from '../../ports.ts';
import type { StateSnapshot } from '../segment-format.ts';
import { logPk } from './log-state.ts';

/** A larger state is read from the segment's file. */
const rowStateBytesMax = 512;

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

export function segmentKey(topicId: Uuid, partition: number, baseOffset: number): RowKey {
  return {
    pk: logPk(topicId, partition),
    sk: `${segmentSkPrefix}${baseOffset.toString(16).padStart(16, '0')}`,
  };
}

/** `state`: what the segment's file has as of its end. */
export function encodeSegment(row: SegmentRow, state: StateSnapshot): string {
  const { endOffset, fileId, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp } = row;
  const value: StoredSegment = {
    endOffset,
    fileId,
    position,
    bytes,
    indexPosition,
    indexBytes,
    stateBytes,
    maxTimestamp,
  };
  return JSON.stringify(stateBytes <= rowStateBytesMax ? { ...value, state } : value);
}

/** Without the state: an open log keeps its rows in memory. */
export function decodeSegment(sk: string, value: string): SegmentRow {
  return decodeSegmentAndState(sk, value).row;
}

/** With the state as of its end; undefined when only the file has it. */
export function decodeSegmentAndState(
  sk: string,
  value: string,
): { readonly row: SegmentRow; readonly state: StateSnapshot | undefined } {
  const { state, ...row } = JSON.parse(value) as StoredSegment;
  return { row: { baseOffset: Number.parseInt(sk.slice(segmentSkPrefix.length), 16), ...row }, state };
}

type StoredSegment = Omit<SegmentRow, 'baseOffset'> & { readonly state?: StateSnapshot };
