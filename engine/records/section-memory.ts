/**
 * Memory of decompressed records, which is given back when their reader is done and not when V8 comes by: to V8 a
 * hundred megabytes behind a buffer of a hundred bytes are little reason to look for garbage.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** Smaller ones are left to the garbage collector: they are no more than what every request allocates. */
const releasedBytesMin = 1024 * 1024;

/** Memory of its own, zeroed where it was not used before: what a decoder does not fill must be nobody's. */
export function allocateSection(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

let nowhere: MessagePort | undefined;

/** Who calls it knows that nothing reads `section` any more; all views of its memory are empty from then on. */
export function releaseSection(section: Buffer): void {
  const { buffer } = section;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < releasedBytesMin) return;
  // What is moved to a port whose other end is closed is freed at once. `ArrayBuffer.transfer` begins with Node 21.
  if (!nowhere) {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    nowhere = port1;
    nowhere.unref();
  }
  nowhere.postMessage(undefined, [buffer]);
}

let collect: (() => void) | undefined;
let uncollectedBytes = 0;
/** A collection takes some milliseconds, as a twentieth of what these take to decompress. */
const uncollectedBytesMax = 32 * 1024 * 1024;

/**
 * The same for `bytes` that a library has allocated, which cannot be moved: only a collection gives them back. Called when
 * nothing refers to them any more.
 */
export function releaseForeignSection(bytes: number): void {
  uncollectedBytes += bytes;
  if (uncollectedBytes < uncollectedBytesMax) return;
  uncollectedBytes = 0;
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
