/**
 * Memory of decompressed records. It is given back when its reader is done, without waiting for V8: to V8, a hundred
 * megabytes behind a buffer object of a hundred bytes are little reason to collect garbage.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** Smaller sections are left to the garbage collector: they are no larger than what every request allocates. */
const releasedBytesMin = 1024 * 1024;

/** Separate memory, zeroed where it was not used before: bytes that a decoder leaves unfilled must not show anybody's data. */
export function allocateSection(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}

let nowhere: MessagePort | undefined;

/** The caller knows that nothing reads `section` any more. Afterwards all views of its memory are empty. */
export function releaseSection(section: Buffer): void {
  const { buffer } = section;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < releasedBytesMin) return;
  // Memory transferred to a port whose other end is closed is freed at once. `ArrayBuffer.transfer` exists only from Node
  // 21 on.
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
/** A collection takes some milliseconds, a twentieth of the time it takes to decompress this much. */
const uncollectedBytesMax = 32 * 1024 * 1024;

/**
 * The same for `bytes` that a library has allocated. They cannot be transferred; only a collection frees them. Call it when
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
