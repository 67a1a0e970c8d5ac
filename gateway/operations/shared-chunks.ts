/**
 * The JSON of records, built once for all subscribers that take the same ones: a thousand readers at a tail are sent the same
 * bytes. Below the high watermark a topic's records never change, so an offset range and a style identify the JSON
 * permanently.
 *
 * Bounded by size and number; the oldest are evicted first. Only the newest matter: those of the tail that is being sent.
 */
import type { Uuid } from '../../engine/kernel/uuid.ts';
import type { RecordFormat } from './record-json.ts';
import { Recent } from './recent.ts';
import { type ChunkStyle, type RecordChunk, recordChunks } from './records-to-json.ts';
import type { Delivery } from './subscribe.ts';

const sharedBytesMax = 16 * 1024 * 1024;
const sharedRangesMax = 256;
/** Subscriptions in step take the batches of one read one after the other: slightly more than one read may return. */
export const recentMax = 32;

/** Two styles of one name write the same around the same records. */
export interface NamedStyle extends ChunkStyle {
  readonly name: string;
}

/** How long a chunk is, and what its readers keep beside it. */
export interface ChunkKind<Chunk> {
  keep(partition: number, chunk: RecordChunk): Chunk;
  /** What is kept of a chunk, as a multiple of its JSON. */
  readonly weight: number;
  readonly chunkBytesMax: number;
}

interface Range<Chunk> {
  /** A promise while the batch is being decompressed. */
  chunks: readonly Chunk[] | Promise<readonly Chunk[]>;
  bytes: number;
}

interface LastAsked<Chunk> {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly format: RecordFormat;
  readonly style: string;
  readonly range: Range<Chunk>;
}

export class SharedChunks<Chunk> {
  readonly #kind: ChunkKind<Chunk>;
  readonly #ranges = new Map<string, Range<Chunk>>();
  #bytes = 0;
  readonly #recent = new Recent<LastAsked<Chunk>>(recentMax);

  constructor(kind: ChunkKind<Chunk>) {
    this.#kind = kind;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Synchronous unless the batch is compressed and nobody has had it before. Of a very large batch only the first chunks
   * (records-to-json.ts). Throws, or rejects with, UnreadableRecords.
   */
  of(
    topicId: Uuid,
    delivery: Delivery,
    format: RecordFormat,
    style: NamedStyle,
    clusterId = '',
  ): readonly Chunk[] | Promise<readonly Chunk[]> {
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
        last.style === style.name;
      if (isSame) return last.range.chunks;
    }
    const range = this.#range(topicId, delivery, format, style, clusterId);
    recent.add({ topicId, partition, fromOffset, nextOffset, format, style: style.name, range });
    return range.chunks;
  }

  #range(
    topicId: Uuid,
    { partition, fromOffset, nextOffset, batch }: Delivery,
    format: RecordFormat,
    style: NamedStyle,
    clusterId: string,
  ): Range<Chunk> {
    const key = `${topicId} ${partition} ${fromOffset} ${nextOffset} ${format} ${style.name}`;
    const known = this.#ranges.get(key);
    if (known) return known;
    const { chunkBytesMax } = this.#kind;
    const made = recordChunks(batch, partition, fromOffset, nextOffset, format, chunkBytesMax, style, clusterId);
    const range: Range<Chunk> = { chunks: [], bytes: 0 };
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

  #fill(key: string, range: Range<Chunk>, partition: number, made: readonly RecordChunk[]): readonly Chunk[] {
    const chunks = made.map((chunk) => this.#kind.keep(partition, chunk));
    range.chunks = chunks;
    for (const { json } of made) range.bytes += this.#kind.weight * json.length;
    if (this.#ranges.get(key) === range) this.#bytes += range.bytes;
    this.#trim();
    return chunks;
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
