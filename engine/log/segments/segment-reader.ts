/**
 * Reads segments. Keeps a bounded set of open files, a bounded cache of sparse indexes, and per segment the position after
 * the last read, so that a consumer that reads on needs no index at all.
 *
 * From the page cache a synchronous read blocks the loop for a tenth of a millisecond per mebibyte; a trip to the thread
 * pool costs 60 us plus a thread's wake-up. Recently written bytes are in the page cache. For all others, the last read of
 * the same file decides: after a piece that was cached, the next one probably is as well; where it is not, the loop waits
 * once. One algorithm serves both ways: a generator that asks for bytes and is driven synchronously or asynchronously.
 */
import type { Clock } from '../../kernel/clock.ts';
import { framePool } from '../../kernel/frame-pool.ts';
import { DiskFault, type SegmentFile, type SegmentStore } from '../../ports.ts';
import {
  baseOffset,
  batchField,
  batchHeaderBytes,
  batchMagic,
  batchSizeBytes,
  lastOffset,
} from '../../records/batch.ts';
import { DataCorrupt } from '../log.ts';
import type { PublishedSegment, SegmentPlace, SegmentRow } from '../rows/segment.ts';
import {
  decodeIndex,
  decodeState,
  type IndexPlace,
  indexFirstAt,
  indexFloor,
  type StateSnapshot,
} from './segment-format.ts';
import type { LogSettings } from '../settings.ts';
import { batchDamage, type EpochAt, isDense, wholeBatches } from './verify-batch.ts';

/** Stands in for a damaged index. */
const noIndex = Buffer.alloc(0);

/** A segment and its read position. */
export interface SegmentCursor {
  readonly row: SegmentPlace;
  /** Until this monotonic time the page cache is trusted to hold the segment. */
  readonly recentUntilMs: number;
  /** Where the last read ended: the next offset and its position. */
  cursorOffset: number;
  cursorPosition: number;
}

export interface Segment extends SegmentCursor {
  /** The full row, apart from fields that only the store keeps. */
  readonly row: PublishedSegment;
}

export function segmentOf(row: PublishedSegment, recentUntilMs = -Infinity): Segment {
  return { row, recentUntilMs, cursorOffset: row.baseOffset, cursorPosition: 0 };
}

interface OpenFile {
  readonly file: SegmentFile;
  uses: number;
  /** Used since the last closeUnused. */
  isRecent: boolean;
  isForgotten: boolean;
  /** Until when the loop may wait for reads of this file, judged by how long the last one took; undefined before the first. */
  quickUntilMs: number | undefined;
}

type Reads = Generator<{ position: number; bytes: number }, Buffer, Buffer>;

/** What one read asks for. */
interface Wanted {
  readonly maxBytes: number;
  readonly minOneBatch: boolean;
  readonly epochAt: EpochAt;
}

/**
 * How far the bytes at hand have been walked, and which offset begins there, if it is known. `needs`: bytes from there on that are needed
 * to continue.
 */
interface Walked {
  readonly at: number;
  readonly expected: number;
  readonly needs?: number;
}

export class SegmentReader {
  readonly #segments: SegmentStore;
  readonly #clock: Clock;
  readonly #settings: LogSettings;
  /** Both are ordered with the least recently used first. */
  readonly #files = new Map<string, OpenFile>();
  readonly #indexes = new Map<string, Buffer>();
  #indexBytes = 0;
  readonly #onDamage: ((fileId: string) => void) | undefined;

  /** `onDamage` is called when something in the file cannot be served. */
  constructor(
    options: { segments: SegmentStore; clock: Clock; settings: LogSettings },
    onDamage?: (fileId: string) => void,
  ) {
    this.#onDamage = onDamage;
    this.#segments = options.segments;
    this.#clock = options.clock;
    this.#settings = options.settings;
  }

  /**
   * Whole batches from the one that holds `offset`, at most `maxBytes` (but at least one with `minOneBatch`); empty when
   * none fits. `offset` must be inside the segment. Every batch is verified (verify-batch.ts) before it is returned; intact
   * batches before a damaged one are still returned. Throws DiskFault, and DataCorrupt when the first batch is damaged. The
   * memory belongs to the caller alone, which may give it to the frame pool.
   */
  read(
    segment: SegmentCursor,
    offset: number,
    maxBytes: number,
    minOneBatch: boolean,
    epochAt: EpochAt,
  ): Buffer | Promise<Buffer> {
    const reads = (): Reads => this.#batches(segment, offset, { maxBytes, minOneBatch, epochAt });
    const { fileId } = segment.row;
    if (maxBytes > this.#settings.syncReadBytesMax) return this.#drive(fileId, reads);
    const open = this.#open(fileId);
    const isQuick = this.#clock.monotonicMs() < (open.quickUntilMs ?? segment.recentUntilMs);
    const readSync = isQuick && open.file.readSync;
    return readSync ? this.#driveSync(fileId, open, reads(), readSync) : this.#drive(fileId, reads);
  }

  /** Reads up to readBytesMax of whole batches, from the indexed place before the first batch with such a timestamp. */
  async readFromTimestamp(segment: Segment, timestamp: number, epochAt: EpochAt): Promise<Buffer> {
    const { row } = segment;
    const index = this.#cachedIndex(row) ?? this.#keepIndex(row, await this.#bytesAt(row.fileId, indexSpan(row)));
    const place = index === noIndex ? startOf(row) : indexFirstAt(index, timestamp);
    if (place === undefined) return Buffer.alloc(0);
    const wanted = { maxBytes: this.#settings.readBytesMax, minOneBatch: true, epochAt };
    return this.#drive(row.fileId, () => this.#wholeFrom(segment, place, row.baseOffset, wanted));
  }

  /** All batches of the segment, verified: otherwise a merge would copy damaged bytes to a new place under a new name. */
  async all(row: SegmentRow, epochAt: EpochAt): Promise<Buffer[]> {
    const bytes = await this.#bytesAt(row.fileId, { position: row.position, bytes: row.bytes });
    return wholeBatches(bytes, row.baseOffset, row.endOffset, epochAt, (at, what) => this.#damaged(row, at, what));
  }

  /** Producers and leader epochs as of the segment's end. */
  async state(row: SegmentRow): Promise<StateSnapshot> {
    const position = row.indexPosition + row.indexBytes;
    const state = decodeState(await this.#bytesAt(row.fileId, { position, bytes: row.stateBytes }));
    if (!state) throw this.#damaged(row, position - row.position, 'bad state snapshot');
    return state;
  }

  /** The file is about to be removed. A read in progress keeps its descriptor until it is done. */
  forget(fileId: string): void {
    const open = this.#files.get(fileId);
    if (!open) return;
    this.#files.delete(fileId);
    open.isForgotten = true;
    if (open.uses === 0) open.file.close();
  }

  /**
   * Closes files that nobody has read since the last call. For a reader that is not told when a file is removed: the file's
   * space is freed only when it is closed. Returns how many files stay open.
   */
  closeUnused(): number {
    for (const [fileId, open] of this.#files) {
      if (open.uses === 0 && !open.isRecent) this.forget(fileId);
      open.isRecent = false;
    }
    return this.#files.size;
  }

  close(): void {
    for (const fileId of this.#files.keys()) this.forget(fileId);
  }

  *#batches(segment: SegmentCursor, offset: number, wanted: Wanted): Reads {
    const { row, cursorOffset, cursorPosition } = segment;
    if (offset === cursorOffset) {
      return yield* this.#wholeFrom(segment, { offset, position: cursorPosition }, offset, wanted);
    }
    let place = startOf(row);
    if (offset > row.baseOffset) {
      let index = this.#cachedIndex(row);
      if (!index) index = this.#keepIndex(row, yield indexSpan(row));
      place = indexFloor(index, offset) ?? place;
    }
    return yield* this.#wholeFrom(segment, place, offset, wanted);
  }

  /** Reads from `place`, the start of a batch, until the whole batches from the one with `offset` on are in memory. */
  *#wholeFrom(segment: SegmentCursor, place: IndexPlace, offset: number, wanted: Wanted): Reads {
    const { row } = segment;
    let { position, offset: expected } = place;
    const usual = Math.min(wanted.maxBytes + this.#settings.indexIntervalBytes, this.#settings.readBytesMax);
    let ask = Math.max(usual, batchHeaderBytes);
    // A damaged length may lead to where no header fits any more: nothing read there would ever be enough to judge by.
    while (row.bytes - position >= batchHeaderBytes) {
      const bytes = yield { position: row.position + position, bytes: Math.min(ask, row.bytes - position) };
      const skipped = this.#skip(row, bytes, position, offset, expected);
      if (skipped.needs === undefined) {
        const end = this.#takeWhole(row, bytes, position, skipped, wanted);
        if (end.needs === undefined) {
          if (end.at > skipped.at) {
            segment.cursorOffset = end.expected;
            segment.cursorPosition = position + end.at;
          }
          return bytes.subarray(skipped.at, end.at);
        }
        ask = end.needs;
      } else {
        ask = Math.max(skipped.needs, usual);
      }
      position += skipped.at;
      expected = skipped.expected;
    }
    throw this.#damaged(row, position, `ends before offset ${offset}`);
  }

  /**
   * Skips the batches that end before `offset`; their offsets must be dense although nobody sees them. Where they are not, a
   * batch has a wrong header. That costs its own readers alone: the next batch that continues is found, and is believed when
   * it ends where the one behind it begins.
   */
  #skip(row: SegmentPlace, bytes: Buffer, position: number, offset: number, from: number): Walked {
    let at = 0;
    let expected = from;
    while (at < bytes.length) {
      if (bytes.length - at < batchHeaderBytes) return { at, expected, needs: batchHeaderBytes };
      const size = sizeOf(row, bytes, at, position);
      if (size === undefined) throw this.#damaged(row, position + at, 'no batch');
      if (expected === unknown) {
        const left = row.bytes - position - at - size;
        const needs = size + (left >= batchHeaderBytes ? batchHeaderBytes : 0);
        if (needs > bytes.length - at) return { at, expected, needs };
        if (continues(row, bytes, at, size, left)) expected = baseOffset(bytes, at);
        if (expected > offset) throw this.#damaged(row, position + at, `begins behind offset ${offset}`);
      }
      const isSound = expected !== unknown && baseOffset(bytes, at) === expected && isDense(bytes, at);
      const next = isSound ? lastOffset(bytes, at) + 1 : unknown;
      if (next > offset) return { at, expected };
      if (isSound && next <= expected) throw this.#damaged(row, position + at, 'no offsets');
      expected = next;
      at += size;
    }
    // A batch that ends beyond the bytes read is skipped without reading the rest of it.
    return { at, expected, needs: batchHeaderBytes };
  }

  #takeWhole(row: SegmentPlace, bytes: Buffer, position: number, from: Walked, wanted: Wanted): Walked {
    let { at, expected } = from;
    while (bytes.length - at >= batchHeaderBytes) {
      const isFirst = at === from.at;
      const size = sizeOf(row, bytes, at, position);
      if (size !== undefined) {
        if (at - from.at + size > wanted.maxBytes && !(isFirst && wanted.minOneBatch)) break;
        if (size > bytes.length - at) return isFirst ? { at, expected, needs: size } : { at, expected };
      }
      const damage = size === undefined ? 'no batch' : batchDamage(bytes, at, expected, row.endOffset, wanted.epochAt);
      if (size === undefined || damage !== undefined) {
        // The good batches before it are returned first; the next read begins here and fails.
        if (isFirst) throw this.#damaged(row, position + at, damage ?? 'no batch');
        break;
      }
      expected = lastOffset(bytes, at) + 1;
      at += size;
    }
    return { at, expected };
  }

  #damaged(row: SegmentPlace, position: number, what: string): DataCorrupt {
    this.#tellDamage(row.fileId);
    return new DataCorrupt(this.#segments.nameOf(row.fileId), row.position + position, what);
  }

  #tellDamage(fileId: string): void {
    this.#segments.reread?.(fileId);
    this.#onDamage?.(fileId);
  }

  #driveSync(
    fileId: string,
    open: OpenFile,
    reads: Reads,
    readSync: (target: Uint8Array, position: number) => number,
  ): Buffer {
    let step = reads.next();
    while (!step.done) {
      const target = framePool.take(step.value.bytes);
      const beginMs = this.#clock.monotonicMs();
      const { position } = step.value;
      const got = this.#now(fileId, () => readSync(target, position));
      this.#checkLength(fileId, step.value, got);
      this.#timed(open, beginMs);
      step = reads.next(target);
    }
    return step.value;
  }

  #now<T>(fileId: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw this.#suspected(fileId, error);
    }
  }

  /** A file that is missing or cannot be read is reported like one with wrong bytes. */
  #suspected(fileId: string, error: unknown): unknown {
    if (error instanceof DiskFault && !error.isShortage) this.#onDamage?.(fileId);
    return error;
  }

  #timed(open: OpenFile, beginMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const { syncReadMsMax, recentSegmentMs } = this.#settings;
    open.quickUntilMs = nowMs - beginMs <= syncReadMsMax ? nowMs + recentSegmentMs : -Infinity;
  }

  /** What a network brought wrong is dropped and read once more. On a disk it would be the same again. */
  async #drive(fileId: string, reads: () => Reads): Promise<Buffer> {
    try {
      return await this.#driveOnce(fileId, reads());
    } catch (error) {
      if (!(error instanceof DataCorrupt) || !this.#segments.reread) throw error;
      return this.#driveOnce(fileId, reads());
    }
  }

  async #driveOnce(fileId: string, reads: Reads): Promise<Buffer> {
    let open: OpenFile | undefined;
    try {
      open = this.#open(fileId);
      open.uses++;
      let step = reads.next();
      while (!step.done) {
        const target = framePool.take(step.value.bytes);
        const beginMs = this.#clock.monotonicMs();
        this.#checkLength(fileId, step.value, await open.file.read(target, step.value.position));
        this.#timed(open, beginMs);
        step = reads.next(target);
      }
      return step.value;
    } catch (error) {
      throw this.#suspected(fileId, error);
    } finally {
      if (open && --open.uses === 0 && open.isForgotten) open.file.close();
    }
  }

  #bytesAt(fileId: string, span: { position: number; bytes: number }): Promise<Buffer> {
    return this.#drive(fileId, function* (): Reads {
      return yield span;
    });
  }

  #checkLength(fileId: string, asked: { position: number; bytes: number }, got: number): void {
    if (got === asked.bytes) return;
    this.#tellDamage(fileId);
    throw new DataCorrupt(this.#segments.nameOf(fileId), asked.position + got, 'cut short');
  }

  #open(fileId: string): OpenFile {
    let open = this.#files.get(fileId);
    if (open) this.#files.delete(fileId);
    else
      open = {
        file: this.#now(fileId, () => this.#segments.open(fileId)),
        uses: 0,
        isRecent: true,
        isForgotten: false,
        quickUntilMs: undefined,
      };
    open.isRecent = true;
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

  #cachedIndex(row: SegmentPlace): Buffer | undefined {
    if (row.indexBytes === 0) return Buffer.alloc(0);
    const key = indexKey(row);
    const index = this.#indexes.get(key);
    if (!index) return undefined;
    this.#indexes.delete(key);
    this.#indexes.set(key, index);
    return index;
  }

  /** A damaged index only costs time: every batch tells where the next one is, and is verified. */
  #keepIndex(row: SegmentPlace, bytes: Buffer): Buffer {
    const index = decodeIndex(bytes) ?? noIndex;
    if (index === noIndex) this.#tellDamage(row.fileId);
    const key = indexKey(row);
    // Another read may have loaded it at the same time: count its size only once.
    this.#indexBytes += index.length - (this.#indexes.get(key)?.length ?? 0);
    this.#indexes.delete(key);
    this.#indexes.set(key, index);
    for (const [oldestKey, oldest] of this.#indexes) {
      if (this.#indexBytes <= this.#settings.indexCacheBytesMax || oldest === index) break;
      this.#indexes.delete(oldestKey);
      this.#indexBytes -= oldest.length;
    }
    return index;
  }
}

function startOf(row: SegmentPlace): IndexPlace {
  return { offset: row.baseOffset, position: 0 };
}

/** Stands for the offset at which a batch begins, behind one whose header is wrong. */
const unknown = -1;

/** Whether the batch at `at`, which `left` bytes of the segment follow, ends where the next one begins, or the segment ends. */
function continues(row: SegmentPlace, bytes: Buffer, at: number, size: number, left: number): boolean {
  const next = lastOffset(bytes, at) + 1;
  const following = left >= batchHeaderBytes ? baseOffset(bytes, at + size) : row.endOffset;
  return isDense(bytes, at) && next === following && baseOffset(bytes, at) > row.baseOffset;
}

/** Size of the batch at `at`; undefined when no batch that fits into the segment begins there. */
function sizeOf(row: SegmentPlace, bytes: Buffer, at: number, position: number): number | undefined {
  const size = batchSizeBytes(bytes, at);
  const fits = size >= batchHeaderBytes && position + at + size <= row.bytes;
  return fits && bytes[at + batchField.magic] === batchMagic ? size : undefined;
}

function indexKey(row: SegmentPlace): string {
  return `${row.fileId}@${row.indexPosition}`;
}

function indexSpan(row: SegmentPlace): { position: number; bytes: number } {
  return { position: row.indexPosition, bytes: row.indexBytes };
}
