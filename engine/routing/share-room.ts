/**
 * Which of the batches from several owners go into one answer. As Apache Kafka reads (KIP-74): partition after
 * partition in the order of the request, each within its own limit and what is left of the request's. The first batch
 * of the first partition that has any goes in whatever its size. So the answer depends only on what the logs hold, not
 * on which owner answered first.
 *
 * Kafka fills a limit to its last byte with a piece of the next batch, which readers drop. We return whole batches, but
 * count that piece when limits are small. Otherwise a small batch of the next partition would slip in after it, and the
 * same request would return different partitions here than in Kafka. For large limits only the returned bytes count,
 * because a read may have ended for another reason than its limit: one owner's part of the room, or the end of a
 * segment.
 */
import type { FetchedPartition, FetchPartition } from '../engine.ts';
import { offsetBehind, recordBytes, takeBatches } from './fetch-message.ts';

/** Up to this size, limits are kept as exactly as in Kafka. Every owner is asked for at least this much. */
export const exactRoomBytesMax = 16 * 1024;

/** What was fetched from one partition: everything within its own limit, and at least the first batch. */
export interface Brought {
  readonly asked: Pick<FetchPartition, 'maxBytes' | 'offset'>;
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  readonly last: Pick<FetchedPartition, 'highWatermark'> | undefined;
}

/** The batches to return for each partition, in the order of `brought`. */
export function shareRoom(brought: readonly Brought[], maxBytes: number): (readonly Uint8Array[])[] {
  let room = maxBytes;
  let isFirst = true;
  return brought.map((each) => {
    if (each.bytes === 0) return [];
    const limit = Math.min(each.asked.maxBytes, room);
    const given = takeBatches(each.records, limit, isFirst);
    const bytes = recordBytes(given);
    if (bytes === 0) return [];
    isFirst = false;
    room -= limit <= exactRoomBytesMax && isCut(each, bytes) ? Math.max(limit, bytes) : bytes;
    return given;
  });
}

/** Whether the log has more after what is given. */
function isCut({ asked, records, bytes, last }: Brought, givenBytes: number): boolean {
  return givenBytes < bytes || (last !== undefined && offsetBehind(records, asked.offset) < last.highWatermark);
}
