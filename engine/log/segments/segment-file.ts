/** Writes one segment file: asynchronously, in slices, and durable before it counts as written. */
import type { Uuid } from '../../kernel/uuid.ts';
import { assert } from '../../kernel/assert.ts';
import type { PiecedWriter, SegmentStore, SegmentWriter } from '../../ports.ts';
import type { SegmentRow } from '../rows/segment.ts';
import {
  buildIndex,
  encodeState,
  encodeTable,
  segmentFileMagic,
  type StateSnapshot,
  type TableEntry,
  tableEntry,
} from './segment-format.ts';

/** One log's share of a file. */
export interface SegmentDraft {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly baseOffset: number;
  readonly endOffset: number;
  /** Consecutive whole batches; empty when only the state has to be kept. */
  readonly batches: readonly Buffer[];
  /** For a pieced file: where each batch is stored already; undefined for a batch that must be written into the file. */
  readonly places?: readonly ({ readonly path: string; readonly position: number } | undefined)[];
  readonly state: StateSnapshot;
}

export interface SegmentFileOptions {
  readonly segments: SegmentStore;
  readonly fileId: string;
  readonly indexIntervalBytes: number;
  readonly sliceBytes: number;
  /** Refers to the batches instead of writing them. */
  readonly pieced?: { readonly file: PiecedWriter; readonly sources: ReadonlyMap<string, number> };
  /** Lets the event loop turn. */
  turn(): Promise<void>;
}

/** How many indexes and states are built between two turns of the event loop. */
const draftsPerTurnMax = 64;

/** Returns the rows in the order of the drafts. Throws the segment store's failures, after removing the file. */
export async function writeSegmentFile(
  options: SegmentFileOptions,
  drafts: readonly SegmentDraft[],
): Promise<SegmentRow[]> {
  const file = options.pieced?.file ?? options.segments.create(options.fileId);
  try {
    const rows = await writeAll(new SliceWriter(file, options.sliceBytes), options, drafts);
    await file.commit();
    return rows;
  } catch (error) {
    file.abort();
    throw error;
  }
}

async function writeAll(
  out: SliceWriter,
  options: SegmentFileOptions,
  drafts: readonly SegmentDraft[],
): Promise<SegmentRow[]> {
  await out.write(segmentFileMagic);
  const positions: number[] = [];
  for (const [i, draft] of drafts.entries()) {
    positions.push(out.position);
    if (options.pieced) {
      if (i % draftsPerTurnMax === draftsPerTurnMax - 1) await options.turn();
      await placeAll(out, options.pieced, draft);
      continue;
    }
    for (const batch of draft.batches) {
      const slice = out.write(batch);
      if (slice) await slice;
    }
  }
  const rows: SegmentRow[] = [];
  const table: TableEntry[] = [];
  for (const [i, draft] of drafts.entries()) {
    if (i % draftsPerTurnMax === draftsPerTurnMax - 1) await options.turn();
    const { index, maxTimestamp, bytes } = buildIndex(draft.batches, options.indexIntervalBytes);
    const state = encodeState(draft.state);
    const row: SegmentRow = {
      baseOffset: draft.baseOffset,
      endOffset: draft.endOffset,
      fileId: options.fileId,
      position: positions[i]!,
      bytes,
      indexPosition: out.position,
      indexBytes: index.length,
      stateBytes: state.length,
      maxTimestamp,
    };
    await out.write(index);
    await out.write(state);
    rows.push(row);
    table.push(tableEntry(draft.topicId, draft.partition, row));
  }
  await out.write(encodeTable(table, out.position));
  await out.flush();
  return rows;
}

async function placeAll(
  out: SliceWriter,
  { file, sources }: NonNullable<SegmentFileOptions['pieced']>,
  { batches, places = [] }: SegmentDraft,
): Promise<void> {
  assert(places.length === batches.length, 'every batch has its place');
  await out.flush();
  for (const [i, place] of places.entries()) {
    const batch = batches[i]!;
    if (!place) {
      const slice = out.write(batch);
      if (slice) await slice;
      continue;
    }
    if (out.hasPending) await out.flush();
    file.place(sources.get(place.path)!, place.position, batch.length);
    out.passOver(batch.length);
  }
}

/** Gathers parts without copying them; writes at most one slice at a time. */
class SliceWriter {
  readonly #file: SegmentWriter;
  readonly #sliceBytes: number;
  #parts: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;

  constructor(file: SegmentWriter, sliceBytes: number) {
    this.#file = file;
    this.#sliceBytes = sliceBytes;
  }

  get position(): number {
    return this.#written + this.#pendingBytes;
  }

  get hasPending(): boolean {
    return this.#pendingBytes > 0;
  }

  /** Returns a promise only when a slice is full and being written. */
  write(part: Uint8Array): Promise<void> | undefined {
    if (part.length === 0) return undefined;
    this.#parts.push(part);
    this.#pendingBytes += part.length;
    return this.#pendingBytes >= this.#sliceBytes ? this.flush() : undefined;
  }

  /** Counts bytes that the file got in another way; nothing may be pending. */
  passOver(bytes: number): void {
    this.#written += bytes;
  }

  async flush(): Promise<void> {
    const parts = this.#parts;
    this.#parts = [];
    const bytes = this.#pendingBytes;
    this.#pendingBytes = 0;
    this.#written += bytes;
    if (bytes > 0) await this.#file.write(parts);
  }
}
