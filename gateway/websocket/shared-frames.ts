/**
 * Records are put into frames once for all subscribers that take the same records: the JSON of a batch, and the whole
 * frame as bytes where subscription number and cursor agree, as they do for a thousand pages that run the same script. Below
 * the high watermark a topic's records never change, so a range of offsets names its JSON for good.
 *
 * Bounded by size and number; the oldest go first. Only the newest matter: those of the tail that is being sent.
 */
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { type RecordChunk, type RecordFormat, recordChunks } from '../operations/record-json.ts';
import type { Delivery } from '../operations/subscribe.ts';
import { encodeBatchFrame } from './binary-frame.ts';

const sharedBytesMax = 16 * 1024 * 1024;
const sharedRangesMax = 256;

/** One frame's worth of records, without what differs by subscription. */
export interface SharedChunk {
  readonly partition: number;
  readonly baseOffset: number;
  /** Behind the last record. */
  readonly endOffset: number;
  /** The records as JSON, by comma. */
  readonly records: string;
  /** Cursor behind it of readers of this partition alone: [some partitions, whole topic]. */
  readonly cursors: [string | undefined, string | undefined];
  /** The frame that was made last, and for whom. */
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
  readonly chunkLengthMax: number;
  readonly range: Range;
}

interface BinaryFrame {
  /** The view itself: those in step are given the same one (operations/shared-reads.ts). */
  readonly batch: Uint8Array;
  readonly sub: number;
  readonly frame: Buffer;
}

export class SharedFrames {
  readonly #ranges = new Map<string, Range>();
  #bytes = 0;
  #last: LastAsked | undefined;
  #binary: BinaryFrame | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  /** At once unless the batch is compressed and nobody has had it before. Throws, or rejects with, UnreadableRecords. */
  chunks(
    topicId: Uuid,
    delivery: Delivery,
    format: RecordFormat,
    chunkLengthMax: number,
  ): readonly SharedChunk[] | Promise<readonly SharedChunk[]> {
    const { partition, fromOffset, nextOffset } = delivery;
    const last = this.#last;
    const isLast =
      last !== undefined &&
      last.fromOffset === fromOffset &&
      last.nextOffset === nextOffset &&
      last.partition === partition &&
      last.topicId === topicId &&
      last.format === format &&
      last.chunkLengthMax === chunkLengthMax;
    // Asked for a thousand times in a row, and then a key that is put together each time would be most of the work.
    if (isLast) return last.range.chunks;
    const range = this.#range(topicId, delivery, format, chunkLengthMax);
    this.#last = { topicId, partition, fromOffset, nextOffset, format, chunkLengthMax, range };
    return range.chunks;
  }

  #range(topicId: Uuid, delivery: Delivery, format: RecordFormat, chunkLengthMax: number): Range {
    const { partition, fromOffset, nextOffset, batch } = delivery;
    const key = `${topicId} ${partition} ${fromOffset} ${nextOffset} ${format} ${chunkLengthMax}`;
    const known = this.#ranges.get(key);
    if (known) return known;
    const made = recordChunks(batch, partition, fromOffset, nextOffset, format, chunkLengthMax);
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
        if (this.#last?.range === range) this.#last = undefined;
        throw error;
      },
    );
    this.#trim();
    return range;
  }

  #fill(key: string, range: Range, partition: number, chunks: readonly RecordChunk[]): readonly SharedChunk[] {
    const shared = chunks.map(
      ({ records, offsets }): SharedChunk => ({
        partition,
        baseOffset: offsets[0]!,
        endOffset: offsets[offsets.length - 1]! + 1,
        records: records.join(','),
        cursors: [undefined, undefined],
        frame: undefined,
        frameSub: -1,
        frameCursor: '',
      }),
    );
    range.chunks = shared;
    // The text, and about as much again for a frame of it.
    for (const { records } of shared) range.bytes += 2 * records.length;
    if (this.#ranges.get(key) === range) this.#bytes += range.bytes;
    this.#trim();
    return shared;
  }

  /** The frame of a whole batch; the last one is kept. */
  binary(sub: number, { partition, batch }: Delivery): Buffer {
    if (this.#binary?.batch === batch && this.#binary.sub === sub) return this.#binary.frame;
    const frame = encodeBatchFrame(sub, partition, batch);
    this.#binary = { batch, sub, frame };
    return frame;
  }

  #trim(): void {
    for (const [key, range] of this.#ranges) {
      if (this.#bytes <= sharedBytesMax && this.#ranges.size <= sharedRangesMax) return;
      this.#ranges.delete(key);
      this.#bytes -= range.bytes;
    }
  }
}

/** A batch event as bytes, shared with whoever asked last for the same. */
export function chunkFrame(chunk: SharedChunk, sub: number, cursor: string): Buffer {
  if (chunk.frame && chunk.frameSub === sub && chunk.frameCursor === cursor) return chunk.frame;
  const frame = Buffer.from(
    `{"event":"batch","sub":${sub},"partition":${chunk.partition},"base":${chunk.baseOffset},"records":[${chunk.records}],"next":"${cursor}"}`,
  );
  chunk.frame = frame;
  chunk.frameSub = sub;
  chunk.frameCursor = cursor;
  return frame;
}
