/** What LZ4 and Snappy have in common: literals, and matches that repeat earlier output. */

/** Decodes until `stop` bytes are written or the input ends; returns true at the end. Throws CorruptBatch. */
export interface SlicedDecoder {
  advance(stop: number): boolean;
}

/** Below this length a loop is faster than a call. */
const loopBytesMax = 64;

/** The caller has checked that there is room on both sides. */
export function copyLiterals(from: Uint8Array, pos: number, to: Uint8Array, at: number, length: number): void {
  if (length > loopBytesMax) to.set(from.subarray(pos, pos + length), at);
  else for (let i = 0; i < length; i++) to[at + i] = from[pos + i]!;
}

/** Copies `length` bytes from `distance` (1 to `at`) before `at`. A match longer than its distance repeats itself. */
export function copyMatch(bytes: Uint8Array, at: number, distance: number, length: number): void {
  const from = at - distance;
  if (length <= loopBytesMax) {
    for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i]!;
    return;
  }
  // The copied part doubles each time, so a run of one byte takes as few calls as any other.
  for (let done = 0; done < length; ) {
    const step = Math.min(distance + done, length - done);
    bytes.copyWithin(at + done, from, from + step);
    done += step;
  }
}
