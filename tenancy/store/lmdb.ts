/**
 * The metadata store of one machine: an LMDB file that several processes (the gateway and its brokers) open at once.
 *
 * Writes gather in a queue and are committed in groups: one LMDB transaction and one fdatasync, however many callers there
 * are. A group checks all conditions of a transaction before it writes any part of it, so a conflict does not affect its
 * neighbours. The group as a whole is a child transaction, so an exception in the middle leaves nothing behind.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Failure } from '../../engine/kernel/failure.ts';
import {
  type MetadataStore,
  type RangeOptions,
  type Row,
  type RowChange,
  type RowKey,
  StoreAmbiguous,
  StoreConflict,
  type StoreOp,
  StoreThrottled,
  StoreUnavailable,
  storeTokenMs,
} from '../../engine/ports.ts';
import { checkKey, checkLimits, holds } from '../../engine/store-limits.ts';
import { ChangeFeed } from './change-feed.ts';
import { checkSlice, firstKey, type MisplacedRow, putBack } from './lmdb-check.ts';
import * as format from './lmdb-format.ts';
import { assertRoom, commitFailure, faultDisk, type FaultDisk, unavailable, WriteFault } from './lmdb-fault.ts';
import { lastCommitOf, mayBeLmdb } from './lmdb-header.ts';
import { readPage } from './lmdb-page.ts';
import { pageDamage } from './lmdb-pages.ts';
import { Panic } from './lmdb-panic.ts';
import { keepReserve } from './lmdb-reserve.ts';
import { LmdbRows } from './lmdb-rows.ts';
import { OldSnapshot, SnapshotGuard, snapshotAttemptsMax } from './lmdb-snapshot.ts';

export interface LmdbStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** How often watchers look for the commits of other processes. */
  readonly pollIntervalMs?: number;
  /** Looks at the whole file first: a process that meets a damaged page ends without a message. */
  readonly checksPages?: boolean;
  /** Changes kept for other processes; one that falls further behind gets 'gap'. */
  readonly changesKeptMax?: number;
  /**
   * Called when a writer was put back on the newest snapshot (lmdb-snapshot.ts), which loses nothing, and when writes begin
   * to fail or succeed again (lmdb-fault.ts).
   */
  readonly warn?: (text: string) => void;
}

/** Rare, because an idle process should sleep: a caller that waits for a change asks for a look (`refresh`). */
const pollIntervalMsDefault = 100;
const changesKeptMaxDefault = 10_000;
/** Address space reserved at once. When the file grows beyond it, LMDB maps more. The file itself starts small. */
const mapBytes = 1024 * 1024 * 1024;
/** Two keys of 1,024 bytes do not fit into the 1,978 bytes that pages of 4 KiB allow. */
const pageBytes = 8192;
const groupTransactionsMax = 512;
const groupOpsMax = 4096;
const queuedTransactionsMax = 10_000;
/** Two full windows always cover storeTokenMs, so a token is looked up in three. */
const tokenWindowMs = storeTokenMs / 2;
/** Expired entries removed by one transaction: more than it can add, but still a short write. */
const pruneTokensMax = 4;
const pruneChangesExtra = 8;
/** A killed reader pins old pages until its slot is cleared. */
const groupsPerReaderCheck = 1024;
const groupsPerReserveCheck = 64;

/** A metadata store with the parts that are specific to LMDB. */
export interface LmdbStore extends MetadataStore {
  /** The number of the last commit of any process. A file restored from an earlier copy has a smaller one. */
  lastCommit(): number;
  /** Why this process's last write, or last look for changes, failed; undefined when neither did. */
  trouble(): string | undefined;
  /**
   * Calls `listener` once, with the reason, when this process can no longer use the store: nothing is written or read until
   * the process has ended. Later requests fail with the same reason.
   */
  onPanic(listener: (reason: string) => void): void;
  /** Reads every row, and puts rows back whose keys have changed: nobody who asks for such a row would find it. */
  check(): Promise<void>;
  /**
   * Copies the store into an empty directory while others continue. The copy is the state as of one commit, no earlier than
   * the last commit at the time of the call. Throws StoreUnavailable.
   */
  copyTo(directory: string): Promise<void>;
}

interface Pending {
  readonly ops: readonly StoreOp[];
  readonly token: string | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * LMDB's file is closed only by the end of the process; until then this array keeps it referenced. When LMDB is closed
 * properly and nobody else has the file open, it destroys the mutexes in its lock file (`mdb_env_close_active` in lmdb
 * 3.5.6), even when another process is just opening it:
 *
 *   closer: nobody else has the file, so it takes the exclusive lock
 *   opener: finds that lock taken, so it is not the first (which makes the mutexes), and waits for a shared lock
 *   closer: destroys the mutexes and ends
 *   opener: has mutexes that cannot be locked, and so has everybody who comes while it is there
 *
 * When a process just ends, the system releases its lock, and the next process makes the mutexes anew.
 */
const openUntilEnd: RootDatabase[] = [];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Throws StoreUnavailable when the directory or the file cannot be used. Files are readable by their owner only.
 *
 * Call it once per process, or at least before the process writes: opening takes the lock of all writers on the calling
 * thread. A write of another handle of this process may hold that lock and wait for this very thread: a deadlock.
 */
export function openLmdbStore(options: LmdbStoreOptions): LmdbStore {
  try {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    const settings = {
      path: options.directory,
      // Otherwise a directory with a dot in its name would be taken for a file.
      noSubdir: false,
      pageSize: pageBytes,
      mapSize: mapBytes,
      keyEncoding: 'binary' as const,
      encoding: 'binary' as const,
      // A commit must mean on disk. With overlapping syncs, others could read data that a power cut then takes back.
      overlappingSync: false,
      // When a commit fails, the batches of lmdb-js reject a promise that nobody holds, which would end the process.
      eventTurnBatching: false,
      permissionsMode: 0o600,
    };
    const file = join(options.directory, 'data.mdb');
    if (!mayBeLmdb(file, pageBytes))
      throw new Error('data.mdb is damaged, or is not an LMDB file: restore it from a backup');
    const damage = options.checksPages && existsSync(file) ? pageDamage(file, pageBytes) : undefined;
    if (damage !== undefined) throw new Error(`data.mdb is damaged (${damage}): restore it from a backup`);
    assertRoom(options.directory);
    const db = open<Buffer, Buffer>(settings);
    openUntilEnd.push(db);
    const snapshot = new SnapshotGuard(db, join(options.directory, 'lock.mdb'));
    snapshot.makeNewest();
    return new OpenLmdbStore(db, snapshot, options);
  } catch (error) {
    throw new StoreUnavailable(`metadata store in ${options.directory}: ${textOf(error)}`);
  }
}

class OpenLmdbStore implements LmdbStore {
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #changesKeptMax: number;
  readonly #feed: ChangeFeed;
  readonly #snapshot: SnapshotGuard;
  readonly #warn: (text: string) => void;
  readonly #disk: FaultDisk;
  readonly #fault: WriteFault;
  readonly #panic = new Panic();
  readonly #rows: LmdbRows;
  #readFailure: unknown;
  #queue: Pending[] = [];
  #committing: Promise<void> | undefined;
  #groups = 0;
  #closed: Promise<void> | undefined;
  #letGo: (failure: Failure) => void = () => undefined;

  constructor(db: RootDatabase<Buffer, Buffer>, snapshot: SnapshotGuard, options: LmdbStoreOptions) {
    this.#db = db;
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#snapshot = snapshot;
    this.#warn = options.warn ?? (() => undefined);
    this.#rows = new LmdbRows(db, this.#warn);
    this.#disk = faultDisk(options.directory);
    this.#fault = new WriteFault(this.#disk, options.clock, this.#warn);
    this.#changesKeptMax = options.changesKeptMax ?? changesKeptMaxDefault;
    const log = {
      renewSnapshot: () => db.resetReadTxn(),
      state: () => this.#state(),
      changes: (from: number, to: number) => this.#changes(from, to),
      row: (key: RowKey) => this.#row(key),
      went: (failure: unknown) => {
        this.#readFailure = failure;
        this.#panic.note(failure);
      },
    };
    this.#panic.on((failure) => this.#letGo(failure));
    this.#feed = new ChangeFeed(log, options.clock, options.pollIntervalMs ?? pollIntervalMsDefault);
  }

  lastCommit(): number {
    this.#assertOpen();
    return (this.#db.getStats() as { lastTxnId: number }).lastTxnId;
  }

  onPanic(listener: (reason: string) => void): void {
    this.#panic.on(({ message }) => listener(message));
  }

  trouble(): string | undefined {
    if (this.#panic.failure) return this.#panic.failure.message;
    if (this.#fault.text !== undefined || this.#readFailure === undefined) return this.#fault.text;
    return WriteFault.textOf(this.#disk, this.#readFailure);
  }

  async copyTo(directory: string): Promise<void> {
    this.#assertOpen();
    try {
      // A reader may briefly begin from an old snapshot (lmdb-snapshot.ts), and a copy with it.
      const atLeast = this.lastCommit();
      this.#snapshot.makeNewest();
      await this.#db.backup(directory, false);
      const copied = lastCommitOf(join(directory, 'data.mdb'), pageBytes);
      if (copied < atLeast)
        throw new Error(`the copy ends with commit ${copied}, and ${atLeast} was the last before it`);
      const damage = pageDamage(join(directory, 'data.mdb'), pageBytes);
      if (damage !== undefined) throw new Error(`data.mdb is damaged (${damage}), and so would be every copy`);
    } catch (error) {
      throw new StoreUnavailable(`metadata store in ${this.#directory}: ${textOf(error)}`);
    }
  }

  async check(): Promise<void> {
    let from: Buffer | undefined = firstKey;
    while (from && !this.#closed) {
      const at: Buffer = from;
      const { next, misplaced } = this.#reading(() => checkSlice(this.#db, this.#rows, at));
      for (const row of misplaced) await this.#putBack(row);
      from = next;
      await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
    }
  }

  async #putBack(row: MisplacedRow): Promise<void> {
    if (this.#panic.failure ?? this.#fault.barred()) return;
    await this.#unlessPanic(
      this.#db.childTransaction(() => {
        this.#snapshot.assertNewest();
        putBack(this.#db, this.#rows, row);
      }),
    );
    this.#feed.wake();
  }

  async get(key: RowKey): Promise<Row | undefined> {
    checkKey(key);
    return this.#reading(() => this.#row(key));
  }

  async range(pk: string, options: RangeOptions = {}): Promise<{ rows: Row[]; cursor?: string }> {
    return this.#reading(() => readPage(this.#db, this.#rows, pk, options));
  }

  async transact(ops: readonly StoreOp[], token?: string): Promise<void> {
    this.#assertOpen();
    checkLimits(ops, token);
    if (this.#panic.failure) throw this.#panic.failure;
    if (this.#queue.length >= queuedTransactionsMax) {
      throw new StoreThrottled(`${queuedTransactionsMax} transactions wait for the metadata store`);
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ ops, token, resolve, reject });
      this.#committing ??= this.#commitGroups();
    });
  }

  watch(pk: string, onChange: (change: RowChange) => void): () => void {
    this.#assertOpen();
    return this.#feed.watch(pk, onChange);
  }

  refresh(): void {
    this.#feed.wake();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#feed.close();
    await this.#committing;
    if (!this.#panic.failure) this.#db.resetReadTxn();
  }

  /** Runs until the queue is empty. While one group is being written to the disk, the next one gathers. */
  async #commitGroups(): Promise<void> {
    // All requests of one turn are committed together.
    await new Promise<void>((resolve) => this.#clock.endOfTurn(resolve));
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, groupLength(this.#queue));
      const barred = this.#panic.failure ?? this.#fault.barred();
      if (barred) {
        for (const pending of group) pending.reject(barred);
        continue;
      }
      try {
        const outcomes = await this.#unlessPanic(this.#commitGroup(group));
        this.#fault.succeeded();
        if (++this.#groups % groupsPerReaderCheck === 0) this.#db.readerCheck();
        this.#feed.wake();
        for (const [index, pending] of group.entries()) {
          const conflict = outcomes[index];
          if (conflict) pending.reject(conflict);
          else pending.resolve();
        }
      } catch (error) {
        const failure = await commitFailure(this.#disk, error);
        if (!(error instanceof OldSnapshot)) this.#fault.failed(failure);
        if (failure instanceof StoreAmbiguous) this.#probe();
        for (const pending of group) pending.reject(failure);
      }
    }
    this.#committing = undefined;
  }

  /** On a panic, rejects a commit in progress, because it may be the one that failed. */
  #unlessPanic<T>(commit: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#letGo = ({ message }) => reject(new StoreAmbiguous(message));
      commit.then(resolve, reject);
    });
  }

  /** Checks whether the store still answers: the next call might be a write, and a write would never get an answer. */
  #probe(): void {
    try {
      this.#db.resetReadTxn();
      this.#state();
    } catch (error) {
      this.#panic.note(error);
    }
  }

  async #commitGroup(group: readonly Pending[]): Promise<(StoreConflict | undefined)[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#db.childTransaction(() => this.#runGroup(group));
      } catch (error) {
        if (!(error instanceof OldSnapshot) || attempt === snapshotAttemptsMax) throw error;
        this.#warn(`metadata store: a write ${error.message}, and is started over`);
      }
    }
  }

  /** Runs inside the write transaction, so it is synchronous. Returns one outcome per entry of `group`; undefined is success. */
  #runGroup(group: readonly Pending[]): (StoreConflict | undefined)[] {
    this.#snapshot.assertNewest();
    if (this.#groups % groupsPerReserveCheck === 0) this.#keepReserve();
    const nowMs = this.#clock.monotonicMs();
    const state: Mutable<format.StoreState> = this.#state();
    openTokenWindow(state, nowMs);
    const outcomes = group.map(({ ops, token }) => this.#runTransaction(ops, token, state, nowMs));
    this.#pruneChanges(state);
    this.#db.putSync(format.stateKey, format.encodeState(state));
    return outcomes;
  }

  #keepReserve(): void {
    const { lastPageNumber, pageSize } = this.#db.getStats() as { lastPageNumber: number; pageSize: number };
    keepReserve(join(this.#directory, 'data.mdb'), (lastPageNumber + 1) * pageSize);
  }

  #runTransaction(
    ops: readonly StoreOp[],
    token: string | undefined,
    state: Mutable<format.StoreState>,
    nowMs: number,
  ): StoreConflict | undefined {
    if (token !== undefined && this.#isRemembered(token, state.window, nowMs)) return undefined;
    const keys = ops.map((op) => format.rowKeyBytes(op.key.pk, op.key.sk));
    const found = keys.map((key) => this.#db.get(key));
    for (const [index, op] of ops.entries()) {
      const bytes = found[index];
      const current = bytes && op.if ? this.#rows.read(op.key, keys[index]!, bytes) : undefined;
      if (!holds(op.if, current)) return new StoreConflict(index, current);
    }
    for (const [index, op] of ops.entries()) this.#apply(op, keys[index]!, found[index], state);
    if (token !== undefined) {
      this.#db.putSync(format.tokenKey(state.window, token), format.encodeTime(nowMs));
      this.#pruneTokens(state.window);
    }
    return undefined;
  }

  #apply(op: StoreOp, key: Buffer, found: Buffer | undefined, state: Mutable<format.StoreState>): void {
    if (op.op === 'check' || (op.op === 'delete' && !found)) return;
    if (op.op === 'put') {
      const version = found ? this.#rows.version(op.key, key, found) + 1 : 1;
      this.#db.putSync(key, format.encodeRow(key, version, op.value));
    } else {
      this.#db.removeSync(key);
    }
    state.lastSequence++;
    this.#db.putSync(format.changeKey(state.lastSequence), key);
  }

  #isRemembered(token: string, window: number, nowMs: number): boolean {
    for (let w = window; w >= Math.max(0, window - 2); w--) {
      const bytes = this.#db.get(format.tokenKey(w, token));
      // The clock is behind the stored time only after a restart of the machine. The age is then unknown: remember rather
      // than repeat.
      if (bytes && nowMs - format.decodeTime(bytes) < storeTokenMs) return true;
    }
    return false;
  }

  #pruneTokens(window: number): void {
    if (window <= 2) return;
    const range = { start: format.tokenKey(0, ''), end: format.tokenKey(window - 2, ''), limit: pruneTokensMax };
    for (const key of Array.from(this.#db.getKeys(range))) this.#db.removeSync(key);
  }

  #pruneChanges(state: Mutable<format.StoreState>): void {
    const keepFrom = state.lastSequence - this.#changesKeptMax + 1;
    // A group adds at most groupOpsMax changes, so this keeps up and stays bounded.
    const until = Math.min(keepFrom, state.firstSequence + groupOpsMax + pruneChangesExtra);
    while (state.firstSequence < until) this.#db.removeSync(format.changeKey(state.firstSequence++));
  }

  #state(): format.StoreState {
    return this.#rows.state();
  }

  #row(key: RowKey): Row | undefined {
    const keyBytes = format.rowKeyBytes(key.pk, key.sk);
    const bytes = this.#db.get(keyBytes);
    return bytes && this.#rows.read(key, keyBytes, bytes);
  }

  *#changes(from: number, to: number): Iterable<{ sequence: number; key: RowKey }> {
    const range = { start: format.changeKey(from), end: format.changeKey(to + 1) };
    for (const { key, value } of this.#db.getRange(range)) {
      yield { sequence: format.decodeSequence(key), key: format.decodeRowKey(value) };
    }
  }

  #reading<T>(read: () => T): T {
    this.#assertOpen();
    try {
      // lmdb-js keeps one snapshot for the rest of the turn, but a read must see what other processes have committed.
      this.#db.resetReadTxn();
      return read();
    } catch (error) {
      this.#panic.note(error);
      if (this.#panic.failure) throw this.#panic.failure;
      throw unavailable(this.#disk, error);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailable('the metadata store is closed');
  }
}

/** How many entries of `queue` fit into one group. */
function groupLength(queue: readonly Pending[]): number {
  let ops = 0;
  let length = 0;
  while (length < queue.length && length < groupTransactionsMax) {
    ops += queue[length]!.ops.length;
    if (length > 0 && ops > groupOpsMax) break;
    length++;
  }
  return length;
}

/**
 * Windows are at least tokenWindowMs long on the monotonic clock. That clock restarts with the machine; the current window
 * then simply lasts longer, and no token is forgotten early.
 */
function openTokenWindow(state: Mutable<format.StoreState>, nowMs: number): void {
  const elapsedMs = nowMs - state.windowOpenedMs;
  if (elapsedMs < 0) state.windowOpenedMs = nowMs;
  if (elapsedMs < tokenWindowMs) return;
  state.window += Math.floor(elapsedMs / tokenWindowMs);
  state.windowOpenedMs = nowMs;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
