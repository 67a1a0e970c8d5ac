/**
 * Reads segments: a bounded set of open files, a bounded cache of sparse indexes, and per segment the position behind
 * the last read, so that a consumer that reads on needs no index at all.
 *
 * What was written a moment ago lies in the page cache, where a synchronous read blocks the loop for microseconds and a
 * trip to the thread pool costs 60: small reads of recent segments are synchronous, all others are not. One algorithm
 * serves both: a generator that asks for bytes, driven either way.
 */
import type { Clock } from '../kernel/clock.ts';
import type { Disk, DiskFile } from '../ports.ts';
import { batchHeaderBytes, batchMagic, batchField, batchSizeBytes, lastOffset } from '../records/batch.ts';
import { segmentPath } from './change-rows.ts';
import { DataCorrupt } from './log.ts';
import type { SegmentRow } from './rows/segment.ts';
import { decodeState, indexFirstAt, indexFloor, type StateSnapshot } from './segment-format.ts';
import type { LogSettings } from './settings.ts';

export interface Segment {
  /** Absent fields of the row live in the store only. */
  readonly row: SegmentRow;
  /** Until when, on the monotonic clock, the page cache is trusted to hold it. */
  readonly recentUntilMs: number;
  /** Where the last read ended: the next offset and its position. */
  cursorOffset: number;
  cursorPosition: number;
}

export function segmentOf(row: SegmentRow, recentUntilMs = -Infinity): Segment {
  return { row, recentUntilMs, cursorOffset: row.baseOffset, cursorPosition: 0 };
}

interface OpenFile {
  readonly file: DiskFile;
  uses: number;
  isForgotten: boolean;
}

type Reads = Generator<{ position: number; bytes: number }, Buffer, Buffer>;

export class SegmentReader {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #settings: LogSettings;
  readonly #at: { readonly segmentsDirectory: string };
  /** Least recently used first, both. */
  readonly #files = new Map<string, OpenFile>();
  readonly #indexes = new Map<string, Buffer>();
  #indexBytes = 0;

  constructor(options: { disk: Disk; clock: Clock; settings: LogSettings; segmentsDirectory: string }) {
    this.#disk = options.disk;
    this.#clock = options.clock;
    this.#settings = options.settings;
    this.#at = options;
  }

  /**
   * Whole batches from the one that holds `offset`, at most `maxBytes` (but one batch with `minOneBatch`); empty when
   * none fits. `offset` lies inside the segment. Throws DiskFault and DataCorrupt.
   */
  read(segment: Segment, offset: number, maxBytes: number, minOneBatch: boolean): Buffer | Promise<Buffer> {
    const reads = this.#batches(segment, offset, maxBytes, minOneBatch);
    const isRecent = this.#clock.monotonicMs() < segment.recentUntilMs;
    return isRecent && maxBytes <= this.#settings.syncReadBytesMax
      ? this.#driveSync(segment.row.fileId, reads)
      : this.#drive(segment.row.fileId, reads);
  }

  /** From the indexed place before the first batch with such a timestamp: up to readBytesMax of whole batches. */
  async readFromTimestamp(segment: Segment, timestamp: number): Promise<Buffer> {
    const { row } = segment;
    const index = this.#cachedIndex(row) ?? this.#keepIndex(row, await this.#bytesAt(row.fileId, indexSpan(row)));
    const position = indexFirstAt(index, timestamp);
    if (position === undefined) return Buffer.alloc(0);
    return this.#drive(
      row.fileId,
      this.#wholeFrom(segment, position, row.baseOffset, this.#settings.readBytesMax, true),
    );
  }

  /** All batches of the segment, for a merge. */
  all(row: SegmentRow): Promise<Buffer> {
    return this.#bytesAt(row.fileId, { position: row.position, bytes: row.bytes });
  }

  /** Producers and leader epochs as of the segment's end. */
  async state(row: SegmentRow): Promise<StateSnapshot> {
    const position = row.indexPosition + row.indexBytes;
    const state = decodeState(await this.#bytesAt(row.fileId, { position, bytes: row.stateBytes }));
    if (!state) throw new DataCorrupt(segmentPath(this.#at, row.fileId), position, 'bad state snapshot');
    return state;
  }

  /** The file is about to be removed; a read under way keeps its descriptor until it is done. */
  forget(fileId: string): void {
    const open = this.#files.get(fileId);
    if (!open) return;
    this.#files.delete(fileId);
    open.isForgotten = true;
    if (open.uses === 0) open.file.close();
  }

  close(): void {
    for (const fileId of this.#files.keys()) this.forget(fileId);
  }

  *#batches(segment: Segment, offset: number, maxBytes: number, minOneBatch: boolean): Reads {
    if (offset === segment.cursorOffset) {
      return yield* this.#wholeFrom(segment, segment.cursorPosition, offset, maxBytes, minOneBatch);
    }
    let position = 0;
    if (offset > segment.row.baseOffset) {
      let index = this.#cachedIndex(segment.row);
      if (!index) index = this.#keepIndex(segment.row, yield indexSpan(segment.row));
      position = indexFloor(index, offset);
    }
    return yield* this.#wholeFrom(segment, position, offset, maxBytes, minOneBatch);
  }

  /** Reads on from `position`, a batch's, until the whole batches from the one with `offset` are at hand. */
  *#wholeFrom(segment: Segment, from: number, offset: number, maxBytes: number, minOneBatch: boolean): Reads {
    const { row } = segment;
    let position = from;
    const wanted = Math.min(maxBytes + this.#settings.indexIntervalBytes, this.#settings.readBytesMax);
    let ask = Math.max(wanted, batchHeaderBytes);
    while (position < row.bytes) {
      const bytes = yield { position: row.position + position, bytes: Math.min(ask, row.bytes - position) };
      const skipped = this.#skip(row, bytes, position, offset);
      if (skipped.needs === undefined) {
        const end = this.#takeWhole(row, bytes, position, skipped.at, maxBytes, minOneBatch);
        if (end.needs === undefined) {
          if (end.at > skipped.at) {
            segment.cursorOffset = lastOffset(bytes, end.last) + 1;
            segment.cursorPosition = position + end.at;
          }
          return bytes.subarray(skipped.at, end.at);
        }
        ask = end.needs;
      } else {
        ask = Math.max(skipped.needs, wanted);
      }
      position += skipped.at;
    }
    return Buffer.alloc(0);
  }

  /** Past the batches that end before `offset`. `needs`: the bytes from `at` on that must be at hand to go on. */
  #skip(row: SegmentRow, bytes: Buffer, position: number, offset: number): { at: number; needs?: number } {
    let at = 0;
    while (at < bytes.length) {
      if (bytes.length - at < batchHeaderBytes) return { at, needs: batchHeaderBytes };
      const size = this.#sizeOf(row, bytes, at, position);
      if (lastOffset(bytes, at) >= offset) return { at };
      at += size;
    }
    // A batch that ends beyond what was read is skipped without reading the rest of it.
    return { at, needs: batchHeaderBytes };
  }

  #takeWhole(
    row: SegmentRow,
    bytes: Buffer,
    position: number,
    from: number,
    maxBytes: number,
    minOneBatch: boolean,
  ): { at: number; last: number; needs?: number } {
    let at = from;
    let last = from;
    while (bytes.length - at >= batchHeaderBytes) {
      const size = this.#sizeOf(row, bytes, at, position);
      const isFirst = at === from;
      if (at - from + size > maxBytes && !(isFirst && minOneBatch)) break;
      if (size > bytes.length - at) return isFirst ? { at, last, needs: size } : { at, last };
      last = at;
      at += size;
    }
    return { at, last };
  }

  #sizeOf(row: SegmentRow, bytes: Buffer, at: number, position: number): number {
    const size = batchSizeBytes(bytes, at);
    if (size < batchHeaderBytes || position + at + size > row.bytes || bytes[at + batchField.magic] !== batchMagic) {
      throw new DataCorrupt(segmentPath(this.#at, row.fileId), row.position + position + at, 'no batch');
    }
    return size;
  }

  #driveSync(fileId: string, reads: Reads): Buffer {
    const open = this.#open(fileId);
    let step = reads.next();
    while (!step.done) {
      const target = Buffer.allocUnsafeSlow(step.value.bytes);
      this.#checkLength(fileId, step.value, open.file.readSync(target, step.value.position));
      step = reads.next(target);
    }
    return step.value;
  }

  async #drive(fileId: string, reads: Reads): Promise<Buffer> {
    const open = this.#open(fileId);
    open.uses++;
    try {
      let step = reads.next();
      while (!step.done) {
        const target = Buffer.allocUnsafeSlow(step.value.bytes);
        this.#checkLength(fileId, step.value, await open.file.read(target, step.value.position));
        step = reads.next(target);
      }
      return step.value;
    } finally {
      open.uses--;
      if (open.isForgotten && open.uses === 0) open.file.close();
    }
  }

  #bytesAt(fileId: string, span: { position: number; bytes: number }): Promise<Buffer> {
    return this.#drive(
      fileId,
      (function* (): Reads {
        return yield span;
      })(),
    );
  }

  #checkLength(fileId: string, asked: { position: number; bytes: number }, got: number): void {
    if (got !== asked.bytes) throw new DataCorrupt(segmentPath(this.#at, fileId), asked.position + got, 'cut short');
  }

  #open(fileId: string): OpenFile {
    let open = this.#files.get(fileId);
    if (open) this.#files.delete(fileId);
    else open = { file: this.#disk.open(segmentPath(this.#at, fileId)), uses: 0, isForgotten: false };
    this.#files.set(fileId, open);
    if (this.#files.size > this.#settings.openFilesMax) this.#closeIdle(open);
    return open;
  }

  #closeIdle(except: OpenFile): void {
    for (const [fileId, open] of this.#files) {
      if (open.uses > 0 || open === except) continue;
      open.file.close();
      this.#files.delete(fileId);
      if (this.#files.size <= this.#settings.openFilesMax) return;
    }
  }

  #cachedIndex(row: SegmentRow): Buffer | undefined {
    if (row.indexBytes === 0) return Buffer.alloc(0);
    const key = indexKey(row);
    const index = this.#indexes.get(key);
    if (!index) return undefined;
    this.#indexes.delete(key);
    this.#indexes.set(key, index);
    return index;
  }

  #keepIndex(row: SegmentRow, index: Buffer): Buffer {
    this.#indexes.set(indexKey(row), index);
    this.#indexBytes += index.length;
    for (const [key, oldest] of this.#indexes) {
      if (this.#indexBytes <= this.#settings.indexCacheBytesMax || oldest === index) break;
      this.#indexes.delete(key);
      this.#indexBytes -= oldest.length;
    }
    return index;
  }
}

function indexKey(row: SegmentRow): string {
  return `${row.fileId}@${row.indexPosition}`;
}

function indexSpan(row: SegmentRow): { position: number; bytes: number } {
  return { position: row.indexPosition, bytes: row.indexBytes };
}
