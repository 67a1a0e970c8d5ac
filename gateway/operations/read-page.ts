/**
 * One page of a topic for a reader that keeps its own place (HTTP): fetched, judged, and cut to the requested number of
 * records. No reader state is kept here; the reader asks for the next page with the positions returned with this one.
 */
import type { FetchedPartition, TopicEntry } from '../../engine/engine.ts';
import type { Cancellation } from '../../engine/kernel/cancellation.ts';
import { Failure } from '../../engine/kernel/failure.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { batchSizeBytes, lastOffset } from '../../engine/records/batch.ts';
import { NotFound } from '../../tenancy/failures.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { readFailure } from '../failures.ts';
import type { Position } from './cursor.ts';
import { fetchPartitions } from './fetch.ts';
import type { JsonOutput } from './json-output.ts';
import type { ReaderStart } from './reader-start.ts';
import type { RecordFormat } from './record-json.ts';
import { jsonCapacity, UnreadableRecords, writeRecords } from './records-to-json.ts';

/** Retention has deleted the records at these positions. */
export class OffsetExpired extends Failure {
  readonly code = 'invalid-request';
  /** The first remaining offsets of the partitions at fault. */
  readonly earliest: readonly Position[];
  constructor(earliest: readonly Position[]) {
    super(`retention has deleted the records at this position of partition ${earliest[0]?.partition}`);
    this.earliest = earliest;
  }
}

export class OffsetBeyondEnd extends Failure {
  readonly code = 'invalid-request';
  readonly latest: readonly Position[];
  constructor(latest: readonly Position[]) {
    super(`partition ${latest[0]?.partition} ends at offset ${latest[0]?.offset}; the position is beyond that`);
    this.latest = latest;
  }
}

export interface PageOptions {
  readonly recordsMax: number;
  readonly bytesMax: number;
  readonly waitMs: number;
  /** Positions beyond the end count as the end. */
  readonly clamp: boolean;
  readonly cancellation: Cancellation;
}

interface PagePartition {
  readonly partition: number;
  readonly fromOffset: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  readonly batches: readonly Uint8Array[];
}

export interface FetchedPage {
  readonly clusterId: string;
  readonly partitions: readonly PagePartition[];
  /** The caller waits for this before it sends the page. */
  readonly verdict: Verdict;
}

/** How often positions are moved to the beginning or end of the log before the reader gets an error instead. */
const movesMax = 3;

/**
 * Throws OffsetExpired, OffsetBeyondEnd, OwnerUnavailable, NotFound. The caller must first refuse a cluster that owes much
 * (refuseLongRead).
 */
export async function fetchPage(
  context: GatewayContext,
  principal: Principal,
  topic: TopicEntry,
  start: ReaderStart,
  options: PageOptions,
): Promise<FetchedPage> {
  let positions = start.positions;
  for (let moves = 0; ; moves++) {
    const asked = positions.map(({ partition, offset }) => ({
      topicId: topic.topicId,
      partition,
      offset,
      maxBytes: options.bytesMax,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }));
    const { partitions, verdict } = await fetchPartitions(context, principal, asked, {
      maxWaitMs: options.waitMs,
      minBytes: options.waitMs > 0 ? 1 : 0,
      maxBytes: options.bytesMax,
      cancellation: options.cancellation,
    });
    const offsets = new Map(positions.map(({ partition, offset }) => [partition, offset]));
    const moved = outOfRange(
      partitions,
      offsets,
      start.isRelative && moves < movesMax,
      options.clamp && moves < movesMax,
    );
    if (moved.size === 0) {
      const { clusterId } = principal;
      return { clusterId, partitions: pageOf(context, topic, partitions, offsets), verdict };
    }
    positions = positions.map(({ partition, offset }) => ({ partition, offset: moved.get(partition) ?? offset }));
  }
}

/** New offsets for positions outside their log that may be moved. Throws for those that may not. */
function outOfRange(
  partitions: readonly FetchedPartition[],
  offsets: ReadonlyMap<number, number>,
  mayMoveUp: boolean,
  mayMoveDown: boolean,
): Map<number, number> {
  const moved = new Map<number, number>();
  const expired: Position[] = [];
  const beyond: Position[] = [];
  for (const { partition, errorCode: code, logStartOffset, highWatermark } of partitions) {
    if (code !== errorCode.offsetOutOfRange) continue;
    if (offsets.get(partition)! < logStartOffset) {
      if (mayMoveUp) moved.set(partition, logStartOffset);
      else expired.push({ partition, offset: logStartOffset });
    } else if (mayMoveDown || (mayMoveUp && highWatermark >= 0)) moved.set(partition, Math.max(0, highWatermark));
    else beyond.push({ partition, offset: highWatermark });
  }
  if (expired.length > 0) throw new OffsetExpired(expired);
  if (beyond.length > 0) throw new OffsetBeyondEnd(beyond);
  return moved;
}

/**
 * Leaves out partitions without an owner, or that did not answer in time, as long as others answer, and partitions that
 * cannot be read as long as others have records. Their positions stay, the page is not up to date, and the next page has
 * them.
 */
function pageOf(
  { engine }: GatewayContext,
  topic: TopicEntry,
  partitions: readonly FetchedPartition[],
  offsets: ReadonlyMap<number, number>,
): PagePartition[] {
  const page: PagePartition[] = [];
  let failed: FetchedPartition | undefined;
  let unreadable: FetchedPartition | undefined;
  for (const part of partitions) {
    if (part.errorCode !== errorCode.none) {
      failed = part;
      if (part.errorCode === errorCode.kafkaStorageError) unreadable = part;
      continue;
    }
    const { partition, highWatermark, logStartOffset, records, isStale } = part;
    if (isStale) continue;
    const fromOffset = offsets.get(partition)!;
    page.push({ partition, fromOffset, highWatermark, logStartOffset, batches: batchesFrom(records, fromOffset) });
  }
  // A moving partition is back soon. An unreadable one may stay so: report it as soon as the others have nothing to give.
  if (unreadable && page.every(({ batches }) => batches.length === 0)) {
    throw readFailure(unreadable.errorCode, unreadable.partition);
  }
  if (!failed || page.length > 0) return page;
  if (engine.catalogue.byId(topic.topicId) === undefined) throw new NotFound('topic', 'that was read');
  throw readFailure(failed.errorCode, failed.partition);
}

function batchesFrom(runs: readonly Uint8Array[], fromOffset: number): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (const run of runs) {
    for (let at = 0; at < run.length; ) {
      const size = batchSizeBytes(run, at);
      if (lastOffset(run, at) >= fromOffset) batches.push(run.subarray(at, at + size));
      at += size;
    }
  }
  return batches;
}

/** Memory for a page, including the text around its records. */
export function pageCapacity(page: FetchedPage, { bytesMax }: Pick<PageOptions, 'bytesMax'>): number {
  return jsonCapacity(
    page.partitions.flatMap(({ batches }) => batches),
    bytesMax,
  );
}

/**
 * Writes at most `recordsMax` records of a page, and stops once they take `bytesMax` bytes; with a comma between them, or a
 * line break after each. Resolves to the next positions. `positions` are those that the page was requested with: partitions
 * that did not answer keep theirs. Partitions are read in the order of the positions, and one that gave records moves to
 * the end, so that a busy one cannot starve the others. A batch whose records cannot be read ends its partition's part.
 * Throws UnreadableRecords when nothing else is there.
 */
export async function renderPage(
  output: JsonOutput,
  page: FetchedPage,
  positions: readonly Position[],
  format: RecordFormat,
  between: ',' | '\n',
  { recordsMax, bytesMax }: Pick<PageOptions, 'recordsMax' | 'bytesMax'>,
): Promise<readonly Position[]> {
  let records = 0;
  const startLength = output.length;
  let unreadable: UnreadableRecords | undefined;
  // A well compressed batch can be a hundred times larger as text: the output has the same limit as the input.
  const isFull = (): boolean => records >= recordsMax || output.length - startLength >= bytesMax;
  const next = new Map(positions.map(({ partition, offset }) => [partition, offset]));
  for (const { partition, fromOffset, batches } of page.partitions) {
    next.set(partition, fromOffset);
    if (batches.length > 0 && !isFull()) next.delete(partition);
    for (const batch of batches) {
      if (isFull()) break;
      let wasCut = false;
      let end = 0;
      const place = (offset: number): JsonOutput | undefined => {
        if (isFull()) {
          wasCut = true;
          return undefined;
        }
        if (records > 0) output.ascii(between);
        records++;
        end = offset + 1;
        return output;
      };
      try {
        const written = writeRecords(batch, partition, fromOffset, Infinity, format, place, page.clusterId);
        if (written) await written;
      } catch (error) {
        if (!(error instanceof UnreadableRecords)) throw error;
        unreadable ??= error;
        if (end > 0) next.set(partition, end);
        else if (!next.has(partition)) next.set(partition, Math.max(fromOffset, error.offset));
        break;
      }
      if (!wasCut) next.set(partition, lastOffset(batch, 0) + 1);
      else if (end > 0) next.set(partition, end);
    }
  }
  if (unreadable && records === 0) throw unreadable;
  if (between === '\n' && records > 0) output.ascii(between);
  return [...next].map(([partition, offset]) => ({ partition, offset }));
}
