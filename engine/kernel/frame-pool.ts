/**
 * Reusable memory for large received frames. A fresh buffer per frame costs the kernel's zeroed pages, a copy into cold
 * cache lines, and a full mark-compact of V8 every few dozen megabytes, because V8 counts buffers as external memory. That
 * is 20 to 45 % of the busy time of a gateway that moves bytes.
 *
 * The hard question is who may give a frame back, because record batches are views of it. The rule: only code that knows
 * that nothing reads the frame any more; in doubt, nobody. A frame that is not given back goes to the garbage collector, as
 * if there were no pool. A frame that is given back too early is silent corruption. So memory comes back only on the simple
 * paths:
 * - the gateway: a Produce request whose batches were all answered by the broker they were sent to. A peer answers a frame
 *   after it has received all of it, so the socket is done with our bytes. Batches of a link that ended without an answer
 *   may still be queued in its socket, so they are left to the collector (engine/routing/append.ts).
 * - the broker: a Produce request whose batches have all left the log's tail (a segment holds them) and whose readers have
 *   all reported that they are done; also bytes read from a segment, once their reader has reported so.
 * - records on their way to a Kafka client, in both: a reader is done when the socket has taken the records, which the
 *   write's own callback says. A failed write says nothing.
 *
 * Readers of other kinds (coordinators, JSON, time lookups) never report; the only loss is the reuse.
 *
 * Tests set `poisons`: memory that is given back is overwritten at once, so that a view that outlives its frame reads
 * garbage that no checksum accepts. Tests also take the smallest frames from the pool.
 */
import { assert } from './assert.ts';

export interface FramePoolSettings {
  /** Free memory to keep for the next frames; what comes back beyond it goes to the garbage collector. */
  readonly keptBytesMax: number;
  /** Frames outside these bounds are not pooled: smaller ones are cheap, larger ones rare. */
  readonly frameBytesMin: number;
  readonly frameBytesMax: number;
  readonly poisons: boolean;
}

export const framePoolDefaults: FramePoolSettings = {
  // A roll-up gives back what its broker has held since the last one, at most 64 MiB (unrolledBytesMax), and it is needed
  // again at once.
  keptBytesMax: 96 * 1024 * 1024,
  // Below half of its pool's size Node cuts slices. From there on each buffer is memory of its own, which V8 counts.
  frameBytesMin: 4 * 1024,
  frameBytesMax: 20 * 1024 * 1024,
  poisons: false,
};

/** Free memory of one size. */
interface KeptSlabs {
  /** Last in, first out: that memory is still in the cache. */
  readonly slabs: Buffer[];
  /** Sequence number of the last take of this size. */
  takenAt: number;
}

export class FramePool {
  #settings: FramePoolSettings;
  readonly #kept = new Map<number, KeptSlabs>();
  /** Memory of this pool that is currently lent out. A frame from elsewhere, or one given back twice, is not in it. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #keptBytes = 0;
  #takes = 0;
  /** The smallest amount kept since the last trim: nobody needed that much. */
  #idleBytes = 0;

  constructor(settings: FramePoolSettings = framePoolDefaults) {
    this.#settings = settings;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Call it before the first frame is taken. */
  configure(settings: Partial<FramePoolSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
  }

  /** Uninitialised memory of exactly `bytes`. */
  take(bytes: number): Buffer {
    const { frameBytesMin, frameBytesMax } = this.#settings;
    if (bytes < frameBytesMin || bytes > frameBytesMax) return Buffer.allocUnsafe(bytes);
    const size = slabBytes(bytes);
    const kept = this.#kept.get(size);
    if (kept) kept.takenAt = ++this.#takes;
    let slab = kept?.slabs.pop();
    if (slab) {
      this.#keptBytes -= size;
      if (this.#keptBytes < this.#idleBytes) this.#idleBytes = this.#keptBytes;
    } else slab = Buffer.allocUnsafeSlow(size);
    this.#lent.add(slab.buffer);
    return slab.subarray(0, bytes);
  }

  /** Copies `parts` into one frame, one after another. */
  gather(parts: readonly Uint8Array[]): Buffer {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const frame = this.take(bytes);
    let at = 0;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    return frame;
  }

  /** `frame` must be what `take` returned or a view of it, and nothing may read it any more. Small frames are ignored. */
  give(frame: Buffer): void {
    const { keptBytesMax, frameBytesMin, frameBytesMax, poisons } = this.#settings;
    const size = frame.buffer.byteLength;
    if (size < frameBytesMin || size > frameBytesMax) return;
    // Small frames are slices of Node's own pool, which from Node 24 on is as large as a frame itself.
    if (size === Buffer.poolSize && !this.#lent.has(frame.buffer)) return;
    assert(this.#lent.delete(frame.buffer), 'a frame is given back once, to the pool that it came from');
    const slab = Buffer.from(frame.buffer as ArrayBuffer);
    if (poisons) slab.fill(poison);
    let kept = this.#kept.get(size);
    if (!kept) this.#kept.set(size, (kept = { slabs: [], takenAt: ++this.#takes }));
    while (this.#keptBytes + size > keptBytesMax) if (!this.#evict(kept)) return;
    kept.slabs.push(slab);
    this.#keptBytes += size;
  }

  /**
   * Makes room by dropping the size that was taken least recently, if that was before `wanted`: a load whose frames change
   * size is not locked out.
   */
  #evict(wanted: KeptSlabs): boolean {
    let stalest = wanted;
    let staleBytes = 0;
    for (const [size, kept] of this.#kept) {
      if (kept.slabs.length === 0 || kept.takenAt >= stalest.takenAt) continue;
      stalest = kept;
      staleBytes = size;
    }
    if (stalest === wanted) return false;
    stalest.slabs.shift();
    this.#keptBytes -= staleBytes;
    if (this.#keptBytes < this.#idleBytes) this.#idleBytes = this.#keptBytes;
    return true;
  }

  /** Called now and then: drops the memory that nobody has needed since the last call. */
  trim(): void {
    for (const [size, { slabs }] of this.#kept) {
      while (slabs.length > 0 && this.#idleBytes >= size) {
        // The slab given back longest ago.
        slabs.shift();
        this.#keptBytes -= size;
        this.#idleBytes -= size;
      }
      if (slabs.length === 0) this.#kept.delete(size);
    }
    this.#idleBytes = this.#keptBytes;
  }
}

/** The pool of this process. */
export const framePool = new FramePool();

const poison = 0xdb;

/** Four sizes per doubling: a frame wastes at most a fifth, and frames of similar sizes share their memory. */
function slabBytes(bytes: number): number {
  const step = Math.max(1, 1 << (29 - Math.clz32(bytes - 1)));
  return Math.ceil(bytes / step) * step;
}

/** Nothing reads these views any more. */
export function dropAll(frames: readonly SharedFrame[] | undefined): void {
  if (frames) for (const frame of frames) frame.drop();
}

/** A frame that several views share. When the last view ends, it goes back to the pool. Starts with one view. */
export class SharedFrame {
  readonly #frame: Buffer;
  readonly #pool: FramePool;
  #views = 1;
  #escaped = false;

  constructor(frame: Buffer, pool: FramePool = framePool) {
    this.#frame = frame;
    this.#pool = pool;
  }

  /** Adds a view whose end will be reported with `drop`. */
  hold(): void {
    assert(this.#views > 0, 'a view is taken of a frame that is still there');
    this.#views++;
  }

  /** Ends a view. A holder that cannot report its end does nothing and leaves the frame to the garbage collector. */
  drop(): void {
    assert(this.#views > 0, 'every view of a frame ends once');
    if (--this.#views === 0 && !this.#escaped) this.#pool.give(this.#frame);
  }

  /** Adds a view whose end nobody will report: the frame stays out of the pool. */
  escape(): void {
    this.#escaped = true;
  }
}
