/**
 * Looks at everything that the store holds, some keys at a time. A row whose key has changed is found by nobody who asks for
 * it, and a row that is missing may mean that a file is no longer needed. So it is put back under its key. A page that
 * cannot be read ends the look with LMDB's error.
 */
import type { RootDatabase } from 'lmdb';
import * as format from './lmdb-format.ts';
import type { LmdbRows } from './lmdb-rows.ts';

/** Looked at in one turn of the event loop: a few milliseconds. */
const keysPerTurn = 1000;

export const firstKey = Buffer.alloc(0);

export interface MisplacedRow {
  /** Under which the row stands. */
  readonly found: Buffer;
  readonly foundBytes: Buffer;
  /** As they were written. */
  readonly key: Buffer;
  readonly row: Buffer;
}

/** `next`: where the next slice begins; undefined at the end. */
export function checkSlice(
  db: RootDatabase<Buffer, Buffer>,
  rows: LmdbRows,
  from: Buffer,
): { readonly next: Buffer | undefined; readonly misplaced: readonly MisplacedRow[] } {
  const misplaced: MisplacedRow[] = [];
  let last = from;
  let keys = 0;
  for (const { key, value } of db.getRange({ start: from, limit: keysPerTurn })) {
    keys++;
    if (Buffer.compare(key, last) < 0) {
      // It cannot be removed by its key, and so not be put back either.
      rows.tellKey(key, 'it stands in the wrong order: restore the metadata store from a backup');
      continue;
    }
    last = key;
    if (format.isRowKey(key) || !format.isOwnKey(key)) {
      const mended = rows.misplaced(key, value);
      if (mended) misplaced.push({ found: key, foundBytes: Buffer.from(value), ...mended });
    }
  }
  return { next: keys === keysPerTurn ? format.successor(last) : undefined, misplaced };
}

/** Inside a write transaction. Does nothing when somebody has written either row meanwhile. */
export function putBack(db: RootDatabase<Buffer, Buffer>, rows: LmdbRows, row: MisplacedRow): void {
  const { found, foundBytes, key } = row;
  if (!db.get(found)?.equals(foundBytes)) return;
  db.removeSync(found);
  if (db.doesExist(key)) return;
  db.putSync(key, row.row);
  const state = rows.state();
  const lastSequence = state.lastSequence + 1;
  db.putSync(format.changeKey(lastSequence), key);
  db.putSync(format.stateKey, format.encodeState({ ...state, lastSequence }));
}
