/**
 * Which small segments at a log's end the next roll-up takes in. Merging at every roll-up would keep one small segment per
 * slow log and write each byte dozens of times: ten thousand logs get a kilobyte or two each time, and each would rewrite up
 * to mergeBytesMax for it. So small ones are let be until there are many, or enough of them for a segment that will stay.
 */
import type { PublishedSegment } from '../rows/segment.ts';

/** A log's small segments at its end: bounds its rows, and the operations of the transaction that replaces them. */
export const smallSegmentsMax = 16;

/** The newest of `segments`, oldest first, that `newBytes` of batches are written together with. */
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
  // An empty segment of the same base would take the same key as its successor.
  return last.bytes === 0 ? [last] : [];
}
