/**
 * segment   one per run of batches of one log in a segment file. Immutable, except that a merge replaces it. Key:
 * LOG#<topicId>#<partition>, SEG#<base offset, 16 hex digits>. Value: where the bytes are and what they span, a checksum, and the
 * state as of its end when that is small, as for most logs: a broker that takes over a thousand logs then opens no file.
 */
import type { Uuid } from '../../kernel/uuid.ts';
import type { Row, RowCondition, RowKey, StoreOp } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { isWhole, RowCorrupt, rowObject, type StoredText } from '../../store-row-json.ts';
import { isState, type StateSnapshot } from '../segments/segment-format.ts';
import { logPk } from './log-state.ts';

/** A larger state is read from the segment's file. */
const rowStateBytesMax = 512;

export interface SegmentRow {
  readonly baseOffset: number;
  /** One past the last offset. Equal to the base when only producer state had to be kept. */
  readonly endOffset: number;
  readonly fileId: string;
  /** Position of the first batch in the file. */
  readonly position: number;
  /** Bytes of batches. */
  readonly bytes: number;
  /** Position of the sparse index, which the state snapshot follows. */
  readonly indexPosition: number;
  readonly indexBytes: number;
  readonly stateBytes: number;
  /** -1 when no batch has one. */
  readonly maxTimestamp: number;
}

/** What is needed to read its batches. */
export type SegmentPlace = Pick<
  SegmentRow,
  'baseOffset' | 'endOffset' | 'fileId' | 'position' | 'bytes' | 'indexPosition' | 'indexBytes'
>;

/** A segment whose row is in the store. `version` is the row's: anyone who replaces or deletes the row expects to find it. */
export interface PublishedSegment extends SegmentRow {
  readonly version: number;
}

export const segmentSkPrefix = 'SEG#';

export function segmentKey(topicId: Uuid, partition: number, baseOffset: number): RowKey {
  return {
    pk: logPk(topicId, partition),
    sk: `${segmentSkPrefix}${baseOffset.toString(16).padStart(16, '0')}`,
  };
}

/**
 * Publishes `row` in place of `replaced` when both have the same key, otherwise where no row exists. It never overwrites
 * another writer's row, because what that row names would be lost with it.
 */
export function putSegment(
  topicId: Uuid,
  partition: number,
  row: SegmentRow,
  state: StateSnapshot,
  replaced?: PublishedSegment,
): { readonly op: StoreOp; readonly published: PublishedSegment } {
  const condition: RowCondition = replaced ? { version: replaced.version } : { absent: true };
  const value = encodeSegment(row, state);
  return {
    op: { op: 'put', key: segmentKey(topicId, partition, row.baseOffset), value, if: condition },
    published: { ...row, version: (replaced?.version ?? 0) + 1 },
  };
}

/** Deletes the row only if it is the known one: what it names has been copied or is to be deleted. */
export function deleteSegment(topicId: Uuid, partition: number, { baseOffset, version }: PublishedSegment): StoreOp {
  return { op: 'delete', key: segmentKey(topicId, partition, baseOffset), if: { version } };
}

/** `state`: the state as of the segment's end, as in its file. */
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
  return rowText(stateBytes <= rowStateBytesMax ? { ...value, state } : value);
}

/** From the key of a segment's row. */
export function baseOffsetOf({ sk }: Pick<StoredText, 'sk'>): number {
  return Number.parseInt(sk.slice(segmentSkPrefix.length), 16);
}

/** Decodes without the state: an open log keeps its rows in memory. Throws RowCorrupt. */
export function decodeSegment(row: Row): PublishedSegment {
  return decodeSegmentAndState(row).row;
}

/** Decodes with the state as of its end; that is undefined when only the file has it. Throws RowCorrupt. */
export function decodeSegmentAndState(stored: Row): {
  readonly row: PublishedSegment;
  readonly state: StateSnapshot | undefined;
} {
  const baseOffset = baseOffsetOf(stored);
  const fields = rowObject(stored);
  if (!isSegment(fields, baseOffset)) throw new RowCorrupt(stored, 'the fields do not describe a segment');
  const { state, ...row } = fields;
  return { row: { baseOffset, ...row, version: stored.version }, state };
}

type StoredSegment = Omit<SegmentRow, 'baseOffset'> & { readonly state?: StateSnapshot };

/** No part of a segment is larger; memory is taken for a whole part before it is read. */
const partBytesMax = 2 ** 31 - 1;

function isSegment(fields: Partial<Record<string, unknown>>, baseOffset: number): fields is StoredSegment {
  const { endOffset, fileId, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp, state } = fields;
  const isPart = (size: unknown): boolean => isWhole(size) && size <= partBytesMax;
  return (
    isWhole(baseOffset) &&
    isWhole(endOffset) &&
    endOffset >= baseOffset &&
    typeof fileId === 'string' &&
    isWhole(position) &&
    isPart(bytes) &&
    isWhole(indexPosition) &&
    isPart(indexBytes) &&
    isPart(stateBytes) &&
    typeof maxTimestamp === 'number' &&
    (state === undefined || isState(state))
  );
}
