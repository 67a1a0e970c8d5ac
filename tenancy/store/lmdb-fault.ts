/**
 * Remembers that the metadata store cannot be written. Writers retry many times a second, and for each failure LMDB itself
 * prints six lines on standard error. So LMDB is tried again only when there is hope: after a pause that grows, and not
 * while the file system is read-only. The operator is told once when it begins, and once when it is over.
 */
import { statfsSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../engine/kernel/clock.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { StoreAmbiguous, StoreUnavailable } from '../../engine/ports.ts';

/** Pause after the second failure in a row. Short, because brokers live by renewals, five in the life of a lease. */
const pauseMsMin = 20;
const pauseMsMax = 500;
/** After this long without a write, a process does not know whether it could write: a gateway without traffic writes nothing. */
const knownMsMax = 30_000;
/** LMDB needs a page or two for anything: with less free space than this, a failure means a full disk. */
const freeBytesFull = 16 * 1024 * 1024;

/** The questions put to the disk; tests answer in its place. */
export interface FaultDisk {
  isReadOnly(): boolean;
  freeBytes(): number;
}

export class WriteFault {
  readonly #disk: FaultDisk;
  readonly #clock: Clock;
  readonly #warn: (text: string) => void;
  #failure: Failure | undefined;
  #pauseMs = 0;
  #againMs = 0;
  /** When a write was last refused, by LMDB or without trying it. */
  #refusedMs = 0;

  constructor(disk: FaultDisk, clock: Clock, warn: (text: string) => void) {
    this.#disk = disk;
    this.#clock = clock;
    this.#warn = warn;
  }

  /** Why the last write failed; undefined once one has succeeded, or when the failure was long ago. */
  get text(): string | undefined {
    return this.#clock.monotonicMs() - this.#refusedMs < knownMsMax ? this.#failure?.message : undefined;
  }

  failed(failure: Failure): void {
    if (!this.#failure) this.#warn(`${failure.message}; writes are refused until this is over`);
    this.#pauseMs = this.#failure ? Math.min(Math.max(this.#pauseMs * 2, pauseMsMin), pauseMsMax) : 0;
    this.#failure = failure;
    this.#refusedMs = this.#clock.monotonicMs();
    this.#againMs = this.#refusedMs + this.#pauseMs;
  }

  succeeded(): void {
    if (!this.#failure) return;
    this.#warn('the metadata store accepts writes again');
    this.#failure = undefined;
    this.#pauseMs = 0;
  }

  /** The failure for a write that comes now, without trying LMDB, so nothing of it is stored; undefined when it should be tried. */
  barred(): StoreUnavailable | undefined {
    if (!this.#failure) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const isPaused = nowMs < this.#againMs;
    if (!isPaused && !this.#disk.isReadOnly()) return undefined;
    if (!isPaused) this.#againMs = nowMs + this.#pauseMs;
    this.#refusedMs = nowMs;
    return new StoreUnavailable(this.#failure.message);
  }

  /**
   * For a full disk LMDB reports an input/output error, or a page number. Tenants may read this text, so it contains no
   * path of ours.
   */
  static textOf(disk: FaultDisk, error: unknown): string {
    if (disk.isReadOnly()) return readOnlyText;
    if (isFull(disk)) return 'the disk of the metadata store is full';
    return `the metadata store: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const readOnlyText = 'the disk of the metadata store is read-only';

function isFull(disk: FaultDisk): boolean {
  return disk.freeBytes() < freeBytesFull;
}

export function faultDisk(directory: string): FaultDisk {
  return {
    isReadOnly() {
      try {
        // A write that changes nothing. After an error of its own, ext4 still lets processes open and read what it no
        // longer writes.
        const { atime, mtime } = statSync(directory);
        utimesSync(directory, atime, mtime);
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EROFS';
      }
    },
    freeBytes() {
      try {
        const { bavail, bsize } = statfsSync(directory);
        return bavail * bsize;
      } catch {
        return Infinity;
      }
    },
  };
}

/**
 * When the commit itself failed, lmdb-js says "see commitError" and gives the cause in a promise. A full disk fails before
 * the page that makes a commit visible is written; after any other commit failure the effect is unknown.
 */
export async function commitFailure(disk: FaultDisk, error: unknown): Promise<Failure> {
  if (!(error instanceof Error) || !('commitError' in error)) return unavailable(disk, error);
  try {
    await error.commitError;
  } catch (cause) {
    if (isFull(disk)) return unavailable(disk, cause);
    return new StoreAmbiguous(`${WriteFault.textOf(disk, cause)}: whether the last commit is stored is not known`);
  }
  return unavailable(disk, error);
}

export function unavailable(disk: FaultDisk, error: unknown): Failure {
  return error instanceof Failure ? error : new StoreUnavailable(WriteFault.textOf(disk, error));
}

/** More than LMDB's lock file needs. */
const lockBytesMax = 1024 * 1024;

/**
 * LMDB writes its lock file as memory. When the disk has no room for a new one, the system sends SIGBUS instead of
 * returning an error: the process would end without a message.
 */
export function assertRoom(directory: string): void {
  const lock = statSync(join(directory, 'lock.mdb'), { throwIfNoEntry: false });
  if (!lock?.blocks && faultDisk(directory).freeBytes() < lockBytesMax) throw new Error('its disk is full');
}
