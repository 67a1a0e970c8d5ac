/** One page of the rows of a partition key. */
import type { RootDatabase } from 'lmdb';
import type { RangeOptions, Row } from '../../engine/ports.ts';
import { pageRows, storePageBytesMax } from '../../engine/store-limits.ts';
import * as format from './lmdb-format.ts';
import type { LmdbRows } from './lmdb-rows.ts';

/** Synchronous, so all of it is of one snapshot. */
export function readPage(
  db: RootDatabase<Buffer, Buffer>,
  reader: LmdbRows,
  pk: string,
  options: RangeOptions,
): { rows: Row[]; cursor?: string } {
  const rowsMax = pageRows(options);
  const rows: Row[] = [];
  let bytes = 0;
  let met = 0;
  let last: Buffer | undefined;
  let isMisplaced = false;
  const misplaced = (): void => void (isMisplaced = true);
  const page = (cursor?: string): { rows: Row[]; cursor?: string } => {
    if (isMisplaced) inOrder(rows, options.reverse ?? false);
    return cursor === undefined ? { rows } : { rows, cursor };
  };
  for (const { key, value } of db.getRange(bounds(pk, options, rowsMax + 1))) {
    bytes += key.length + value.length;
    if (last && (met === rowsMax || bytes > storePageBytesMax)) return page(format.decodeSk(last, pk));
    last = key;
    met++;
    const row = reader.readMet(pk, key, value, misplaced);
    if (row) rows.push(row);
  }
  return page();
}

/** A row whose key had changed stood in the wrong place. */
function inOrder(rows: Row[], isReverse: boolean): void {
  rows.sort((a, b) => Buffer.compare(Buffer.from(a.sk), Buffer.from(b.sk)));
  if (isReverse) rows.reverse();
}

function bounds(pk: string, options: RangeOptions, limit: number) {
  let low = format.rowKeyBytes(pk, options.from ?? '');
  let high = options.to === undefined ? format.afterPartition(pk) : format.rowKeyBytes(pk, options.to);
  if (options.cursor !== undefined) {
    const cursor = format.rowKeyBytes(pk, options.cursor);
    if (options.reverse) high = Buffer.compare(cursor, high) < 0 ? cursor : high;
    else low = Buffer.compare(cursor, low) < 0 ? low : format.successor(cursor);
  }
  if (Buffer.compare(low, high) >= 0) return { start: low, end: low, limit: 0 };
  if (!options.reverse) return { start: low, end: high, limit };
  // A reverse scan starts at the upper end, which stays exclusive, and includes the lower end.
  return { start: high, exclusiveStart: true, end: low, inclusiveEnd: true, reverse: true, limit };
}
