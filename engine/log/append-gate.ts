/**
 * Admits appends while there is room. Above unrolledBytesMax they wait, in order, for a roll-up. When too much is waiting,
 * or the volume is nearly full, they are refused before they cost anything.
 *
 * Refusing an append also refuses the later ones from the same producer. A log accepts any sequence from a producer that it
 * does not know (KIP-360): if a producer's first batch were refused and its second admitted, the first would be out of
 * order for ever. The second batch may still be on its way and arrive when there is room again, so the gate remembers the
 * first until it is sent once more (sequence-gaps.ts).
 *
 *   disk full         waiting appends are refused too: one of them may follow the batch that did not fit
 *   too much waiting  no append is admitted until none waits, however small it is
 *   no room is made   for a while, because the segment store is away: waiting appends are refused, and later ones at once
 *   log sealed        appends that wait for it are answered before the next owner is told, not after some later roll-up
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import type { SharedFrame } from '../kernel/frame-pool.ts';
import type { Disk } from '../ports.ts';
import type { BatchHeader } from '../records/batch.ts';
import { SequenceGaps } from '../records/sequence-gaps.ts';
import { logErrorCode, type LogErrorCode } from './log.ts';
import { type AppendDone, refusal } from './partition/partition-append.ts';
import type { OwnedLog } from './partition/partition-log.ts';
import type { LogStoreOptions } from './log-store-options.ts';
import type { LogSettings } from './settings.ts';

const nearlyFull = 'the volume is nearly full';
const noRollUp = 'the log is full and cannot be rolled up: the segment store is away or has no room';

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
  readonly #onNearlyFull: ((isFull: boolean) => void) | undefined;
  #waiting: WaitingAppend[] = [];
  #waitingBytes = 0;
  #unrolledBytes = 0;
  #isLow = false;
  #freeCheckedMs = -Infinity;
  #draining = false;
  /** Too much was waiting, and some of it still is. */
  #isCrowded = false;
  /** The disk refused a write, so every waiting append will be refused too. */
  #refusesWaiting = false;
  #closedBecause: string | undefined;
  /** Since when appends have waited, or when a roll-up last made room. */
  #stuckSinceMs = 0;
  #stuckTimer: Timer | undefined;
  /** No room was made for so long that what waited was refused. */
  #isStuck = false;
  readonly #gaps = new SequenceGaps();

  /** `onPassed` is called each time the un-rolled bytes are seen at or above rollUpBytes. */
  constructor(
    options: Pick<LogStoreOptions, 'disk' | 'clock' | 'settings' | 'volume' | 'onNearlyFull'>,
    onPassed: () => void,
  ) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#volume = options.volume;
    this.#onPassed = onPassed;
    this.#onNearlyFull = options.onNearlyFull;
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
    if (this.#closedBecause !== undefined) {
      done(refusal(logErrorCode.kafkaStorageError, log.startOffset, this.#closedBecause));
    } else if (!this.#checkFree()) {
      this.noteRefused(log, batch, header.producerId);
      done(refusal(logErrorCode.volumeFull, log.startOffset, nearlyFull));
    } else if (this.#isEarly(log, batch, header.producerId)) {
      done(refusal(logErrorCode.kafkaStorageError, log.startOffset, 'an earlier batch of this producer found no room'));
    } else if (this.#waiting.length === 0 && this.#hasRoom()) {
      log.take(batch, header, nowMs, done, frame);
    } else if (this.#isStuck) {
      this.noteRefused(log, batch, header.producerId);
      done(refusal(logErrorCode.kafkaStorageError, log.startOffset, noRollUp));
      this.#onPassed();
    } else if (this.#isCrowded || this.#waitingBytes + batch.length > this.#settings.waitingBytesMax) {
      this.#isCrowded = this.#waiting.length > 0;
      this.noteRefused(log, batch, header.producerId);
      done(
        refusal(
          logErrorCode.kafkaStorageError,
          log.startOffset,
          'too many writes are waiting for the log to be rolled up',
        ),
      );
    } else {
      this.#waiting.push({ log, batch, header, nowMs, done, frame });
      this.#waitingBytes += batch.length;
      if (this.#waiting.length === 1) this.#watchStuck();
      this.#onPassed();
    }
  }

  unrolledChanged(bytes: number): void {
    this.#unrolledBytes += bytes;
    if (bytes < 0) {
      this.#stuckSinceMs = this.#clock.monotonicMs();
      if (this.#hasRoom()) this.#isStuck = false;
    }
    if (this.#unrolledBytes >= this.#settings.rollUpBytes) this.#onPassed();
    if (bytes < 0 && this.#waiting.length > 0) this.#drain();
  }

  /** The disk refused a write: act now instead of waiting for the next check. */
  reportFull(): void {
    this.#setLow(true);
    this.#freeCheckedMs = this.#clock.monotonicMs();
    if (this.#waiting.length === 0) return;
    // They are answered after the appends whose write was refused.
    this.#refusesWaiting = true;
    this.#drain();
  }

  /** Some logs were sealed: they now refuse the appends that wait for them. */
  handBackSealed(): void {
    const sealed = this.#waiting.filter(({ log }) => !log.isOpen);
    if (sealed.length === 0) return;
    this.#keepWaiting(this.#waiting.filter(({ log }) => log.isOpen));
    for (const { log, batch, header, nowMs, done, frame } of sealed) log.take(batch, header, nowMs, done, frame);
  }

  /** Refuses what waits and everything that follows. */
  close(because: string): void {
    this.#closedBecause = because;
    this.#stuckTimer?.cancel();
    this.#refuseWaiting(logErrorCode.kafkaStorageError, because);
  }

  #watchStuck(): void {
    this.#stuckSinceMs = this.#clock.monotonicMs();
    this.#stuckTimer ??= this.#lookLater(this.#settings.waitingMsMax);
  }

  #lookLater(delayMs: number): Timer {
    return this.#clock.after(delayMs, () => {
      this.#stuckTimer = undefined;
      if (this.#waiting.length === 0) return;
      const leftMs = this.#stuckSinceMs + this.#settings.waitingMsMax - this.#clock.monotonicMs();
      if (leftMs > 0) this.#stuckTimer = this.#lookLater(leftMs);
      else {
        this.#isStuck = true;
        this.#refuseWaiting(logErrorCode.kafkaStorageError, noRollUp);
      }
    });
  }

  #refuseWaiting(code: LogErrorCode, because: string): void {
    const refused = this.#waiting;
    this.#keepWaiting([]);
    for (const { log, batch, header } of refused) this.noteRefused(log, batch, header.producerId);
    for (const { log, done } of refused) done(refusal(code, log.startOffset, because));
  }

  /**
   * Notes an append that was refused for lack of room. A log that knows the producer refuses the later appends itself;
   * for a log that does not, the gate remembers this one.
   */
  noteRefused(log: OwnedLog, records: Buffer, producerId: number): void {
    if (producerId < 0 || log.knowsProducer(producerId)) return;
    const { topicId, partition } = log;
    this.#gaps.add({ topicId, partition, records }, this.#clock.monotonicMs());
  }

  /**
   * Where the log knows the producer by now, what was refused here has been stored: by another owner, while the log was
   * away.
   */
  #isEarly(log: OwnedLog, records: Buffer, producerId: number): boolean {
    if (producerId < 0 || this.#gaps.count === 0 || log.knowsProducer(producerId)) return false;
    const { topicId, partition } = log;
    return this.#gaps.isEarly({ topicId, partition, records }, this.#clock.monotonicMs());
  }

  #keepWaiting(kept: WaitingAppend[]): void {
    this.#waiting = kept;
    this.#waitingBytes = 0;
    for (const { batch } of kept) this.#waitingBytes += batch.length;
    if (kept.length === 0) this.#isCrowded = false;
  }

  #hasRoom(): boolean {
    return this.#unrolledBytes < this.#settings.unrolledBytesMax;
  }

  /** Runs at the end of the turn, because the caller is in the middle of a change of its own. */
  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#clock.endOfTurn(() => {
      this.#draining = false;
      const isFull = this.#refusesWaiting || !this.#checkFree();
      this.#refusesWaiting = false;
      if (isFull) {
        this.#refuseWaiting(logErrorCode.volumeFull, nearlyFull);
        return;
      }
      let passed = 0;
      while (passed < this.#waiting.length && this.#hasRoom()) {
        const { log, batch, header, nowMs, done, frame } = this.#waiting[passed++]!;
        log.take(batch, header, nowMs, done, frame);
      }
      this.#keepWaiting(this.#waiting.slice(passed));
    });
  }

  /** Whether the volume has room; asks the disk once per freeSpaceIntervalMs. */
  #checkFree(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#freeCheckedMs >= this.#settings.freeSpaceIntervalMs) {
      this.#freeCheckedMs = nowMs;
      this.#setLow(this.#disk.freeBytes(this.#volume) < this.#settings.freeBytesFloor);
    }
    return !this.#isLow;
  }

  #setLow(isLow: boolean): void {
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    this.#onNearlyFull?.(isLow);
  }
}
