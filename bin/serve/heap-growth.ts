/**
 * How far V8 lets the heap grow before it marks all of it. Some 20 MB are alive in a process of ours, and V8 takes their
 * double for enough. But it counts the bytes of buffers with them, also of those that are nobody's garbage: the frames of the log's tail,
 * and every request's body, which is the socket's receive buffer, lent. So some thousand requests of 1 KiB were reason for it
 * to go through everything, for tens of milliseconds on the loop and on its helper threads, and to find nothing.
 */
import { setFlagsFromString } from 'node:v8';

/** Four times what is alive: the largest factor that V8 takes by itself, where a heap is quick to mark. docs/adr/0011-the-heap-may-grow.md */
export const heapGrowthFlag = '--heap-growing-percent=300';

/** At the start of a process that serves. V8 looks at the flag whenever it has marked, so the first time comes as ever. */
export function letHeapGrow(): void {
  setFlagsFromString(heapGrowthFlag);
}
