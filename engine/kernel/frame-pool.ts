/**
 * Memory for large received frames, used again. A fresh buffer per frame costs the kernel's zeroed pages, a copy into
 * cold cache lines, and a full mark-compact of V8 for every few dozen megabytes, since it counts buffers as external
 * memory: 20 to 45 % of the busy time of a gateway that moves bytes.
 *
 * Who may give a frame back is the whole question, because record batches are views of it. The rule is: only who knows
 * that nothing reads it any more, and in every doubt nobody. A frame that is not given back is left to the garbage
 * collector, as if there were no pool; a frame that is given back too early is silent corruption. So memory comes back on
 * the plain paths alone:
 *   - the gateway: a Produce request all of whose batches were answered by the broker they were sent to. A peer answers a
 *     frame after it has received all of it, so the socket is done with our bytes. Batches of a link that ended without
 *     an answer may still be queued in its socket, and are left to the collector (engine/routing/append.ts).
 *   - the broker: a Produce request all of whose batches have left the log's tail, because a segment holds them, and whose
 *     readers have all told that they are done; and what was read from a segment, when its reader has told so.
 *   - records on their way to a Kafka client, in both: a reader is done when the socket has taken them from us, which the
 *     write's own callback says. A write that failed says nothing.
 * Readers of other kinds (coordinators, JSON, time lookups) never tell, and nothing is lost by that but the reuse.
 *
 * Tests set `poisons`: what is given back is overwritten at once, so that a view which outlives its frame reads garbage
 * that no checksum accepts; and they have the smallest frames come from the pool.
 */
import { assert } from './assert.ts';

export interface FramePoolSettings {
  /** Of free memory that is kept for the next frames; what comes back on top goes to the garbage collector. */
  readonly keptBytesMax: number;
  /** Smaller frames are cheap, larger ones rare. */
  readonly frameBytesMin: number;
  readonly frameBytesMax: number;
  readonly poisons: boolean;
}

export const framePoolDefaults: FramePoolSettings = {
  // A roll-up gives back what its broker has held since the last one, 64 MiB at most (unrolledBytesMax), and it is needed again at once.
  keptBytesMax: 96 * 1024 * 1024,
  // Below half of its pool's size Node cuts slices; from there on each buffer is memory of its own that V8 counts.
  frameBytesMin: 4 * 1024,
  frameBytesMax: 20 * 1024 * 1024,
  poisons: false,
};

/** Free memory of one size. */
interface KeptSlabs {
  /** Last given first taken: the memory that is still in the cache. */
  readonly slabs: Buffer[];
  /** Number of the last take of this size. */
  takenAt: number;
}

export class FramePool {
  #settings: FramePoolSettings;
  readonly #kept = new Map<number, KeptSlabs>();
  /** Memory of this pool that is out with somebody. A frame of another origin, or one given back twice, is not in it. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #keptBytes = 0;
  #takes = 0;
  /** The least that was kept since the last trim: nobody needed it. */
  #idleBytes = 0;

  constructor(settings: FramePoolSettings = framePoolDefaults) {
    this.#settings = settings;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Before the first frame is taken. */
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

  /** A copy of `parts` in a row. */
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

  /** `frame` is what `take` returned or a view of it, and nothing reads it any more. Small frames are let go quietly. */
  give(frame: Buffer): void {
    const { keptBytesMax, frameBytesMin, frameBytesMax, poisons } = this.#settings;
    const size = frame.buffer.byteLength;
    if (size < frameBytesMin || size > frameBytesMax) return;
    // Small frames are slices of Node's own pool, which is as large as a frame itself from Node 24 on.
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

  /** Makes room where nobody has taken for longer than of `wanted`: a load whose frames change their size is not locked out. */
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

  /** Called now and then: lets go of what nobody has needed since the last call. */
  trim(): void {
    for (const [size, { slabs }] of this.#kept) {
      while (slabs.length > 0 && this.#idleBytes >= size) {
        // The one given back longest ago.
        slabs.shift();
        this.#keptBytes -= size;
        this.#idleBytes -= size;
      }
      if (slabs.length === 0) this.#kept.delete(size);
    }
    this.#idleBytes = this.#keptBytes;
  }
}

/** The process's own. */
export const framePool = new FramePool();

const poison = 0xdb;

/** Four sizes per doubling: a frame wastes a fifth at most, and frames of similar sizes share their memory. */
function slabBytes(bytes: number): number {
  const step = Math.max(1, 1 << (29 - Math.clz32(bytes - 1)));
  return Math.ceil(bytes / step) * step;
}

/** Nothing reads these views any more. */
export function dropAll(frames: readonly SharedFrame[] | undefined): void {
  if (frames) for (const frame of frames) frame.drop();
}

/** A frame that several views share; with the end of the last one it goes back to the pool. Begins with one view. */
export class SharedFrame {
  readonly #frame: Buffer;
  readonly #pool: FramePool;
  #views = 1;
  #escaped = false;

  constructor(frame: Buffer, pool: FramePool = framePool) {
    this.#frame = frame;
    this.#pool = pool;
  }

  /** One more view, whose end will be told. */
  hold(): void {
    assert(this.#views > 0, 'a view is taken of a frame that is still there');
    this.#views++;
  }

  /** The end of a view. Whoever cannot tell it does nothing, and the garbage collector finds out. */
  drop(): void {
    assert(this.#views > 0, 'every view of a frame ends once');
    if (--this.#views === 0 && !this.#escaped) this.#pool.give(this.#frame);
  }

  /** A view whose end nobody will tell: the frame stays out of the pool. */
  escape(): void {
    this.#escaped = true;
  }
}
