/**
 * A metadata store that cannot be written, remembered. Whoever needs a write asks again many times a second, and LMDB tells
 * of each failure on standard error itself, in six lines. So it is asked again only when there is hope: after a pause that
 * grows, and not while the file system is read-only. Told to the operator once, and once when it is over.
 */
import { statfsSync, statSync, utimesSync } from 'node:fs';
import type { Clock } from '../../engine/kernel/clock.ts';
import type { Failure } from '../../engine/kernel/failure.ts';
import { StoreUnavailable } from '../../engine/ports.ts';

/** After the second failure in a row. Short: brokers live by renewals, five in the life of a lease. */
const pauseMsMin = 20;
const pauseMsMax = 500;
/** A process that has written nothing for so long does not know whether it could: a gateway without traffic writes nothing. */
const knownMsMax = 30_000;
/** LMDB needs a page or two for anything: below this a failure is for want of room. */
const freeBytesFull = 16 * 1024 * 1024;

/** Asked like a disk; tests answer in its place. */
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
  /** When a write was last refused, by LMDB or without asking it. */
  #refusedMs = 0;

  constructor(disk: FaultDisk, clock: Clock, warn: (text: string) => void) {
    this.#disk = disk;
    this.#clock = clock;
    this.#warn = warn;
  }

  /** Why the last write failed; undefined since one succeeded, and when it was long ago. */
  get text(): string | undefined {
    return this.#clock.monotonicMs() - this.#refusedMs < knownMsMax ? this.#failure?.message : undefined;
  }

  failed(failure: Failure): void {
    if (!this.#failure) this.#warn(`${failure.message}; nothing is stored until that is over`);
    this.#pauseMs = this.#failure ? Math.min(Math.max(this.#pauseMs * 2, pauseMsMin), pauseMsMax) : 0;
    this.#failure = failure;
    this.#refusedMs = this.#clock.monotonicMs();
    this.#againMs = this.#refusedMs + this.#pauseMs;
  }

  succeeded(): void {
    if (!this.#failure) return;
    this.#warn('the metadata store takes writes again');
    this.#failure = undefined;
    this.#pauseMs = 0;
  }

  /** What a write that comes now gets without LMDB being asked, so nothing of it is stored; undefined when it is to be tried. */
  barred(): StoreUnavailable | undefined {
    if (!this.#failure) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const isPaused = nowMs < this.#againMs;
    if (!isPaused && !this.#disk.isReadOnly()) return undefined;
    if (!isPaused) this.#againMs = nowMs + this.#pauseMs;
    this.#refusedMs = nowMs;
    return new StoreUnavailable(this.#failure.message);
  }

  /** LMDB says of a full disk that there was an input/output error, or at which page. Tenants may read this: no path of ours. */
  static textOf(disk: FaultDisk, error: unknown): string {
    if (disk.isReadOnly()) return readOnlyText;
    if (isFull(disk)) return 'the disk of the metadata store is full';
    return `the metadata store: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const readOnlyText = 'the disk of the metadata store is read-only';

export function isFull(disk: FaultDisk): boolean {
  return disk.freeBytes() < freeBytesFull;
}

export function faultDisk(directory: string): FaultDisk {
  return {
    isReadOnly() {
      try {
        // A change that changes nothing: after an error of its own, ext4 lets everybody open and look at what it does not write.
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
