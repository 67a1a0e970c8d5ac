/**
 * Lets appends in while there is room. Above unrolledBytesMax they wait, in order, for a roll-up; when too much waits, or
 * the volume is nearly full, they are refused before they cost anything.
 */
import type { Clock } from '../kernel/clock.ts';
import type { SharedFrame } from '../kernel/frame-pool.ts';
import type { Disk } from '../ports.ts';
import type { BatchHeader } from '../records/batch.ts';
import { logErrorCode } from './log.ts';
import { type AppendDone, refusal } from './partition-append.ts';
import type { OwnedLog } from './partition-log.ts';
import type { LogSettings } from './settings.ts';

interface WaitingAppend {
  readonly log: OwnedLog;
  readonly batch: Buffer;
  readonly header: BatchHeader;
  readonly nowMs: number;
  readonly done: AppendDone;
  readonly frame: SharedFrame | undefined;
}

export class AppendGate {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #settings: LogSettings;
  readonly #volume: string;
  readonly #onPassed: () => void;
  #waiting: WaitingAppend[] = [];
  #waitingBytes = 0;
  #unrolledBytes = 0;
  #isLow = false;
  #freeCheckedMs = -Infinity;
  #draining = false;
  #closedBecause: string | undefined;

  /** `onPassed` is called when the un-rolled bytes are at or above rollUpBytes, as often as that is seen. */
  constructor(options: { disk: Disk; clock: Clock; settings: LogSettings; volume: string }, onPassed: () => void) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#volume = options.volume;
    this.#onPassed = onPassed;
  }

  get unrolledBytes(): number {
    return this.#unrolledBytes;
  }

  get waitingAppends(): number {
    return this.#waiting.length;
  }

  get isDiskLow(): boolean {
    return this.#isLow;
  }

  admit(
    log: OwnedLog,
    batch: Buffer,
    header: BatchHeader,
    nowMs: number,
    done: AppendDone,
    frame: SharedFrame | undefined,
  ): void {
    const refusedBecause = this.#closedBecause ?? (this.#checkFree() ? undefined : 'the volume is nearly full');
    if (refusedBecause !== undefined) {
      done(refusal(logErrorCode.kafkaStorageError, log.startOffset, refusedBecause));
    } else if (this.#waiting.length === 0 && this.#hasRoom()) {
      log.take(batch, header, nowMs, done, frame);
    } else if (this.#waitingBytes + batch.length > this.#settings.waitingBytesMax) {
      done(refusal(logErrorCode.kafkaStorageError, log.startOffset, 'too many appends wait for a roll-up'));
    } else {
      this.#waiting.push({ log, batch, header, nowMs, done, frame });
      this.#waitingBytes += batch.length;
      this.#onPassed();
    }
  }

  unrolledChanged(bytes: number): void {
    this.#unrolledBytes += bytes;
    if (this.#unrolledBytes >= this.#settings.rollUpBytes) this.#onPassed();
    if (bytes < 0 && this.#waiting.length > 0) this.#drain();
  }

  /** The disk refused a write: do not wait for the next look. */
  reportFull(): void {
    this.#isLow = true;
    this.#freeCheckedMs = this.#clock.monotonicMs();
  }

  /** Refuses what waits and all that comes. */
  close(because: string): void {
    this.#closedBecause = because;
    for (const { log, done } of this.#waiting.splice(0)) {
      done(refusal(logErrorCode.kafkaStorageError, log.startOffset, because));
    }
    this.#waitingBytes = 0;
  }

  #hasRoom(): boolean {
    return this.#unrolledBytes < this.#settings.unrolledBytesMax;
  }

  /** In the end of the turn: the caller is in the middle of a change of its own. */
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#clock.endOfTurn(() => {
      this.#draining = false;
      let passed = 0;
      while (passed < this.#waiting.length && this.#hasRoom()) {
        const { log, batch, header, nowMs, done, frame } = this.#waiting[passed++]!;
        this.#waitingBytes -= batch.length;
        log.take(batch, header, nowMs, done, frame);
      }
      this.#waiting = this.#waiting.slice(passed);
    });
  }

  /** Whether the volume has room; asks the disk once per freeSpaceIntervalMs. */
  #checkFree(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#freeCheckedMs >= this.#settings.freeSpaceIntervalMs) {
      this.#freeCheckedMs = nowMs;
      this.#isLow = this.#disk.freeBytes(this.#volume) < this.#settings.freeBytesFloor;
    }
    return !this.#isLow;
  }
}
