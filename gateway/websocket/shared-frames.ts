/**
 * Frames built once for all subscribers that take the same records: the JSON of a batch, and the whole frame as bytes where
 * subscription number and cursor agree, as they do for a thousand pages that run the same script.
 */
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { Recent } from '../operations/recent.ts';
import type { RecordFormat } from '../operations/record-json.ts';
import { byComma, type RecordChunk } from '../operations/records-to-json.ts';
import { type NamedStyle, recentMax, SharedChunks } from '../operations/shared-chunks.ts';
import type { Delivery } from '../operations/subscribe.ts';
import { encodeBatchFrame } from './binary-frame.ts';

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

interface BinaryFrame {
  /** The view itself: subscriptions in step are given the same one (operations/shared-reads.ts). */
  readonly batch: Uint8Array;
  readonly sub: number;
  readonly frame: Buffer;
}

const commas: NamedStyle = { name: 'commas', ...byComma };

export class SharedFrames {
  readonly #chunks: SharedChunks<SharedChunk>;
  readonly #binaries = new Recent<BinaryFrame>(recentMax);
  #large: BinaryFrame | undefined;

  /** `frameLengthTarget`: a frame of records ends with the record that passes it. */
  constructor(frameLengthTarget: number) {
    // The text, and about as much again for a frame that holds it.
    this.#chunks = new SharedChunks({ keep: sharedChunk, weight: 2, chunkBytesMax: frameLengthTarget });
  }

  get bytes(): number {
    return this.#chunks.bytes;
  }

  /** As SharedChunks.of. */
  chunks(
    topicId: Uuid,
    delivery: Delivery,
    format: RecordFormat,
    clusterId?: string,
  ): readonly SharedChunk[] | Promise<readonly SharedChunk[]> {
    return this.#chunks.of(topicId, delivery, format, commas, clusterId);
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
}

function sharedChunk(partition: number, { json, baseOffset, endOffset }: RecordChunk): SharedChunk {
  return {
    partition,
    baseOffset,
    endOffset,
    records: json,
    cursors: [undefined, undefined],
    frame: undefined,
    frameSub: -1,
    frameCursor: '',
  };
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
