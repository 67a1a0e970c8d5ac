/**
 * Leases that need no synchronised clocks. The holder counts from the moment it SENT a renewal that succeeded. An
 * observer counts on its own clock, from the moment it first saw the row in its current form. The holder's time
 * therefore ends first, as long as the speeds of the two clocks differ by no more than `leaseDriftMax` and the margin
 * allow.
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
import { unlessDamaged } from '../store-row-json.ts';

export interface LeaseSettings {
  readonly durationMs: number;
  readonly renewIntervalMs: number;
  /**
   * Subtracted on the holder's side. Covers clock drift and the time from checking the lease to the acknowledgement.
   */
  readonly marginMs: number;
  /** A failed renewal is repeated after a random delay below this. */
  readonly retryMsMax: number;
}

/** For processes that all run on one machine. */
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
  /** Conditions checked with each renewal. The lease ends when they do not hold. Called before each renewal. */
  guard(): readonly StoreOp[];
  /**
   * Whether a refused guard ends the lease; false repeats the renewal with a fresh guard. Absent: it always ends the
   * lease.
   */
  isLost?(conflict: StoreConflict): boolean;
  /** Called at most once, never after stop(). No renewal follows. */
  onLost(cause: Failure): void;
  /**
   * Monotonic time at which the transaction that wrote the first lease row was sent. Absent: the first renewal writes
   * it.
   */
  readonly grantedAtMs?: number;
  /** Written with each renewal; 0 writes none. See LeaseRow. */
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
  /** Resolves when a renewal sent after this call is stored. Rejects with LeaseEnded. */
  renewed(): Promise<void>;
  /** Stops renewing. The lease is invalid from here on. */
  stop(): void;
}

export function firstLease(epoch: number, settings: LeaseSettings): LeaseRow {
  return { epoch, durationMs: settings.durationMs, renewals: 0 };
}

/** Renews at once, or after one interval when `grantedAtMs` is given. */
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
  /** Callers waiting for a renewal that is not yet sent. */
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
    // One renewal at a time, so an earlier state never overwrites a later one.
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
      // Applies to ambiguous failures too: writing a later count of the same epoch over an unknown one is harmless.
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

/**
 * How long a lease counts when its row is damaged: no program holds one for longer. A holder that lives replaces the row
 * at its next renewal; only its death makes anybody wait for this long.
 */
export const leaseMsMax = 60_000;

/** What an observer remembers of one lease row. */
export interface ObservedLease {
  readonly version: number;
  readonly value: string;
  /** Monotonic time just after the read that first returned this value. */
  readonly sinceMs: number;
  readonly durationMs: number;
  readonly dead: boolean;
}

/**
 * One look at a lease. `nowMs` is the observer's monotonic time after the read. A verdict of dead is only a suspicion,
 * because a renewal may have been written after the read: the fencing transaction must also check the lease row's
 * version. Returns undefined when there is no row, so no holder to wait for. A damaged row never makes a lease end earlier:
 * two owners might then acknowledge.
 */
export function observe(
  seen: ObservedLease | undefined,
  row: Row | undefined,
  nowMs: number,
): ObservedLease | undefined {
  if (row === undefined) return undefined;
  // Compares the value too: a row that was deleted and written again starts at version 1.
  if (seen === undefined || seen.version !== row.version || seen.value !== row.value) {
    const durationMs = unlessDamaged(row, decodeLease)?.durationMs ?? Math.max(seen?.durationMs ?? 0, leaseMsMax);
    return { version: row.version, value: row.value, sinceMs: nowMs, durationMs, dead: false };
  }
  const dead = nowMs - seen.sinceMs >= seen.durationMs * (1 + leaseDriftMax);
  return dead === seen.dead ? seen : { ...seen, dead };
}
