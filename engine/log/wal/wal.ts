/**
 * The write-ahead log of one broker session. All its partitions append to one file at a time, so that one sync per commit
 * is enough (a file per partition costs 127 ms for a thousand of them, this 0.3 ms).
 *
 * A chunk whose records are all in segments is not removed but kept to be overwritten. Its pages are in memory and its
 * blocks on the disk already, so a write only copies (a fifth of the cost in a new file), a sync has no metadata to write,
 * and nothing has to be freed. Before the first byte is overwritten, the chunk is renamed, durably, to a name that says it
 * is not part of the log; and its leftover records cannot pass for the later chunk's (wal-format.ts).
 *
 * After a write that ran out of space, the chunk is abandoned at its last good byte, and the next write opens a new chunk.
 * Overwriting in place could leave the rest of the refused write right behind a shorter record, and bring it back to life.
 */
import { assert } from '../../kernel/assert.ts';
import type { Random } from '../../kernel/random.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { type Disk, type DiskFile, DiskFull } from '../../ports.ts';
import {
  encodeChunkHeader,
  encodeRecordHeader,
  givenUpPath,
  removeUnused,
  walChunkHeaderBytes,
  walChunkName,
  walDirectory,
  walRecordHeaderBytes,
  walSalt,
  walSpareName,
  walsDirectory,
} from './wal-format.ts';

export interface WalChunk {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
  /** Position of the chunk's first byte in the session's stream. */
  readonly lsn: number;
  /** Salt of its records. */
  readonly salt: number;
  /** Number of good bytes, header included. */
  bytes: number;
  /** A segment file has a second name for it: never overwritten. */
  isReferred: boolean;
  /** Records that are not rolled up. At 0 a chunk is dropped, unless it is the current one. */
  live: number;
}

/** One batch to be written to the log. `batch` has its final offset and epoch and is written as it is. */
export interface WalRecord {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly batch: Buffer;
  /** Set by `write`. */
  chunk: WalChunk | undefined;
  /** Position of the batch in the chunk; set together with `chunk`. */
  position: number;
}

/** Most spare chunks to keep besides the log itself. A roll-up frees one or two at a time. */
const sparesMax = 4;
/** A spare must be at least this share of a full chunk. */
const spareShareMin = 0.5;

export interface WalOptions {
  readonly disk: Disk;
  readonly random: Random;
  readonly volume: string;
  readonly sessionEpoch: number;
  readonly chunkBytesMax: number;
  /** Dropping chunks in the background failed. */
  onFault(error: Error): void;
  /** See LogStoreOptions. */
  readonly beforeDrop?: () => Promise<void>;
  /** See LogStoreOptions. */
  readonly beforeEmpty?: () => Promise<void>;
}

/**
 * Called before a session is opened on the volume; durable. When a recovery finds this directory missing, it has not found
 * an empty log but no volume (recover.ts). Throws DiskFull and DiskFault.
 */
export function prepareVolume(disk: Disk, volume: string): void {
  disk.makeDirectory(walsDirectory(volume));
}

export class Wal {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #sessionEpoch: number;
  readonly #saltBase: number;
  readonly #chunkBytesMax: number;
  readonly #chunks = new Set<WalChunk>();
  readonly #onFault: (error: Error) => void;
  readonly #beforeDrop: (() => Promise<void>) | undefined;
  readonly #beforeEmpty: (() => Promise<void>) | undefined;
  #trimming: Promise<void> | undefined;
  #trimAgain = false;
  #fault: Error | undefined;
  /** Chunks written since the last sync began. */
  #dirty = new Set<WalChunk>();
  #syncing = new Set<WalChunk>();
  #directoryDirty = false;
  #current: WalChunk | undefined;
  /** A chunk file whose header did not fit on the disk; used when there is space again. */
  #unborn: DiskFile | undefined;
  /** Paths of chunks to overwrite. The last one released is the likeliest to be in the processor's cache, so it is used first. */
  readonly #spares: string[] = [];
  #nextNumber = 0;
  #lsn = 0;
  #durableLsn = 0;
  /** Durable data below this position may be gone, because it was dropped. */
  #droppedLsn = 0;
  /** Holds the headers of one write. Writes are synchronous, so it is free again when they return. */
  #headers = Buffer.allocUnsafeSlow(64 * walRecordHeaderBytes);

  private constructor(options: WalOptions) {
    this.#disk = options.disk;
    this.#sessionEpoch = options.sessionEpoch;
    this.#saltBase = options.random.u32();
    this.#chunkBytesMax = options.chunkBytesMax;
    this.#onFault = (error) => options.onFault(error);
    this.#beforeDrop = options.beforeDrop;
    this.#beforeEmpty = options.beforeEmpty;
    this.directory = walDirectory(options.volume, options.sessionEpoch);
  }

  /** Makes the session's directory, durably. Throws DiskFull and DiskFault. */
  static async open(options: WalOptions): Promise<Wal> {
    const wal = new Wal(options);
    const { disk, volume } = options;
    prepareVolume(disk, volume);
    disk.makeDirectory(wal.directory);
    assert(disk.list(wal.directory).length === 0, 'a session epoch is used once');
    // From an earlier session, which is over: nothing was missing, or the loss was accepted.
    if (disk.exists(givenUpPath(volume))) disk.remove(givenUpPath(volume));
    await disk.syncDirectory(volume);
    await disk.syncDirectory(walsDirectory(volume));
    return wal;
  }

  get bytes(): number {
    let bytes = 0;
    for (const chunk of this.#chunks) bytes += chunk.bytes;
    return bytes;
  }

  get chunkCount(): number {
    return this.#chunks.size;
  }

  /** After any crash or power loss, a scan of the directory gets at least this far; 0: nothing is certain. */
  get syncedLsn(): number {
    return this.#durableLsn > this.#droppedLsn ? this.#durableLsn : 0;
  }

  /**
   * Writes records in order, with one disk call per chunk they touch. Returns how many were written: fewer than given when
   * the disk is full, and then the rest was not written. Throws DiskFault, after which the log is unusable.
   */
  write(records: readonly WalRecord[]): number {
    let done = 0;
    while (done < records.length) {
      try {
        const chunk = this.#chunkFor(walRecordHeaderBytes + records[done]!.batch.length);
        done = this.#writeRun(chunk, records, done);
      } catch (error) {
        if (error instanceof DiskFull) return done;
        throw error;
      }
    }
    return done;
  }

  /** Makes everything written before the call durable. One call at a time. After any throw the log is unusable. */
  async sync(): Promise<void> {
    assert(this.#syncing.size === 0, 'one sync at a time');
    const lsn = this.#lsn;
    [this.#syncing, this.#dirty] = [this.#dirty, this.#syncing];
    const syncDirectory = this.#directoryDirty;
    this.#directoryDirty = false;
    try {
      for (const chunk of this.#syncing) await chunk.file.datasync();
      if (syncDirectory) await this.#disk.syncDirectory(this.directory);
    } finally {
      for (const chunk of this.#syncing) if (!this.#chunks.has(chunk)) chunk.file.close();
      this.#syncing.clear();
    }
    this.#durableLsn = lsn;
  }

  /** `count` records of the chunk are in segments, or no longer needed. */
  release(chunk: WalChunk, count: number): void {
    chunk.live -= count;
    assert(chunk.live >= 0, 'a record is released once');
    if (chunk.live === 0) this.#trim();
  }

  /** Closes the files. With `remove`, which requires every record to be released, nothing of the session's log is left. */
  async close(remove: boolean): Promise<void> {
    this.#current = undefined;
    if (remove) {
      this.#trim();
      await this.#trimming;
      // For example when the session was fenced meanwhile and its log recovered and removed.
      if (this.#fault) throw this.#fault;
      assert(this.#chunks.size === 0, 'every record is rolled up before the log is removed');
    }
    for (const chunk of this.#chunks) chunk.file.close();
    this.#unborn?.close();
    if (!remove) return;
    if (this.#unborn) this.#disk.remove(this.#unborn.path);
    for (const spare of this.#spares) this.#disk.remove(spare);
    removeUnused(this.#disk, this.directory);
  }

  #chunkFor(recordBytes: number): WalChunk {
    const chunk = this.#current;
    if (!chunk) return this.#rotate();
    const isEmpty = chunk.bytes === walChunkHeaderBytes;
    return isEmpty || chunk.bytes + recordBytes <= this.#chunkBytesMax ? chunk : this.#rotate();
  }

  #writeRun(chunk: WalChunk, records: readonly WalRecord[], from: number): number {
    let end = from;
    let bytes = 0;
    while (end < records.length) {
      const more = walRecordHeaderBytes + records[end]!.batch.length;
      if (end > from && chunk.bytes + bytes + more > this.#chunkBytesMax) break;
      bytes += more;
      end++;
    }
    const headerBytes = (end - from) * walRecordHeaderBytes;
    if (this.#headers.length < headerBytes) this.#headers = Buffer.allocUnsafeSlow(headerBytes * 2);
    const parts: Buffer[] = [];
    let lsn = this.#lsn;
    for (let i = from; i < end; i++) {
      const { topicId, partition, batch } = records[i]!;
      const at = (i - from) * walRecordHeaderBytes;
      encodeRecordHeader(this.#headers, at, chunk.salt, topicId, partition, batch, lsn, this.#durableLsn);
      parts.push(this.#headers.subarray(at, at + walRecordHeaderBytes), batch);
      lsn += walRecordHeaderBytes + batch.length;
    }
    try {
      chunk.file.writeSync(parts, chunk.bytes);
    } catch (error) {
      if (error instanceof DiskFull) this.#abandon(chunk);
      throw error;
    }
    this.#dirty.add(chunk);
    let at = chunk.bytes;
    chunk.bytes += bytes;
    chunk.live += end - from;
    this.#lsn += bytes;
    for (let i = from; i < end; i++) {
      const record = records[i]!;
      record.chunk = chunk;
      record.position = at + walRecordHeaderBytes;
      at = record.position + record.batch.length;
    }
    return end;
  }

  /** The refused write may have left whole records after the last good byte, so nothing more is written to this chunk. */
  #abandon(chunk: WalChunk): void {
    this.#current = undefined;
    try {
      // Destroys the first of them, in case we die before the next chunk's header records where this one ended.
      chunk.file.writeSync([Buffer.alloc(walRecordHeaderBytes)], chunk.bytes);
    } catch (error) {
      if (!(error instanceof DiskFull)) throw error;
    }
    this.#dirty.add(chunk);
    this.#trim();
  }

  #rotate(): WalChunk {
    const number = this.#nextNumber;
    const file = (this.#unborn ??= this.#newFile(`${this.directory}/${walChunkName(number)}`));
    const salt = walSalt(this.#saltBase, number);
    file.writeSync([encodeChunkHeader({ sessionEpoch: this.#sessionEpoch, number, lsn: this.#lsn, salt })], 0);
    const chunk: WalChunk = {
      number,
      path: file.path,
      file,
      lsn: this.#lsn,
      salt,
      bytes: walChunkHeaderBytes,
      isReferred: false,
      live: 0,
    };
    this.#unborn = undefined;
    this.#nextNumber++;
    this.#lsn += walChunkHeaderBytes;
    this.#directoryDirty = true;
    this.#dirty.add(chunk);
    this.#chunks.add(chunk);
    this.#current = chunk;
    this.#trim();
    return chunk;
  }

  #newFile(path: string): DiskFile {
    const spare = this.#spares.pop();
    if (spare === undefined) return this.#disk.create(path);
    this.#disk.rename(spare, path);
    return this.#disk.open(path);
  }

  #trim(): void {
    this.#trimAgain = true;
    this.#trimming ??= this.#trimAll().catch((error: Error) => {
      this.#fault = error;
      this.#onFault(error);
    });
  }

  async #trimAll(): Promise<void> {
    // If a pass is requested while one runs, the running pass may already have gone past chunks that became droppable
    // since.
    while (this.#trimAgain) {
      this.#trimAgain = false;
      await this.#dropFront();
    }
    this.#trimming = undefined;
  }

  /**
   * Drops chunks oldest first, each removal durable before the next. If a power loss removed a middle chunk and brought
   * back an older one, recovery could not tell the gap from damage.
   */
  async #dropFront(): Promise<void> {
    for (const chunk of this.#chunks) {
      if (chunk.live > 0 || chunk === this.#current) return;
      await this.#secureSecond();
      if (this.#beforeDrop) await this.#beforeDrop();
      this.#chunks.delete(chunk);
      this.#dirty.delete(chunk);
      // A chunk far from full was mostly abandoned for lack of space; one above the limit holds a single larger batch.
      const isSpare =
        this.#spares.length < sparesMax &&
        !chunk.isReferred &&
        chunk.bytes <= this.#chunkBytesMax &&
        chunk.bytes > this.#chunkBytesMax * spareShareMin;
      const spare = `${this.directory}/${walSpareName(chunk.number)}`;
      if (isSpare) this.#disk.rename(chunk.path, spare);
      else this.#disk.remove(chunk.path);
      // A sync in flight still uses the descriptor and closes it when done.
      if (!this.#syncing.has(chunk)) chunk.file.close();
      await this.#disk.syncDirectory(this.directory);
      if (isSpare) this.#spares.push(spare);
    }
  }

  /**
   * Once the first chunk is gone, a scan begins at the second. If a power loss took the second chunk's header, the log
   * would seem to end before the point it was known to have reached.
   */
  async #secureSecond(): Promise<void> {
    const [, next] = this.#chunks;
    if (!next) {
      this.#droppedLsn = this.#lsn;
      await this.#beforeEmpty?.();
      return;
    }
    this.#droppedLsn = Math.max(this.#droppedLsn, next.lsn);
    // In a log that is never synced, nothing is known to be on the disk.
    if (this.#durableLsn === 0 || this.#durableLsn > next.lsn) return;
    await next.file.datasync();
    await this.#disk.syncDirectory(this.directory);
  }
}
