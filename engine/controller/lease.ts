/**
 * Leases that need no synchronised clocks. The holder counts from the moment of SENDING a renewal that succeeded; an
 * observer counts on its own clock from the moment it first saw the row as it is. The holder's time therefore ends first,
 * as long as the two clocks run at the same speed within `leaseDriftMax` and the margin.
 *
 * holder    send r1 ------ validUntil r1 (stops acknowledging)
 * store        r1 written
 * observer          sees r1 -------------------- sees r1 still: dead
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { Failure } from '../kernel/failure.ts';
import { below, type Random } from '../kernel/random.ts';
import { type MetadataStore, type Row, type RowKey, StoreConflict, type StoreOp } from '../ports.ts';
import { decodeLease, encodeLease, type LeaseRow } from './rows/lease.ts';

export interface LeaseSettings {
  readonly durationMs: number;
  readonly renewIntervalMs: number;
  /** Taken off the holder's side: clock drift and the time from the look at the lease to the acknowledgement. */
  readonly marginMs: number;
  /** A failed renewal is repeated after a random time below this. */
  readonly retryMsMax: number;
}

/** All processes on one machine. */
export const leaseDefaults: LeaseSettings = { durationMs: 1500, renewIntervalMs: 300, marginMs: 75, retryMsMax: 50 };

/** How much faster an observer's clock may run than a holder's. */
const leaseDriftMax = 0.01;

export interface LeaseOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly key: RowKey;
  readonly epoch: number;
  readonly settings: LeaseSettings;
  /** The conditions that end the lease when they do not hold, asked for before each renewal. */
  guard(): readonly StoreOp[];
  /** Whether a refused guard means the end; false repeats the renewal with a fresh guard. Absent: it always does. */
  isLost?(conflict: StoreConflict): boolean;
  /** Called at most once, never after stop(). No renewal follows. */
  onLost(cause: Failure): void;
  /** Monotonic time of sending the transaction that wrote the first lease row; absent: the first renewal does. */
  readonly grantedAtMs?: number;
  /** Told with each renewal; 0 for nothing. See LeaseRow. */
  syncedLsn?(): number;
}

/** The lease ended before it was renewed. */
export class LeaseEnded extends Failure {
  readonly code = 'fenced';
}

export interface Lease {
  /** Monotonic; 0 before the first renewal. */
  validUntilMs(): number;
  isValid(nowMs: number): boolean;
  /** Resolves when a renewal that was sent since the call is stored. Rejects with LeaseEnded. */
  renewed(): Promise<void>;
  /** Ends the renewals; the lease is not valid from here on. */
  stop(): void;
}

export function firstLease(epoch: number, settings: LeaseSettings): LeaseRow {
  return { epoch, durationMs: settings.durationMs, renewals: 0 };
}

/** Starts to renew at once, or after an interval when `grantedAtMs` is given. */
export function holdLease(options: LeaseOptions): Lease {
  return new HeldLease(options);
}

class HeldLease implements Lease {
  readonly #options: LeaseOptions;
  #validUntilMs = 0;
  #renewals = 0;
  #timer: Timer | undefined;
  #ended = false;
  #isRenewing = false;
  /** For the end of a renewal that is still to be sent. */
  #waiting: Waiting[] = [];

  constructor(options: LeaseOptions) {
    this.#options = options;
    if (options.grantedAtMs !== undefined) this.#extend(options.grantedAtMs);
    const firstInMs = options.grantedAtMs === undefined ? 0 : options.settings.renewIntervalMs;
    this.#renewAfter(firstInMs);
  }

  validUntilMs(): number {
    return this.#validUntilMs;
  }

  isValid(nowMs: number): boolean {
    return nowMs < this.#validUntilMs;
  }

  renewed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#ended) this.#giveUp();
      else if (!this.#isRenewing) {
        this.#timer?.cancel();
        void this.#renew();
      }
    });
  }

  stop(): void {
    this.#ended = true;
    this.#validUntilMs = 0;
    this.#timer?.cancel();
    this.#giveUp();
  }

  #giveUp(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new LeaseEnded('the lease has ended'));
  }

  #extend(sentAtMs: number): void {
    const { durationMs, marginMs } = this.#options.settings;
    this.#validUntilMs = Math.max(this.#validUntilMs, sentAtMs + durationMs - marginMs);
  }

  #renewAfter(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => void this.#renew(), 'background');
  }

  async #renew(): Promise<void> {
    const { store, clock, key, epoch, settings } = this.#options;
    const sentAtMs = clock.monotonicMs();
    this.#renewals++;
    const { durationMs } = settings;
    const syncedLsn = this.#options.syncedLsn?.() ?? 0;
    const value = encodeLease({ epoch, durationMs, renewals: this.#renewals, ...(syncedLsn > 0 ? { syncedLsn } : {}) });
    // One at a time, so that none of an earlier state is stored over one of a later.
    const served = this.#waiting.length;
    this.#isRenewing = true;
    try {
      await store.transact([...this.#options.guard(), { op: 'put', key, value }]);
    } catch (cause) {
      if (!this.#ended) this.#failed(cause);
      return;
    } finally {
      this.#isRenewing = false;
    }
    if (this.#ended) return;
    this.#extend(sentAtMs);
    for (const { resolve } of this.#waiting.splice(0, served)) resolve();
    const nextAtMs = this.#waiting.length > 0 ? sentAtMs : sentAtMs + settings.renewIntervalMs;
    this.#renewAfter(Math.max(0, nextAtMs - clock.monotonicMs()));
  }

  #failed(cause: unknown): void {
    const { random, settings } = this.#options;
    if (!this.#endsLease(cause)) {
      // Ambiguous ones too: putting a later count of the same epoch over an unknown one is harmless.
      this.#renewAfter(below(random, settings.retryMsMax));
      return;
    }
    this.stop();
    if (!(cause instanceof Failure)) throw cause;
    this.#options.onLost(cause);
  }

  #endsLease(cause: unknown): boolean {
    if (cause instanceof StoreConflict) return this.#options.isLost?.(cause) ?? true;
    return !(cause instanceof Failure && cause.retryable);
  }
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (failure: LeaseEnded) => void;
}

/** What an observer remembers of one lease row. */
export interface ObservedLease {
  readonly version: number;
  readonly value: string;
  /** Monotonic time after the read that first returned this value. */
  readonly sinceMs: number;
  readonly durationMs: number;
  readonly dead: boolean;
}

/**
 * One look at a lease. `nowMs`: the observer's monotonic time after the read. A verdict of dead is a suspicion: fence with
 * a transaction that also checks the lease row's version, because a renewal may have been written after the read. With no
 * row the answer is undefined: there is no holder to wait for. Throws RowCorrupt.
 */
export function observe(
  seen: ObservedLease | undefined,
  row: Row | undefined,
  nowMs: number,
): ObservedLease | undefined {
  if (row === undefined) return undefined;
  // The value as well: a row that was deleted and written again starts at version 1.
  if (seen === undefined || seen.version !== row.version || seen.value !== row.value) {
    const { durationMs } = decodeLease(row);
    return { version: row.version, value: row.value, sinceMs: nowMs, durationMs, dead: false };
  }
  const dead = nowMs - seen.sinceMs >= seen.durationMs * (1 + leaseDriftMax);
  return dead === seen.dead ? seen : { ...seen, dead };
}
