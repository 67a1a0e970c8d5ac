/**
 * Blocks of files behind a network, in bounded memory. Many small reads of a cold log become a few larger ones, a
 * sequential reader finds the next block already on its way, and a reader of a block in flight waits for that block.
 */

import { Lanes } from '../../engine/kernel/lanes.ts';

export interface BlockCacheSettings {
  readonly blockBytes: number;
  readonly cacheBytesMax: number;
  /** Blocks prefetched after the one that a sequential reader is in. */
  readonly readAheadBlocks: number;
  /** Concurrent fetches; more wait in order. */
  readonly fetchesMax: number;
}

/** Files whose readers are known to be sequential. */
const followedFilesMax = 1024;

/** The bytes from `position` on, fewer than requested only at the end of the file. */
export type FetchRange = (fileId: string, position: number, bytes: number) => Promise<Buffer>;

interface Block {
  /** Set when it has arrived; its length counts from then on. */
  bytes: Buffer | undefined;
  readonly coming: Promise<Buffer>;
}

export class BlockCache {
  readonly #settings: BlockCacheSettings;
  readonly #fetch: FetchRange;
  /** Least recently used first. */
  readonly #blocks = new Map<string, Block>();
  /** For each file the block after the last one read: a read that begins there is sequential. */
  readonly #next = new Map<string, number>();
  readonly #lanes: Lanes;
  #bytes = 0;

  constructor(settings: BlockCacheSettings, fetch: FetchRange) {
    this.#settings = settings;
    this.#fetch = fetch;
    this.#lanes = new Lanes(settings.fetchesMax);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Bytes read, fewer than requested only at the end of the file. Throws what the fetch throws; failures are not cached.
   */
  async read(fileId: string, target: Uint8Array, position: number): Promise<number> {
    const { blockBytes, readAheadBlocks } = this.#settings;
    const first = Math.floor(position / blockBytes);
    const last = Math.floor((position + target.length - 1) / blockBytes);
    const wanted: Promise<Buffer>[] = [];
    for (let block = first; block <= last; block++) wanted.push(this.#block(fileId, block));
    if (this.#next.get(fileId) === first || first < last) {
      // Nobody waits for these; the reader of the block meets a failure again and reports it.
      for (let ahead = 1; ahead <= readAheadBlocks; ahead++) this.#block(fileId, last + ahead).catch(() => undefined);
    }
    this.#follow(fileId, last + (position + target.length === (last + 1) * blockBytes ? 1 : 0));
    let got = 0;
    for (const [i, coming] of wanted.entries()) {
      const bytes = await coming;
      const from = position + got - (first + i) * blockBytes;
      if (from >= bytes.length) break;
      const some = bytes.subarray(from, from + target.length - got);
      target.set(some, got);
      got += some.length;
      if (bytes.length < blockBytes) break;
    }
    return got;
  }

  forget(fileId: string): void {
    this.#next.delete(fileId);
    for (const [key, block] of this.#blocks) if (key.startsWith(`${fileId}@`)) this.#drop(key, block);
  }

  #follow(fileId: string, block: number): void {
    this.#next.delete(fileId);
    this.#next.set(fileId, block);
    if (this.#next.size <= followedFilesMax) return;
    for (const oldest of this.#next.keys()) {
      this.#next.delete(oldest);
      return;
    }
  }

  #block(fileId: string, index: number): Promise<Buffer> {
    const key = `${fileId}@${index}`;
    let block = this.#blocks.get(key);
    if (block) this.#blocks.delete(key);
    else block = this.#start(key, fileId, index * this.#settings.blockBytes);
    this.#blocks.set(key, block);
    return block.coming;
  }

  #start(key: string, fileId: string, position: number): Block {
    const coming = this.#lanes.run(() => this.#fetch(fileId, position, this.#settings.blockBytes));
    const block: Block = { bytes: undefined, coming };
    coming.then(
      (bytes) => {
        // Evicted meanwhile: the waiting readers get it, the cache does not.
        if (this.#blocks.get(key) !== block) return;
        block.bytes = bytes;
        this.#bytes += bytes.length;
        this.#shrink();
      },
      () => this.#drop(key, block),
    );
    return block;
  }

  #shrink(): void {
    for (const [key, block] of this.#blocks) {
      if (this.#bytes <= this.#settings.cacheBytesMax) return;
      if (block.bytes) this.#drop(key, block);
    }
  }

  #drop(key: string, block: Block): void {
    if (this.#blocks.get(key) !== block) return;
    this.#blocks.delete(key);
    this.#bytes -= block.bytes?.length ?? 0;
  }
}
