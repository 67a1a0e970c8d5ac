/**
 * Where a reader starts when it has no cursor: 'earliest', 'latest', an offset, '-N' (the last N records of each
 * partition) or an RFC 3339 time, turned into one offset per partition.
 */
import type { TopicEntry } from '../../engine/engine.ts';
import { InvalidRequest } from '../../engine/kernel/failure.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { readFailure } from '../failures.ts';
import type { GatewayContext } from '../context.ts';
import type { Position } from './cursor.ts';
import { timeOf } from './time-text.ts';

export type StartAt =
  | { readonly at: 'earliest' }
  | { readonly at: 'latest' }
  | { readonly at: 'offset'; readonly offset: number }
  | { readonly at: 'last'; readonly records: number }
  | { readonly at: 'time'; readonly timestampMs: number };

/** The special timestamps of ListOffsets. */
const latestTimestamp = -1;
const earliestTimestamp = -2;

/** Throws InvalidRequest on field `from`. */
export function parseStart(text: string): StartAt {
  if (text === 'earliest' || text === 'latest') return { at: text };
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return { at: 'offset', offset: Number(text) };
  if (/^-\d{1,9}$/.test(text)) return { at: 'last', records: -Number(text) };
  // In a query a plus that is not percent-encoded arrives as a space.
  const timestampMs = timeOf(text.replace(' ', '+'));
  if (Number.isNaN(timestampMs)) {
    const time = 'an RFC 3339 time such as 2026-11-28T12:00:00Z';
    throw new InvalidRequest('from', `from=${text}: use earliest, latest, an offset, -N or ${time}`);
  }
  return { at: 'time', timestampMs };
}

/** One offset per requested partition. Throws OwnerUnavailable while a partition has no owner. */
export async function resolveStart(
  context: GatewayContext,
  topic: TopicEntry,
  partitions: readonly number[],
  start: StartAt,
): Promise<Position[]> {
  switch (start.at) {
    case 'offset':
      return partitions.map((partition) => ({ partition, offset: start.offset }));
    case 'earliest':
      return listOffsets(context, topic, partitions, earliestTimestamp);
    case 'latest':
      return listOffsets(context, topic, partitions, latestTimestamp);
    case 'last': {
      const latest = await listOffsets(context, topic, partitions, latestTimestamp);
      const earliest = await listOffsets(context, topic, partitions, earliestTimestamp);
      return latest.map(({ partition, offset }, i) => ({
        partition,
        offset: Math.max(earliest[i]!.offset, offset - start.records),
      }));
    }
    case 'time': {
      // To ListOffsets such a number would mean something else, or nothing.
      if (start.timestampMs < 0) return listOffsets(context, topic, partitions, earliestTimestamp);
      // No record of this partition is that new: start at its end, as it was before the search, which may have missed a
      // record written meanwhile.
      const latest = await listOffsets(context, topic, partitions, latestTimestamp);
      const byTime = await listOffsets(context, topic, partitions, start.timestampMs);
      return byTime.map((position, i) => (position.offset < 0 ? latest[i]! : position));
    }
  }
}

async function listOffsets(
  { engine }: GatewayContext,
  topic: TopicEntry,
  partitions: readonly number[],
  timestamp: number,
): Promise<Position[]> {
  const response = await engine.partitionRequest(2, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [
      {
        name: topic.name,
        partitions: partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: -1, timestamp })),
      },
    ],
    timeoutMs: 0,
  });
  return response.topics[0]!.partitions.map(({ partitionIndex, errorCode: code, offset }) => {
    if (code !== errorCode.none) throw readFailure(code, partitionIndex);
    return { partition: partitionIndex, offset };
  });
}
