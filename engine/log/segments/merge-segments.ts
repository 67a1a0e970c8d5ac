/**
 * Which small segments at a log's end the next roll-up merges. Merging at every roll-up would keep one small segment per
 * slow log but write each byte dozens of times: ten thousand logs get a kilobyte or two each time, and each would rewrite
 * up to mergeBytesMax for it. So small segments stay until there are many, or enough of them for a segment that will stay.
 */
import type { PublishedSegment } from '../rows/segment.ts';

/** Small segments at a log's end. Bounds the log's rows, and the operations of the transaction that replaces them. */
export const smallSegmentsMax = 16;

/** The newest of `segments` (given oldest first) that are written together with `newBytes` of batches. */
export function segmentsToMerge(
  segments: readonly PublishedSegment[],
  newBytes: number,
  mergeBytesMax: number,
): readonly PublishedSegment[] {
  const last = segments.at(-1);
  if (!last) return [];
  let from = segments.length;
  let bytes = newBytes;
  while (from > 0 && segments.length - from < smallSegmentsMax && segments[from - 1]!.bytes < mergeBytesMax) {
    bytes += segments[--from]!.bytes;
  }
  const run = segments.slice(from);
  if (run.length === smallSegmentsMax || (run.length > 0 && bytes >= mergeBytesMax)) return run;
  // An empty segment with the same base would have the same key as its successor.
  return last.bytes === 0 ? [last] : [];
}
