/**
 * log-state   one per log, written when the start moves. Key: LOG#<topicId>#<partition>, STATE. Value: {startOffset,
 * epochs?, foldedTo?}. When no segment is left to hold them, `epochs` has the leader epochs as of `foldedTo`, where the
 * last segment ended: what a dead session has of the log before that offset must not be published.
 */
import { type Uuid, uuidText } from '../../kernel/uuid.ts';
import type { RowKey, StoreOp } from '../../ports.ts';
import { rowText } from '../../store-row-checksum.ts';
import { isWhole, RowCorrupt, rowObject, type StoredText } from '../../store-row-json.ts';
import type { EpochSnapshot } from '../fold/leader-epochs.ts';
import { areEpochs } from '../segments/segment-format.ts';

export interface LogStateRow {
  readonly startOffset: number;
  readonly epochs?: EpochSnapshot;
  readonly foldedTo?: number;
}

/** Prefix of the partition keys of all logs. */
export const logPkPrefix = 'LOG#';

/** Partition key of everything known about a log. */
export function logPk(topicId: Uuid, partition: number): string {
  return `${logPkPrefix}${uuidText(topicId)}#${partition}`;
}

/** Sorts after all segments. */
export const logStateSk = 'STATE';

export function logStateKey(topicId: Uuid, partition: number): RowKey {
  return { pk: logPk(topicId, partition), sk: logStateSk };
}

/** `version`: that of the row found; 0 when there is none. */
export function putLogState(topicId: Uuid, partition: number, row: LogStateRow, version: number): StoreOp {
  const key = logStateKey(topicId, partition);
  return { op: 'put', key, value: encodeLogState(row), if: version === 0 ? { absent: true } : { version } };
}

export function deleteLogState(topicId: Uuid, partition: number, version: number): StoreOp {
  const key = logStateKey(topicId, partition);
  return version === 0 ? { op: 'check', key, if: { absent: true } } : { op: 'delete', key, if: { version } };
}

export function encodeLogState(row: LogStateRow): string {
  return rowText({ startOffset: row.startOffset, epochs: row.epochs, foldedTo: row.foldedTo });
}

/** Throws RowCorrupt. */
export function decodeLogState(row: StoredText): LogStateRow {
  const { startOffset, epochs, foldedTo } = rowObject(row);
  if (!isWhole(startOffset)) throw new RowCorrupt(row, 'no start');
  if (epochs !== undefined && !areEpochs(epochs)) throw new RowCorrupt(row, 'no epochs');
  if (foldedTo !== undefined && !isWhole(foldedTo)) throw new RowCorrupt(row, 'no end of what is folded');
  return { startOffset, ...(epochs && { epochs }), ...(foldedTo !== undefined && { foldedTo }) };
}
