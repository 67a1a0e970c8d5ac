/**
 * The write-ahead log of one broker session: all its partitions append to one file at a time, which is what makes one
 * sync per commit enough (a file per partition costs 127 ms for a thousand of them, this 0.3 ms).
 *
 * A chunk whose records are all in segments is not removed but kept to be written over: its pages are in memory and its
 * blocks on the disk already, so that a write copies and does nothing else (a fifth of what it costs in a new file), a sync
 * has no metadata to write, and nothing has to be freed. Its name says that it is no part of the log, durably, before the
 * first byte is written over; and what is left of its records does not pass for the later chunk's (wal-format.ts).
 *
 * After a write that ran out of space the chunk is abandoned at its last good byte, and the next write opens a new one:
 * overwriting in place would let what is left of the refused write line up behind a shorter record and come back to life.
 */
import { assert } from '../../kernel/assert.ts';
import type { Uuid } from '../../kernel/uuid.ts';
import { type Disk, type DiskFile, DiskFull } from '../../ports.ts';
import {
  encodeChunkHeader,
  encodeRecordHeader,
  givenUpPath,
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
  /** Good bytes, the header included. */
  bytes: number;
  /** A segment file has a name for it: never written over. */
  isReferred: boolean;
  /** Records that are not rolled up; at 0 a chunk that is not the current one is dropped. */
  live: number;
}

/** One batch on its way to the log. `batch` has its final offset and epoch and is written as it is. */
export interface WalRecord {
  readonly topicId: Uuid;
  readonly partition: number;
  readonly batch: Buffer;
  /** Set by `write`. */
  chunk: WalChunk | undefined;
  /** Of the batch in the chunk; set with it. */
  position: number;
}

/** Kept at most, beside what the log holds. A roll-up sets free one or two at a time. */
const sparesMax = 4;
/** Of a chunk's size that a spare must have. */
const spareShareMin = 0.5;

export interface WalOptions {
  readonly disk: Disk;
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
 * Before a session is opened on the volume, durably: where this directory is not, a recovery has not found an empty log but no
 * volume (recover.ts). Throws DiskFull and DiskFault.
 */
export function prepareVolume(disk: Disk, volume: string): void {
  disk.makeDirectory(walsDirectory(volume));
}

export class Wal {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #sessionEpoch: number;
  readonly #chunkBytesMax: number;
  readonly #chunks = new Set<WalChunk>();
  readonly #onFault: (error: Error) => void;
  readonly #beforeDrop: (() => Promise<void>) | undefined;
  readonly #beforeEmpty: (() => Promise<void>) | undefined;
  #trimming: Promise<void> | undefined;
  #trimAgain = false;
  #fault: Error | undefined;
  /** Written since the last sync began. */
  #dirty = new Set<WalChunk>();
  #syncing = new Set<WalChunk>();
  #directoryDirty = false;
  #current: WalChunk | undefined;
  /** A chunk file whose header did not fit on the disk; used when space returns. */
  #unborn: DiskFile | undefined;
  /** Paths of chunks to be written over; the last one let go is the likeliest to be in the processor's cache. */
  readonly #spares: string[] = [];
  #nextNumber = 0;
  #lsn = 0;
  #durableLsn = 0;
  /** What is durable below it may be gone: it was dropped. */
  #droppedLsn = 0;
  /** Headers of one write. Writes are synchronous, so it is free again when they return. */
  #headers = Buffer.allocUnsafeSlow(64 * walRecordHeaderBytes);

  private constructor(options: WalOptions) {
    this.#disk = options.disk;
    this.#sessionEpoch = options.sessionEpoch;
    this.#chunkBytesMax = options.chunkBytesMax;
    this.#onFault = (error) => options.onFault(error);
    this.#beforeDrop = options.beforeDrop;
    this.#beforeEmpty = options.beforeEmpty;
    this.directory = walDirectory(options.volume, options.sessionEpoch);
  }

  /** Makes the directory of the session, durably. Throws DiskFull and DiskFault. */
  static async open(options: WalOptions): Promise<Wal> {
    const wal = new Wal(options);
    const { disk, volume } = options;
    prepareVolume(disk, volume);
    disk.makeDirectory(wal.directory);
    assert(disk.list(wal.directory).length === 0, 'a session epoch is used once');
    // Of a session before: it is over, and nothing was missing, or that was given up.
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

  /** A scan of the directory, whatever crash or loss of power came before it, gets at least this far; 0: nothing is sure. */
  get syncedLsn(): number {
    return this.#durableLsn > this.#droppedLsn ? this.#durableLsn : 0;
  }

  /**
   * Writes records in order, in one call to the disk per chunk they touch. Returns how many were written: fewer than
   * given when the disk is full, and then nothing of the rest counts. Throws DiskFault, after which the log is unusable.
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

  /** Makes everything written before the call durable. One call at a time. Any throw means the log is unusable. */
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

  /** `count` records of the chunk are in segments, or gone for good. */
  release(chunk: WalChunk, count: number): void {
    chunk.live -= count;
    assert(chunk.live >= 0, 'a record is released once');
    if (chunk.live === 0) this.#trim();
  }

  /** Closes the files. With `remove`, which needs every record released, nothing is left of the session's log. */
  async close(remove: boolean): Promise<void> {
    this.#current = undefined;
    if (remove) {
      this.#trim();
      await this.#trimming;
      // As where the session was fenced meanwhile, and its log recovered and removed.
      if (this.#fault) throw this.#fault;
      assert(this.#chunks.size === 0, 'every record is rolled up before the log is removed');
    }
    for (const chunk of this.#chunks) chunk.file.close();
    this.#unborn?.close();
    if (!remove) return;
    if (this.#unborn) this.#disk.remove(this.#unborn.path);
    for (const spare of this.#spares) this.#disk.remove(spare);
    this.#disk.removeDirectory(this.directory);
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
    const salt = walSalt(chunk.number);
    let lsn = this.#lsn;
    for (let i = from; i < end; i++) {
      const { topicId, partition, batch } = records[i]!;
      const at = (i - from) * walRecordHeaderBytes;
      encodeRecordHeader(this.#headers, at, salt, topicId, partition, batch, lsn, this.#durableLsn);
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

  /** The refused write may have left whole records behind the last good byte: nothing more is written here. */
  #abandon(chunk: WalChunk): void {
    this.#current = undefined;
    try {
      // Spoils the first of them, should we die before the next chunk's header records where this one ended.
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
    file.writeSync([encodeChunkHeader({ sessionEpoch: this.#sessionEpoch, number, lsn: this.#lsn })], 0);
    const chunk: WalChunk = {
      number,
      path: file.path,
      file,
      lsn: this.#lsn,
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
    // Asked for again while it runs, a pass may have gone by what has become droppable since.
    while (this.#trimAgain) {
      this.#trimAgain = false;
      await this.#dropFront();
    }
    this.#trimming = undefined;
  }

  /**
   * Drops chunks oldest first, each removal durable before the next: were a middle chunk gone and an older one back after
   * a power loss, recovery could not tell the gap from damage.
   */
  async #dropFront(): Promise<void> {
    for (const chunk of this.#chunks) {
      if (chunk.live > 0 || chunk === this.#current) return;
      await this.#secureSecond();
      if (this.#beforeDrop) await this.#beforeDrop();
      this.#chunks.delete(chunk);
      this.#dirty.delete(chunk);
      // One that is not nearly full was abandoned for want of space, or holds one batch that fits no other.
      const isSpare =
        this.#spares.length < sparesMax &&
        !chunk.isReferred &&
        chunk.bytes <= this.#chunkBytesMax &&
        chunk.bytes > this.#chunkBytesMax * spareShareMin;
      const spare = `${this.directory}/${walSpareName(chunk.number)}`;
      if (isSpare) this.#disk.rename(chunk.path, spare);
      else this.#disk.remove(chunk.path);
      // A sync in flight still uses the descriptor and closes it when it is done.
      if (!this.#syncing.has(chunk)) chunk.file.close();
      await this.#disk.syncDirectory(this.directory);
      if (isSpare) this.#spares.push(spare);
    }
  }

  /**
   * Once the first chunk is gone a scan begins at the second: were its header lost with the power, the log would look as if
   * it had never come as far as it was known to be.
   */
  async #secureSecond(): Promise<void> {
    const [, next] = this.#chunks;
    if (!next) {
      this.#droppedLsn = this.#lsn;
      await this.#beforeEmpty?.();
      return;
    }
    this.#droppedLsn = Math.max(this.#droppedLsn, next.lsn);
    // Nothing of a log that is never synced is known to be on the disk.
    if (this.#durableLsn === 0 || this.#durableLsn > next.lsn) return;
    await next.file.datasync();
    await this.#disk.syncDirectory(this.directory);
  }
}
