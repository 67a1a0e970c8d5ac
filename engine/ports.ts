/**
 * What the engine needs from outside, as interfaces that bin/ fills: metadata store, disk, segment store, network, fleet.
 * Production passes the real ones; tests and the simulator pass seeded ones. Clock and Random are in kernel/.
 */
import { Failure } from './kernel/failure.ts';

// --- Metadata store: the semantics of DynamoDB conditional transactions, in every driver ---

export interface RowKey {
  /** Partition key, e.g. 'SHARD#12'. At most 1,024 bytes. */
  readonly pk: string;
  /** Sort key, e.g. 'TOPIC#c1.orders'. At most 1,024 bytes. */
  readonly sk: string;
}

export interface Row extends RowKey {
  /** As the row's file encoded it, usually JSON. At most 400 KiB of UTF-8. */
  readonly value: string;
  /** 1 for a new row, then one more per put. A deleted and recreated row starts at 1 again. */
  readonly version: number;
}

export type RowCondition = { readonly absent: true } | { readonly exists: true } | { readonly version: number };

export type StoreOp =
  | { readonly op: 'put'; readonly key: RowKey; readonly value: string; readonly if?: RowCondition }
  | { readonly op: 'delete'; readonly key: RowKey; readonly if?: RowCondition }
  | { readonly op: 'check'; readonly key: RowKey; readonly if: RowCondition };

export const storeOpsMax = 100;
export const storeTransactionBytesMax = 4 * 1024 * 1024;
export const storeValueBytesMax = 400 * 1024;
export const storeKeyBytesMax = 1024;
/** How long a transaction token is remembered. */
export const storeTokenMs = 600_000;

export interface RangeOptions {
  /** Inclusive. */
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
  readonly limit?: number;
  readonly reverse?: boolean;
  /** The cursor that the previous page returned. */
  readonly cursor?: string;
}

/** `row` is undefined when the row was deleted. 'gap': changes were missed, read the partition key again. */
export type RowChange = { readonly key: RowKey; readonly row: Row | undefined } | 'gap';

export interface MetadataStore {
  get(key: RowKey): Promise<Row | undefined>;
  /** Rows of one pk in sk order (bytewise). Read-committed: a page may show half of another's transaction. */
  range(pk: string, options?: RangeOptions): Promise<{ rows: Row[]; cursor?: string }>;
  /**
   * All or nothing, serialisable. A repeat with the same token within ten minutes has no second effect and succeeds. Throws
   * StoreConflict, StoreLimit, StoreThrottled, StoreUnavailable or StoreAmbiguous (the effect is unknown: repeat with the
   * same token).
   */
  transact(ops: readonly StoreOp[], token?: string): Promise<void>;
  /**
   * Delivers the changes of one pk from now on, in order, at least once, from any process. A row that changes again before
   * delivery may be delivered once, in the place of its last change. Returns a function that stops the watch.
   */
  watch(pk: string, onChange: (change: RowChange) => void): () => void;
  /**
   * For a caller that waits for another process's change: the driver looks now instead of at its next interval. Absent
   * where changes are delivered at once anyway.
   */
  refresh?(): void;
  close(): Promise<void>;
}

/** A condition did not hold; `index` is the operation's, `current` the row found. Nothing was written. */
export class StoreConflict extends Failure {
  readonly code = 'store-conflict';
  readonly index: number;
  readonly current: Row | undefined;
  constructor(index: number, current: Row | undefined) {
    super(`condition of operation ${index} does not hold`);
    this.index = index;
    this.current = current;
  }
}

export class StoreThrottled extends Failure {
  readonly code = 'store-throttled';
  override readonly retryable = true;
}

export class StoreUnavailable extends Failure {
  readonly code = 'store-unavailable';
  override readonly retryable = true;
}

/** The transaction was sent and no answer came: it may or may not have been applied. */
export class StoreAmbiguous extends Failure {
  readonly code = 'store-ambiguous';
  override readonly retryable = true;
}

/** Over a documented limit of the store (operations, bytes, duplicate key). */
export class StoreLimit extends Failure {
  readonly code = 'store-limit';
}

// --- Disk ---

export interface DiskFile {
  readonly path: string;
  sizeBytes(): number;
  /** Writes into the page cache, all of it or a throw (DiskFull, DiskFault). Blocks for microseconds: this is the append path. */
  writeSync(parts: readonly Uint8Array[], position: number): void;
  /** Returns the bytes read: fewer than asked only at the end of the file. */
  readSync(target: Uint8Array, position: number): number;
  /** Like writeSync and readSync, but on the thread pool. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  read(target: Uint8Array, position: number): Promise<number>;
  /** fdatasync on the thread pool. After a DiskFault the file's state is unknown and must never be synced again. */
  datasync(): Promise<void>;
  close(): void;
}

export interface Disk {
  /** Makes a new file; throws DiskFault when it exists. The directory entry is durable after syncDirectory. */
  create(path: string): DiskFile;
  open(path: string): DiskFile;
  exists(path: string): boolean;
  /** Names in a directory, sorted; empty when the directory does not exist. */
  list(directory: string): string[];
  /** Creates missing parents too. Durable on return; does nothing when the directory exists. */
  makeDirectory(directory: string): void;
  remove(path: string): void;
  /** Renames within one directory, to a name that no file has. Durable after syncDirectory. Open files stay open. */
  rename(from: string, to: string): void;
  /**
   * Gives a file a second name, durable after syncDirectory: its bytes stay until both names are gone. False when the two
   * places are on different file systems, or when the file system has no links.
   */
  link(path: string, second: string): boolean;
  /** Throws DiskFault unless it is empty. */
  removeDirectory(directory: string): void;
  syncDirectory(directory: string): Promise<void>;
  freeBytes(directory: string): number;
}

export class DiskFull extends Failure {
  readonly code = 'disk-full';
  override readonly retryable = true;
}

export class DiskFault extends Failure {
  readonly code = 'disk-fault';

  /** The system has no file descriptor left for us, which says nothing about what is on the disk. */
  get isShortage(): boolean {
    const { code } = (this.cause ?? {}) as { readonly code?: unknown };
    return code === 'EMFILE' || code === 'ENFILE';
  }
}

// --- Segment store: immutable files of many logs' batches, shared by all brokers ---

/** A file being written: until `commit` has resolved, nobody sees it and nothing of it has to survive. */
export interface SegmentWriter {
  /** Appends. The writer may keep the parts until `commit` or `abort`; the caller must not change them meanwhile. */
  write(parts: readonly Uint8Array[]): Promise<void>;
  /** The file is complete and durable on return. */
  commit(): Promise<void>;
  /** Called after a failure. Removes what was written, as far as that is possible at the moment. */
  abort(): void;
}

/** Writes a file made of pieces of other files, in the order of the calls. */
export interface PiecedWriter extends SegmentWriter {
  /** Appends `bytes` bytes of the source, from `position` on. The source already has them, and they never change. */
  place(source: number, position: number, bytes: number): void;
}

export interface SegmentFile {
  sizeBytes(): Promise<number>;
  /** Returns the bytes read: fewer than asked only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** The same in microseconds, for bytes that the page cache surely holds. Absent where every read takes a round trip. */
  readonly readSync?: (target: Uint8Array, position: number) => number;
  close(): void;
}

/**
 * Throws DiskFull and DiskFault when the store is on a disk, SegmentsUnavailable when it is behind a network. Opening or
 * reading a file that does not exist is a DiskFault.
 */
export interface SegmentStore {
  /** The name must be new: file names are unique over all writers and attempts. */
  create(fileId: string): SegmentWriter;
  /**
   * Like `create`, with a name that says so (rows/segment-file.ts), for a file that holds pieces of `sources`: files of
   * this machine that outlive their own names for its sake. The cost does not depend on the length of the pieces. Undefined
   * when these sources cannot be kept by reference; absent where no source can.
   */
  createPieced?(fileId: string, sources: readonly string[]): PiecedWriter | undefined;
  /** `once`: each byte will be read only once, so caching it has no use. */
  open(fileId: string, use?: 'once'): SegmentFile;
  /**
   * What was read of the file is not what was written: the next read gets it from the service again. Absent where reads keep
   * nothing.
   */
  readonly reread?: (fileId: string) => void;
  /** Durable on return; does nothing when the file does not exist. */
  remove(fileId: string): Promise<void>;
  /** All files, sorted. */
  list(): Promise<string[]>;
  /** For messages: the file's name as an operator finds it. */
  nameOf(fileId: string): string;
}

/** The segment store refuses or does not answer. The same request may be tried again. */
export class SegmentsUnavailable extends Failure {
  readonly code = 'segments-unavailable';
  override readonly retryable = true;
}

// --- Network: size-prefixed frames between gateway and broker ---

export interface FrameChannel {
  /**
   * Queues one frame (size prefix added); all frames of a turn leave in one write. `sent` is called when nothing here reads
   * the parts any more. It is never called when that cannot be known, for example when the connection ends.
   */
  send(parts: readonly Uint8Array[], sent?: () => void): void;
  /** Bytes queued that the kernel has not taken yet. */
  bufferedBytes(): number;
  /** Stops and restarts reading, so that a slow side slows its peer. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface FrameHandler {
  /** One whole frame without its size prefix. The buffer belongs to the receiver, which may give it to the frame pool. */
  frame(frame: Buffer): void;
  /** The kernel has taken everything that was buffered: a sender that stopped because of bufferedBytes goes on. */
  drained?(): void;
  /** Called once, no matter which side closed. */
  closed(): void;
}

export interface Network {
  /** Throws LinkClosed when nobody listens. `isBulk`: expect much data; what that changes is up to the network. */
  connect(address: string, handler: FrameHandler, isBulk?: boolean): Promise<FrameChannel>;
  listen(address: string, accept: (channel: FrameChannel) => FrameHandler): Promise<{ close(): Promise<void> }>;
}

/** The connection ended. Whether requests in flight took effect is unknown, except those that were never sent. */
export class LinkClosed extends Failure {
  readonly code = 'link-closed';
  override readonly retryable = true;
  readonly sent: boolean;
  constructor(message: string, sent = true) {
    super(message);
    this.sent = sent;
  }
}

// --- Fleet: how broker processes come and go ---

export interface BrokerSlot {
  /** Kept by replacements: 1, 2, 3… */
  readonly brokerId: number;
  readonly zone: string;
  /** Directory of the slot's volume; a replacement takes it over. */
  readonly volume: string;
  /** Where the broker listens for links. */
  readonly address: string;
}

export interface Fleet {
  /** Resolves when starting the slot would take next to no time, or cannot be prepared. Absent where a start never takes long. */
  standby?(brokerId: number): Promise<void>;
  /** Some slot is about to start, which one is not known yet: prepares so that the start takes no longer than it must. */
  prepare?(): void;
  /** Starts the slot's process. It announces itself by its session row. */
  start(slot: BrokerSlot): Promise<void>;
  /**
   * Takes charge of the slot's process, which another controller started: from here on this fleet handles its kill, stop
   * and onExit. False when process `pid` is not the slot's broker, or when it would not outlive the process that started
   * it. Absent where no broker outlives its starter.
   */
  adopt?(slot: BrokerSlot, pid: number): Promise<boolean>;
  /** Whether process `pid` is the one that was started or adopted for the slot. Absent where nobody else starts brokers. */
  runs?(brokerId: number, pid: number): boolean;
  /** Sends SIGKILL. Resolves when the process is reaped: from then on it cannot write anything. */
  kill(brokerId: number): Promise<void>;
  /** Asks the process to roll up and exit; kills it after `graceMs`. Resolves when it is reaped. */
  stop(brokerId: number, graceMs: number): Promise<void>;
  /** Called when a process has exited and is reaped, for whatever reason. */
  onExit(listener: (brokerId: number) => void): void;
  /** Called when the fleet itself sees that a process hangs, long before its lease expires. Absent where only the lease tells. */
  onHung?(listener: (brokerId: number, reason: string) => void): void;
  /** Ends the standby processes. Called when no start will follow. */
  close?(): Promise<void>;
}
