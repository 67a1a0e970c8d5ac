/**
 * Which of the batches that several owners brought go into one answer. As Apache Kafka reads (KIP-74): partition after
 * partition in the order of the request, each within its own limit and what is left of the request's, and the first
 * batch of the first partition that has any whatever its size. So the answer follows from what the logs hold alone, not
 * from who was first to tell.
 *
 * Kafka fills a limit to its last byte with a piece of the next batch, which readers drop. We give whole batches, but
 * count the piece where limits are small: else a small batch of the next partition would slip in behind it, and the same
 * request would show other partitions here and there. Large limits are counted by what is given, because a read may
 * have ended for other reasons than its limit: it was one owner's part of the room, or the end of a segment.
 */
import type { FetchedPartition, FetchPartition } from '../engine.ts';
import { offsetBehind, recordBytes, takeBatches } from './fetch-message.ts';

/** Up to here limits are kept to as exactly as Kafka does. Every owner is asked for as much at least. */
export const exactRoomBytesMax = 16 * 1024;

/** What was brought of one partition: the whole of it within its own limit, and at least the first batch. */
export interface Brought {
  readonly asked: Pick<FetchPartition, 'maxBytes' | 'offset'>;
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  readonly last: Pick<FetchedPartition, 'highWatermark'> | undefined;
}

/** The batches to give of each, in the order of `brought`. */
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

/** Whether the log has more behind what is given. */
function isCut({ asked, records, bytes, last }: Brought, givenBytes: number): boolean {
  return givenBytes < bytes || (last !== undefined && offsetBehind(records, asked.offset) < last.highWatermark);
}
