/**
 * Fetch requests and answers between routing and brokers: version 13, the first with topic ids. No fetch sessions.
 */
import type { FetchedPartition } from '../engine.ts';
import type { SharedFrame } from '../kernel/frame-pool.ts';
import type { LocatedSegment } from '../log/log.ts';
import { type Uuid } from '../kernel/uuid.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import { fetchRequest } from '../protocol/messages/01-fetch.ts';
import { make } from '../protocol/make.ts';
import { batchesIn, batchSizeBytes, lastOffset } from '../records/batch.ts';

export const fetchKey = 1;
export const fetchVersion = 13;

export interface Asked {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
  /** The leader epoch of the owner being asked. The broker refuses when it owns the partition at another epoch. */
  readonly leaderEpoch: number;
  /** The earliest possible start of the log, as far as this gateway knows; -1 when unknown. */
  readonly startOffset: number;
}

export interface FetchLimits {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  /** For all partitions together. */
  readonly maxBytes: number;
}

export function fetchRequestOf(asked: readonly Asked[], limits: FetchLimits, readsSegments: boolean): RequestOf<1> {
  const topics = new Map<Uuid, { topicId: Uuid; partitions: object[] }>();
  for (const { topicId, partition, offset, maxBytes, leaderEpoch, startOffset } of asked) {
    let topic = topics.get(topicId);
    if (!topic) topics.set(topicId, (topic = { topicId, partitions: [] }));
    topic.partitions.push({
      partition,
      fetchOffset: offset,
      partitionMaxBytes: maxBytes,
      currentLeaderEpoch: leaderEpoch,
      logStartOffset: startOffset,
    });
  }
  return make(fetchRequest, { ...limits, readsSegments, topics: [...topics.values()] });
}

/** `segments`: hold the records, which are still to be read. */
export interface Answered extends FetchedPartition {
  readonly segments?: readonly LocatedSegment[];
}

/** One for each partition that the owner answered. Nobody holds `frame` yet. */
export function fetchedOf(response: ResponseOf<1>, frame: SharedFrame): Answered[] {
  const frames = [frame];
  const fetched: Answered[] = [];
  for (const { topicId, partitions } of response.responses) {
    for (const each of partitions) {
      fetched.push({
        topicId,
        partition: each.partitionIndex,
        errorCode: each.errorCode,
        highWatermark: each.highWatermark,
        lastStableOffset: each.lastStableOffset,
        logStartOffset: each.logStartOffset,
        records: each.records ?? [],
        frames,
        ...(each.segment.fileId !== '' && { segments: [each.segment, ...each.following] }),
      });
    }
  }
  return fetched;
}

export function recordBytes(records: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const each of records) bytes += each.length;
  return bytes;
}

/** The whole batches at the front that fit in `bytesMax`; always includes the first one when `mustProgress`. */
export function takeBatches(
  records: readonly Uint8Array[],
  bytesMax: number,
  mustProgress: boolean,
): readonly Uint8Array[] {
  if (recordBytes(records) <= bytesMax) return records;
  const taken: Uint8Array[] = [];
  let room = bytesMax;
  let isFirst = mustProgress;
  for (const part of records) {
    let end = 0;
    for (const position of batchesIn(part)) {
      const sizeBytes = batchSizeBytes(part, position);
      if (sizeBytes > room && !isFirst) break;
      isFirst = false;
      room -= sizeBytes;
      end = position + sizeBytes;
    }
    if (end > 0) taken.push(end === part.length ? part : part.subarray(0, end));
    if (end < part.length) break;
  }
  return taken;
}

/** The offset after the last whole batch, or `offset` when there is none. */
export function offsetBehind(records: readonly Uint8Array[], offset: number): number {
  let next = offset;
  for (const part of records) for (const position of batchesIn(part)) next = lastOffset(part, position) + 1;
  return next;
}
