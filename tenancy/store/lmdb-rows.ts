/**
 * Reads rows and the store's own state from LMDB's bytes, and what cannot be believed in them. One changed bit is changed
 * back on the way. A row with more damage in its key or version is handed on with an empty value, which no row's file
 * writes: its readers then treat it as damaged, and whoever knows what it said can write it again.
 */
import type { RootDatabase } from 'lmdb';
import type { Row, RowKey } from '../../engine/ports.ts';
import * as format from './lmdb-format.ts';
import { mendSeal, sealBytes, sealState } from './lmdb-seal.ts';

/** Rows told of; beyond this number the oldest are told again. */
const toldMax = 1000;

export class LmdbRows {
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #warn: (text: string) => void;
  readonly #told = new Set<string>();

  constructor(db: RootDatabase<Buffer, Buffer>, warn: (text: string) => void) {
    this.#db = db;
    this.#warn = warn;
  }

  /** The row that was asked for by its key, which stands in the store as `key`. */
  read(asked: RowKey, key: Buffer, bytes: Buffer): Row {
    const state = sealState(key, bytes);
    if (state !== 'broken') return format.decodeRow(asked, bytes, bytes.length - (state === 'sound' ? sealBytes : 0));
    const mended = mendSeal(key, bytes);
    if (!mended?.key.equals(key)) return this.#damaged(asked, bytes);
    this.#tell(asked, 'one bit of its version or value had changed');
    return format.decodeRow(asked, mended.row, bytes.length - sealBytes);
  }

  /**
   * One that was met in a range. When its key has changed, `misplaced` is called. Undefined when it is no row of this
   * partition key, or when its place has been taken meanwhile.
   */
  readMet(pk: string, key: Buffer, bytes: Buffer, misplaced: () => void): Row | undefined {
    const met = { pk, sk: format.decodeSk(key, pk) };
    const state = sealState(key, bytes);
    if (state !== 'broken') return format.decodeRow(met, bytes, bytes.length - (state === 'sound' ? sealBytes : 0));
    const row = this.misplaced(key, bytes);
    if (!row) return this.read(met, key, bytes);
    misplaced();
    const asked = format.decodeRowKey(row.key);
    if (asked.pk !== pk || this.#db.doesExist(row.key)) return undefined;
    return format.decodeRow(asked, row.row, bytes.length - sealBytes);
  }

  /** Key and bytes of a row whose key had changed, as they were written; undefined for any other. */
  misplaced(key: Buffer, bytes: Buffer): { readonly key: Buffer; readonly row: Buffer } | undefined {
    const mended = sealState(key, bytes) === 'broken' ? mendSeal(key, bytes) : undefined;
    if (!mended || mended.key.equals(key) || !format.isRowKey(mended.key)) return undefined;
    this.#tell(format.decodeRowKey(mended.key), 'one bit of its key had changed');
    return mended;
  }

  /** Of a row that is about to be replaced. */
  version(asked: RowKey, key: Buffer, bytes: Buffer): number {
    return sealState(key, bytes) === 'broken' ? this.read(asked, key, bytes).version : format.decodeVersion(bytes);
  }

  state(): format.StoreState {
    const state = format.decodeState(this.#db.get(format.stateKey));
    if (state) return state;
    this.#tellOnce('metadata store: the counters of its changes were damaged, and are counted again');
    return countedState(this.#db);
  }

  /** Tells of what makes `key` unreadable, which is no row that can be named. */
  tellKey(key: Buffer, what: string): void {
    this.#tellOnce(`metadata store: key ${JSON.stringify(key.toString('latin1'))}: ${what}`);
  }

  #damaged({ pk, sk }: RowKey, bytes: Buffer): Row {
    this.#tell({ pk, sk }, 'its key or version is damaged, and more of it than one bit');
    return { pk, sk, value: '', version: format.decodeVersion(bytes) };
  }

  #tell({ pk, sk }: RowKey, what: string): void {
    this.#tellOnce(`metadata store: row ${pk} ${sk}: ${what}`);
  }

  #tellOnce(text: string): void {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    for (const oldest of this.#told) {
      if (this.#told.size <= toldMax) break;
      this.#told.delete(oldest);
    }
    this.#warn(text);
  }
}

/** When the window was opened is not known: a time that no clock reaches begins it again, so no token is forgotten early. */
function countedState(db: RootDatabase<Buffer, Buffer>): format.StoreState {
  const one = (start: Buffer, end: Buffer, reverse: boolean): Buffer | undefined => {
    const range = reverse ? { start: end, end: start, reverse, limit: 1 } : { start, end, limit: 1 };
    return Array.from(db.getKeys(range))[0];
  };
  const first = one(format.changeKey(0), format.afterChanges, false);
  const last = one(format.changeKey(0), format.afterChanges, true);
  const token = one(format.tokenKey(0, ''), format.afterTokens, true);
  return {
    firstSequence: first ? format.decodeSequence(first) : 1,
    lastSequence: last ? format.decodeSequence(last) : 0,
    window: token ? format.decodeWindow(token) : 0,
    windowOpenedMs: Number.MAX_SAFE_INTEGER,
  };
}
