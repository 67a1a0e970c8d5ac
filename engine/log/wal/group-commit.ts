/**
 * Turns appends into acknowledgements, many at a time:
 *
 *   queued ──end of turn, one write──► written ──datasync──► durable ──lease holds──► acknowledged
 *      └─ disk full: refused
 *
 * One sync is in flight at a time. Writes during a sync join the next one, so the sync itself sets the batch size and an
 * idle log waits for nothing. The lease is checked AFTER the sync: the successor seals this log no earlier than the lease's
 * end, so data that was durable while the lease held is inside the seal. A check before the sync would prove nothing; a
 * pause between check and acknowledgement does no harm.
 *
 * A disk fault poisons the log: the kernel may have dropped the pages and marked them clean, so a second sync that succeeds
 * would lie. Nothing is acknowledged any more, the process exits, and recovery keeps what can be read back.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';
import type { Wal, WalRecord } from './wal.ts';
import { SessionFenced } from '../log.ts';

/** One append. The commit calls `advance` for all entries that became durable, then `acknowledge`, then `wake`. */
export interface CommitEntry {
  /** Undefined for a repeat, which only waits behind what was queued before it. */
  readonly record: WalRecord | undefined;
  /** Makes the batch visible. */
  advance(): void;
  acknowledge(): void;
  /** Undoes the append as if it had never been made. Called in reverse order, before the refusals. */
  undo(): void;
  refuse(message: string): void;
  /** Wakes the readers of the entry's log; called after all acknowledgements of the commit. */
  wake(): void;
}

export interface GroupCommitOptions {
  readonly wal: Wal;
  readonly clock: Clock;
  readonly durability: 'fsync' | 'page-cache';
  readonly leaseRetryMs: number;
  mayAck(): boolean;
  onFatal(error: Error): void;
  /** The disk refused a write for lack of space. */
  onFull(): void;
}

export class GroupCommit {
  readonly #o: GroupCommitOptions;
  #queued: CommitEntry[] = [];
  #written: CommitEntry[] = [];
  /** Durable entries that wait for the lease. */
  #held: CommitEntry[] = [];
  #flushScheduled = false;
  #syncing = false;
  #leaseTimer: Timer | undefined;
  #failure: Error | undefined;
  #entered = 0;
  #left = 0;
  #drains: { readonly mark: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  commits = 0;

  constructor(options: GroupCommitOptions) {
    this.#o = options;
  }

  /** Set after a fault or `stop`: nothing queued after that is ever answered. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  queue(entry: CommitEntry): void {
    this.#entered++;
    this.#queued.push(entry);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#o.clock.endOfTurn(() => this.#flush());
  }

  /** Resolves when everything queued so far is acknowledged or refused; rejects when the session dies first. */
  drained(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#left === this.#entered) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drains.push({ mark: this.#entered, resolve, reject }));
  }

  /** The session is over: from here on nothing is acknowledged. */
  stop(failure: Error = new SessionFenced('the broker session has ended')): void {
    if (this.#failure) return;
    this.#failure = failure;
    this.#leaseTimer?.cancel();
    this.#queued = [];
    this.#written = [];
    this.#held = [];
    for (const drain of this.#drains.splice(0)) drain.reject(failure);
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#failure) return;
    const entries = this.#queued;
    this.#queued = [];
    const records: WalRecord[] = [];
    for (const { record } of entries) if (record) records.push(record);
    let written: number;
    try {
      written = this.#o.wal.write(records);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    const cut = written === records.length ? [] : splitAfter(entries, written);
    for (const entry of entries) this.#written.push(entry);
    if (cut.length > 0) this.#refuse(cut);
    this.#commit();
  }

  #refuse(entries: readonly CommitEntry[]): void {
    this.#o.onFull();
    for (let i = entries.length - 1; i >= 0; i--) entries[i]!.undo();
    for (const entry of entries) {
      entry.refuse('the volume is full');
      // `drained` counts entries, so a refused one must not leave before those ahead of it.
      this.#written.push(refused);
    }
  }

  #commit(): void {
    if (this.#written.length === 0 || this.#syncing) return;
    const entries = this.#written;
    this.#written = [];
    if (this.#o.durability === 'page-cache') {
      this.#release(entries);
      return;
    }
    this.#syncing = true;
    this.#o.wal.sync().then(
      () => {
        this.#syncing = false;
        if (this.#failure) return;
        this.commits++;
        // Start the next sync before sending this one's acknowledgements, so that the disk works meanwhile.
        this.#commit();
        this.#release(entries);
      },
      (error: Error) => this.#fail(error),
    );
  }

  #release(entries: readonly CommitEntry[]): void {
    for (const entry of entries) this.#held.push(entry);
    if (!this.#leaseTimer) this.#acknowledge();
  }

  #acknowledge(): void {
    if (!this.#o.mayAck()) {
      this.#leaseTimer = this.#o.clock.after(this.#o.leaseRetryMs, () => {
        this.#leaseTimer = undefined;
        if (!this.#failure) this.#acknowledge();
      });
      return;
    }
    const entries = this.#held;
    this.#held = [];
    for (const entry of entries) entry.advance();
    for (const entry of entries) entry.acknowledge();
    for (const entry of entries) entry.wake();
    this.#leave(entries.length);
  }

  #leave(count: number): void {
    this.#left += count;
    while (this.#drains.length > 0 && this.#drains[0]!.mark <= this.#left) this.#drains.shift()!.resolve();
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.stop(error);
    this.#o.onFatal(error);
  }
}

const refused: CommitEntry = {
  record: undefined,
  advance() {},
  acknowledge() {},
  undo() {},
  refuse() {},
  wake() {},
};

/** Cuts `entries` after its first `records` records and returns the part that was cut off. */
function splitAfter(entries: CommitEntry[], records: number): CommitEntry[] {
  let seen = 0;
  const cut = entries.findIndex((entry) => entry.record !== undefined && seen++ === records);
  return entries.splice(cut);
}
