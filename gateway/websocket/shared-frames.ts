/**
 * Frames built once for all subscribers that take the same records: the JSON of a batch, and the whole frame as bytes where
 * subscription number and cursor agree, as they do for a thousand pages that run the same script. Below the high watermark
 * a topic's records never change, so an offset range identifies its JSON permanently.
 *
 * Bounded by size and number; the oldest are evicted first. Only the newest matter: those of the tail that is being sent.
 */
import type { Uuid } from '../../engine/kernel/uuid.ts';
import type { RecordFormat } from '../operations/record-json.ts';
import { byComma, type RecordChunk, recordChunks } from '../operations/records-to-json.ts';
import type { Delivery } from '../operations/subscribe.ts';
import { encodeBatchFrame } from './binary-frame.ts';

const sharedBytesMax = 16 * 1024 * 1024;
const sharedRangesMax = 256;
/** Subscriptions in step take the batches of one read one after the other: slightly more than one read may return. */
const recentMax = 32;
/** For larger batches, of which one read returns few, only the last one's frame is kept. */
const recentBatchBytesMax = 256 * 1024;

/** The records of one frame, without the parts that differ by subscription. */
export interface SharedChunk {
  readonly partition: number;
  readonly baseOffset: number;
  /** The offset after the last record. */
  readonly endOffset: number;
  /** The records as JSON, separated by commas. */
  readonly records: Buffer;
  /** The cursor after it, for readers of this partition alone: [some partitions, whole topic]. */
  readonly cursors: [string | undefined, string | undefined];
  /** The last frame built, and its subscription. */
  frame: Buffer | undefined;
  frameSub: number;
  frameCursor: string;
}

interface Range {
  /** A promise while the batch is being decompressed. */
  chunks: readonly SharedChunk[] | Promise<readonly SharedChunk[]>;
  bytes: number;
}

interface LastAsked {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly format: RecordFormat;
  readonly chunkBytesMax: number;
  readonly range: Range;
}

interface BinaryFrame {
  /** The view itself: subscriptions in step are given the same one (operations/shared-reads.ts). */
  readonly batch: Uint8Array;
  readonly sub: number;
  readonly frame: Buffer;
}

/** A ring of the last few, searched from just after the entry that was found last. */
class Recent<T> {
  readonly #items: T[] = [];
  #at = 0;
  #oldest = 0;

  get size(): number {
    return this.#items.length;
  }

  next(): T {
    this.#at = this.#at + 1 < this.#items.length ? this.#at + 1 : 0;
    return this.#items[this.#at]!;
  }

  add(item: T): void {
    this.#at = this.#items.length < recentMax ? this.#items.length : this.#oldest++ % recentMax;
    this.#items[this.#at] = item;
  }

  remove(isMeant: (item: T) => boolean): void {
    const at = this.#items.findIndex(isMeant);
    if (at >= 0) this.#items.splice(at, 1);
  }
}

export class SharedFrames {
  readonly #ranges = new Map<string, Range>();
  #bytes = 0;
  readonly #recent = new Recent<LastAsked>();
  readonly #binaries = new Recent<BinaryFrame>();
  #large: BinaryFrame | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Synchronous unless the batch is compressed and nobody has had it before. Throws, or rejects with, UnreadableRecords.
   */
  chunks(
    topicId: Uuid,
    delivery: Delivery,
    format: RecordFormat,
    chunkBytesMax: number,
    clusterId = '',
  ): readonly SharedChunk[] | Promise<readonly SharedChunk[]> {
    const { partition, fromOffset, nextOffset } = delivery;
    // Called a thousand times in a row, where building a key each time would be most of the work.
    const recent = this.#recent;
    for (let tries = 0; tries < recent.size; tries++) {
      const last = recent.next();
      const isSame =
        last.fromOffset === fromOffset &&
        last.nextOffset === nextOffset &&
        last.partition === partition &&
        last.topicId === topicId &&
        last.format === format &&
        last.chunkBytesMax === chunkBytesMax;
      if (isSame) return last.range.chunks;
    }
    const range = this.#range(topicId, delivery, format, chunkBytesMax, clusterId);
    recent.add({ topicId, partition, fromOffset, nextOffset, format, chunkBytesMax, range });
    return range.chunks;
  }

  #range(topicId: Uuid, delivery: Delivery, format: RecordFormat, chunkBytesMax: number, clusterId: string): Range {
    const { partition, fromOffset, nextOffset, batch } = delivery;
    const key = `${topicId} ${partition} ${fromOffset} ${nextOffset} ${format} ${chunkBytesMax}`;
    const known = this.#ranges.get(key);
    if (known) return known;
    const made = recordChunks(batch, partition, fromOffset, nextOffset, format, chunkBytesMax, byComma, clusterId);
    const range: Range = { chunks: [], bytes: 0 };
    this.#ranges.set(key, range);
    if (!(made instanceof Promise)) {
      this.#fill(key, range, partition, made);
      return range;
    }
    range.chunks = made.then(
      (chunks) => this.#fill(key, range, partition, chunks),
      (error: unknown) => {
        if (this.#ranges.get(key) === range) this.#ranges.delete(key);
        this.#recent.remove((asked) => asked.range === range);
        throw error;
      },
    );
    this.#trim();
    return range;
  }

  #fill(key: string, range: Range, partition: number, chunks: readonly RecordChunk[]): readonly SharedChunk[] {
    const shared = chunks.map(
      ({ json, baseOffset, endOffset }): SharedChunk => ({
        partition,
        baseOffset,
        endOffset,
        records: json,
        cursors: [undefined, undefined],
        frame: undefined,
        frameSub: -1,
        frameCursor: '',
      }),
    );
    range.chunks = shared;
    // The text, and about as much again for a frame that holds it.
    for (const { records } of shared) range.bytes += 2 * records.length;
    if (this.#ranges.get(key) === range) this.#bytes += range.bytes;
    this.#trim();
    return shared;
  }

  /** The frame of a whole batch; the last few are kept. */
  binary(sub: number, { partition, batch }: Delivery): Buffer {
    const isLarge = batch.length > recentBatchBytesMax;
    if (isLarge && this.#large?.batch === batch && this.#large.sub === sub) return this.#large.frame;
    const binaries = this.#binaries;
    for (let tries = 0; tries < binaries.size; tries++) {
      const known = binaries.next();
      if (known.batch === batch && known.sub === sub) return known.frame;
    }
    const frame = encodeBatchFrame(sub, partition, batch);
    if (isLarge) this.#large = { batch, sub, frame };
    else binaries.add({ batch, sub, frame });
    return frame;
  }

  #trim(): void {
    for (const [key, range] of this.#ranges) {
      if (this.#bytes <= sharedBytesMax && this.#ranges.size <= sharedRangesMax) return;
      this.#ranges.delete(key);
      this.#recent.remove((asked) => asked.range === range);
      this.#bytes -= range.bytes;
    }
  }
}

/** A batch event as bytes, shared with the previous caller if it asked for the same event. */
export function chunkFrame(chunk: SharedChunk, sub: number, cursor: string): Buffer {
  if (chunk.frame && chunk.frameSub === sub && chunk.frameCursor === cursor) return chunk.frame;
  const { partition, baseOffset, records } = chunk;
  const start = `{"event":"batch","sub":${sub},"partition":${partition},"base":${baseOffset},"records":[`;
  const end = `],"next":"${cursor}"}`;
  const frame = Buffer.allocUnsafe(start.length + records.length + end.length);
  frame.latin1Write(start, 0);
  frame.set(records, start.length);
  frame.latin1Write(end, start.length + records.length);
  chunk.frame = frame;
  chunk.frameSub = sub;
  chunk.frameCursor = cursor;
  return frame;
}
