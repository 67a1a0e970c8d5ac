/**
 * How far V8 lets the heap grow before it marks all of it. Some 20 MB are alive in one of our processes, and V8 considers
 * twice that enough. But it also counts the bytes of buffers, including those that are no garbage: the frames of the log's
 * tail, and every request's body, which is the socket's receive buffer, lent. So a few thousand requests of 1 KiB made it
 * mark everything, for tens of milliseconds on the loop and on its helper threads, and find nothing.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * Four times the live heap: the largest factor that V8 chooses by itself, where a heap is quick to mark.
 * docs/adr/0011-the-heap-may-grow.md
 */
export const heapGrowthFlag = '--heap-growing-percent=300';

/** Set at the start of a serving process. V8 reads the flag after each marking, so the first one comes as usual. */
export function letHeapGrow(): void {
  setFlagsFromString(heapGrowthFlag);
}
