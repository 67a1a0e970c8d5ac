/**
 * Bytes of a segment file: many logs' batches in one immutable file, because one file per log and roll-up would make
 * thousands of tiny files.
 *
 *   file   = 8 bytes magic, then per log its batches, then per log (index, state), table, footer
 *   index  = per entry 20 bytes: base offset i64 | position in the segment u32 | max timestamp until the next entry i64;
 *            then the crc u32 of the entries; nothing at all for a segment without batches
 *   state  = crc u32 of the rest | JSON of the producer state and leader epochs as of the segment's end
 *   table  = JSON: one row per log, as published in the metadata store: the file explains itself without it
 *   footer = table position i64 | table bytes u32 | table crc u32 | 8 bytes magic
 *
 * Every byte is covered by a checksum or by a value known from elsewhere (verify-batch.ts), so a scrub finds any flipped
 * bit. The place after the state is reserved for an index of aborted transactions (34 bytes an entry, as in Kafka).
 */
import { crc32c } from '../../kernel/crc32c.ts';
import { type Uuid, uuidText } from '../../kernel/uuid.ts';
import { batchField, batchSizeBytes } from '../../records/batch.ts';
import { readI64, readU32, writeI32, writeI64 } from '../../records/bytes.ts';
import type { EpochSnapshot } from '../fold/leader-epochs.ts';
import type { ProducerSnapshot } from '../fold/producer-state.ts';
import type { SegmentRow } from '../rows/segment.ts';

export const segmentFileMagic = Buffer.from('HGSEGv01', 'latin1');
const indexEntryBytes = 20;
const indexCrcBytes = 4;
export const segmentFooterBytes = 24;

export interface StateSnapshot {
  readonly producers: ProducerSnapshot;
  readonly epochs: EpochSnapshot;
}

export interface TableEntry extends SegmentRow {
  readonly topicId: string;
  readonly partition: number;
}

/** Builds the sparse index of consecutive whole batches; also returns the largest timestamp among them. */
export function buildIndex(
  batches: readonly Buffer[],
  intervalBytes: number,
): { index: Buffer; maxTimestamp: number; bytes: number } {
  const entries: [offset: number, position: number, maxTimestamp: number][] = [];
  let position = 0;
  let maxTimestamp = -1;
  for (const batch of batches) {
    const last = entries.at(-1);
    const timestamp = readI64(batch, batchField.maxTimestamp);
    maxTimestamp = Math.max(maxTimestamp, timestamp);
    if (last && position - last[1] < intervalBytes) last[2] = Math.max(last[2], timestamp);
    else entries.push([readI64(batch, batchField.baseOffset), position, timestamp]);
    position += batchSizeBytes(batch, 0);
  }
  if (entries.length === 0) return { index: Buffer.alloc(0), maxTimestamp, bytes: position };
  const crcAt = entries.length * indexEntryBytes;
  const index = Buffer.allocUnsafe(crcAt + indexCrcBytes);
  for (const [i, [offset, at, timestamp]] of entries.entries()) {
    writeI64(index, i * indexEntryBytes, offset);
    writeI32(index, i * indexEntryBytes + 8, at);
    writeI64(index, i * indexEntryBytes + 12, timestamp);
  }
  writeI32(index, crcAt, crc32c(index, 0, 0, crcAt));
  return { index, maxTimestamp, bytes: position };
}

/** Returns the entries alone; undefined when the checksum is wrong. */
export function decodeIndex(bytes: Buffer): Buffer | undefined {
  if (bytes.length === 0) return bytes;
  const crcAt = bytes.length - indexCrcBytes;
  if (crcAt < 0 || crcAt % indexEntryBytes !== 0 || readU32(bytes, crcAt) !== crc32c(bytes, 0, 0, crcAt))
    return undefined;
  return bytes.subarray(0, crcAt);
}

/** Where a batch begins: its first offset and its position in the segment. */
export interface IndexPlace {
  readonly offset: number;
  readonly position: number;
}

function placeAt(index: Uint8Array, at: number): IndexPlace {
  return { offset: readI64(index, at), position: readU32(index, at + 8) };
}

/** The last indexed batch that begins at or before `offset`; undefined when the index starts later. */
export function indexFloor(index: Uint8Array, offset: number): IndexPlace | undefined {
  let low = 0;
  let high = index.length / indexEntryBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (readI64(index, middle * indexEntryBytes) <= offset) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : placeAt(index, (low - 1) * indexEntryBytes);
}

/** Where to start looking for the first batch with a timestamp at or after `timestamp`; undefined when there is none. */
export function indexFirstAt(index: Uint8Array, timestamp: number): IndexPlace | undefined {
  for (let at = 0; at < index.length; at += indexEntryBytes) {
    if (readI64(index, at + 12) >= timestamp) return placeAt(index, at);
  }
  return undefined;
}

export function encodeState(state: StateSnapshot): Buffer {
  const json = Buffer.from(JSON.stringify(state));
  const out = Buffer.allocUnsafe(4 + json.length);
  json.copy(out, 4);
  writeI32(out, 0, crc32c(out, 0, 4));
  return out;
}

/** Undefined when the checksum is wrong, or when what it covers is no state. */
export function decodeState(bytes: Buffer): StateSnapshot | undefined {
  if (bytes.length < 4 || readU32(bytes, 0) !== crc32c(bytes, 0, 4)) return undefined;
  const state = parsed(bytes.subarray(4));
  return isState(state) ? state : undefined;
}

export function isState(value: unknown): value is StateSnapshot {
  const { producers, epochs } = (value ?? {}) as { readonly [name in keyof StateSnapshot]?: unknown };
  const isProducer = (one: unknown): boolean =>
    Array.isArray(one) && areNumbers(one.slice(0, 3), 3) && Array.isArray(one[3]) && one[3].every(isBatch);
  const isBatch = (one: unknown): boolean => areNumbers(one, 4);
  return Array.isArray(producers) && producers.every(isProducer) && areEpochs(epochs);
}

export function areEpochs(value: unknown): value is EpochSnapshot {
  if (!Array.isArray(value) || !value.every((one) => areNumbers(one, 2))) return false;
  const epochs = value as EpochSnapshot;
  return epochs.every(([epoch, start], i) => {
    const [before, startBefore] = epochs[i - 1] ?? [-1, -1];
    return epoch > before && start > startBefore;
  });
}

function areNumbers(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.length === length && value.every(Number.isSafeInteger);
}

function parsed(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function tableEntry(topicId: Uuid, partition: number, row: SegmentRow): TableEntry {
  return { topicId: uuidText(topicId), partition, ...row };
}

export function encodeTable(entries: readonly TableEntry[], position: number): Buffer {
  const table = Buffer.from(JSON.stringify(entries));
  const footer = Buffer.alloc(segmentFooterBytes);
  writeI64(footer, 0, position);
  writeI32(footer, 8, table.length);
  writeI32(footer, 12, crc32c(table));
  segmentFileMagic.copy(footer, 16);
  return Buffer.concat([table, footer]);
}

/** Undefined when the bytes are no table, or name places that are not before it in the file. */
export function decodeTable(bytes: Buffer, tablePosition: number): TableEntry[] | undefined {
  const entries = parsed(bytes);
  const isEntry = (one: unknown): boolean => isTableEntry(one, tablePosition);
  return Array.isArray(entries) && entries.every(isEntry) ? (entries as TableEntry[]) : undefined;
}

function isTableEntry(value: unknown, bytesMax: number): boolean {
  const { topicId, partition, baseOffset, endOffset, position, bytes, indexPosition, indexBytes, stateBytes } =
    (value ?? {}) as { readonly [name in keyof TableEntry]?: unknown };
  const lies = (from: unknown, ...sizes: unknown[]): boolean => {
    let end = 0;
    for (const each of [from, ...sizes]) {
      if (!Number.isSafeInteger(each) || (each as number) < 0) return false;
      end += each as number;
    }
    return end <= bytesMax;
  };
  return (
    typeof topicId === 'string' &&
    [partition, baseOffset, endOffset].every(Number.isSafeInteger) &&
    lies(position, bytes) &&
    lies(indexPosition, indexBytes, stateBytes)
  );
}

/** Finds the table from the last 24 bytes of a file; undefined when they are not a footer. */
export function decodeFooter(footer: Buffer): { position: number; bytes: number; crc: number } | undefined {
  if (footer.length !== segmentFooterBytes || !footer.subarray(16).equals(segmentFileMagic)) return undefined;
  return { position: readI64(footer, 0), bytes: readU32(footer, 8), crc: readU32(footer, 12) };
}
