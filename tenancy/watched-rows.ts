/**
 * All rows of one partition key, kept current in memory. The data path reads these instead of the store. The watch begins
 * before the first read, so that no change falls between the two.
 *
 * Three sources meet here and must not undo each other: the change feed, re-reads after a gap, and this process's own
 * writes, which apply at once. Versions only grow, so an older version is ignored. Ids are never reused, so a removed row
 * stays removed, even when the feed or an earlier re-read still shows it.
 */
import { sleep } from '../engine/kernel/clock.ts';
import type { Row, RowChange } from '../engine/ports.ts';
import { type Persistence, rangeSurely } from '../engine/store-surely.ts';

export interface WatchedRow<T> {
  readonly value: T;
  readonly version: number;
}

export interface WatchedRowsOptions<T> {
  readonly pk: string;
  /** Throws RowCorrupt. */
  decode(row: Row): T;
  /** `next` is undefined for a removed row, `previous` for a new one. Not called for the rows of the first read. */
  changed?(sk: string, next: T | undefined, previous: T | undefined): void;
  /** A row cannot be read, or a re-read failed. An unreadable row counts as removed: damaged data grants nothing. */
  fault?(sk: string, cause: unknown): void;
}

/** Between a re-read that failed and the next one. */
const rereadPauseMs = 250;

/** How many ids of removed rows are remembered; far more than can be on their way at once. */
const removedMax = 10_000;

export class WatchedRows<T> {
  readonly #persistence: Persistence;
  readonly #options: WatchedRowsOptions<T>;
  readonly #rows = new Map<string, WatchedRow<T>>();
  readonly #removed = new Set<string>();
  /** Set while the rows are read again: rows that changed meanwhile, which that read must not judge. */
  #touched: Set<string> | undefined;
  #rereadAgain = false;
  #stopWatch: () => void = () => {};
  #closed = false;

  private constructor(persistence: Persistence, options: WatchedRowsOptions<T>) {
    this.#persistence = persistence;
    this.#options = options;
  }

  /** Throws the store's failure when it stays away for too long. A damaged row does not keep the others from being read. */
  static async open<T>(persistence: Persistence, options: WatchedRowsOptions<T>): Promise<WatchedRows<T>> {
    const rows = new WatchedRows(persistence, options);
    const early: RowChange[] = [];
    let loaded = false;
    rows.#stopWatch = persistence.store.watch(options.pk, (change) => {
      if (loaded) rows.#onChange(change);
      else early.push(change);
    });
    try {
      for (const row of await rangeSurely(persistence, options.pk)) {
        const value = rows.#decoded(row);
        if (value !== undefined) rows.#rows.set(row.sk, { value, version: row.version });
      }
    } catch (error) {
      rows.#stopWatch();
      throw error;
    }
    loaded = true;
    for (const change of early) rows.#onChange(change);
    return rows;
  }

  get(sk: string): WatchedRow<T> | undefined {
    return this.#rows.get(sk);
  }

  entries(): IterableIterator<[string, WatchedRow<T>]> {
    return this.#rows.entries();
  }

  /** Applies what this process has just written. */
  put(sk: string, value: T, version: number): void {
    this.#touched?.add(sk);
    if (this.#closed || this.#removed.has(sk)) return;
    const known = this.#rows.get(sk);
    if (known && known.version >= version) return;
    this.#rows.set(sk, { value, version });
    this.#options.changed?.(sk, value, known?.value);
  }

  remove(sk: string): void {
    this.#touched?.add(sk);
    this.#removed.add(sk);
    if (this.#removed.size > removedMax)
      for (const oldest of this.#removed) {
        this.#removed.delete(oldest);
        break;
      }
    this.#drop(sk);
  }

  close(): void {
    this.#closed = true;
    this.#stopWatch();
  }

  #onChange(change: RowChange): void {
    if (this.#closed) return;
    if (change === 'gap') void this.#reread();
    else if (change.row === undefined) this.remove(change.key.sk);
    else this.#read(change.row);
  }

  #read(row: Row): void {
    const value = this.#decoded(row);
    if (value !== undefined) return this.put(row.sk, value, row.version);
    this.#touched?.add(row.sk);
    this.#drop(row.sk);
  }

  /** Undefined for a row that cannot be read, which is reported. */
  #decoded(row: Row): T | undefined {
    try {
      return this.#options.decode(row);
    } catch (cause) {
      this.#options.fault?.(row.sk, cause);
      return undefined;
    }
  }

  #drop(sk: string): void {
    const known = this.#rows.get(sk);
    if (!known) return;
    this.#rows.delete(sk);
    if (!this.#closed) this.#options.changed?.(sk, undefined, known.value);
  }

  /** One re-read at a time; a gap during one leads to another. */
  async #reread(): Promise<void> {
    if (this.#touched) {
      this.#rereadAgain = true;
      return;
    }
    do {
      this.#rereadAgain = false;
      const touched = new Set<string>();
      this.#touched = touched;
      try {
        const rows = await rangeSurely(this.#persistence, this.#options.pk);
        if (this.#closed) return;
        const present = new Set(rows.map((row) => row.sk));
        for (const sk of this.#rows.keys()) if (!present.has(sk) && !touched.has(sk)) this.remove(sk);
        for (const row of rows) this.#read(row);
      } catch (cause) {
        // The store stayed away for as long as rangeSurely waits, or failed for good: it may then do so at once, and again
        // and again without letting anything else happen. The known rows stay until the next try.
        if (this.#closed || this.#persistence.stopped?.()) return;
        this.#options.fault?.('', cause);
        await sleep(this.#persistence.clock, rereadPauseMs);
        if (this.#closed) return;
        this.#rereadAgain = true;
      } finally {
        this.#touched = undefined;
      }
    } while (this.#rereadAgain);
  }
}
