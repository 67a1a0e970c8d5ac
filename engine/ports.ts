/**
 * What the engine needs from outside, as interfaces that bin/ fills: metadata store, disk, segment store, network,
 * fleet. Production
 * passes the real things, tests and the simulator pass seeded ones. Clock and Random are in kernel/.
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
  /** What the row file encoded, usually JSON. At most 400 KiB of UTF-8. */
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
  /** From the previous page. */
  readonly cursor?: string;
}

/** `row` is undefined when the row was deleted. 'gap': changes were missed, read the partition key again. */
export type RowChange = { readonly key: RowKey; readonly row: Row | undefined } | 'gap';

export interface MetadataStore {
  get(key: RowKey): Promise<Row | undefined>;
  /** Rows of one pk in sk order (bytewise). Read-committed: a page may show half of another's transaction. */
  range(pk: string, options?: RangeOptions): Promise<{ rows: Row[]; cursor?: string }>;
  /**
   * All or nothing, serialisable. With a token, a repeat within ten minutes has no second effect and succeeds.
   * Throws StoreConflict, StoreLimit, StoreThrottled, StoreUnavailable or StoreAmbiguous (the effect is unknown: repeat
   * with the same token).
   */
  transact(ops: readonly StoreOp[], token?: string): Promise<void>;
  /**
   * Changes of one pk from now on, in order, at least once, from any process. A row that changed again before delivery may
   * come once, at the place of its last change. Returns the way to stop.
   */
  watch(pk: string, onChange: (change: RowChange) => void): () => void;
  /**
   * For who waits for another process's change: the driver looks now instead of at its next interval. Absent where changes
   * are told at once anyway.
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

/** Sent, and no answer: the transaction may or may not have been applied. */
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
  /** Into the page cache, all of it or a throw (DiskFull, DiskFault). Blocks for microseconds: the append path. */
  writeSync(parts: readonly Uint8Array[], position: number): void;
  /** Bytes read, less than asked only at the end of the file. */
  readSync(target: Uint8Array, position: number): number;
  /** As writeSync and readSync, on the thread pool. */
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
  /** Names in a directory, sorted; none when it does not exist. */
  list(directory: string): string[];
  /** With its parents, durable on return; quiet when it exists. */
  makeDirectory(directory: string): void;
  remove(path: string): void;
  /** Within one directory, to a name that no file has; durable after syncDirectory. Files that are open stay open. */
  rename(from: string, to: string): void;
  /**
   * Gives a file a second name, durable after syncDirectory: its bytes stay until both names are gone. False where the two
   * places are not on one file system, or it knows no such thing.
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

  /** The system has no descriptor left for us, which says nothing of what is on the disk. */
  get isShortage(): boolean {
    const { code } = (this.cause ?? {}) as { readonly code?: unknown };
    return code === 'EMFILE' || code === 'ENFILE';
  }
}

// --- Segment store: immutable files of many logs' batches, shared by all brokers ---

/** A file on its way: nobody sees it, and nothing of it need survive, before `commit` has resolved. */
export interface SegmentWriter {
  /** Appends. The parts may be kept until `commit` or `abort`, and are not changed meanwhile. */
  write(parts: readonly Uint8Array[]): Promise<void>;
  /** Whole and durable on return. */
  commit(): Promise<void>;
  /** After a failure; what is there of it is removed as far as that is possible at the moment. */
  abort(): void;
}

/** Of a file that is made from pieces of other files, in the order of the calls. */
export interface PiecedWriter extends SegmentWriter {
  /** Appends `bytes` bytes of the source, from `position` on. They are there already, and never change. */
  place(source: number, position: number, bytes: number): void;
}

export interface SegmentFile {
  sizeBytes(): Promise<number>;
  /** Bytes read, less than asked only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** The same in microseconds, for what the page cache surely holds; absent where a read always takes a trip. */
  readonly readSync?: (target: Uint8Array, position: number) => number;
  close(): void;
}

/**
 * Throws DiskFull and DiskFault where it lies on a disk, SegmentsUnavailable where it lies behind a network. A file that is
 * not there is a DiskFault to whoever opens or reads it.
 */
export interface SegmentStore {
  /** A file of this name was never made before: names are unique over all writers and attempts. */
  create(fileId: string): SegmentWriter;
  /**
   * As `create`, with a name that says so (rows/segment-file.ts), for a file that holds pieces of `sources`, files of this
   * machine that outlive their own names for it. What it takes does not depend on how long the pieces are. Undefined where
   * these cannot be kept by reference; absent where nothing can.
   */
  createPieced?(fileId: string, sources: readonly string[]): PiecedWriter | undefined;
  /** `once`: each byte will be read once, so none is worth keeping. */
  open(fileId: string, use?: 'once'): SegmentFile;
  /** Durable on return; quiet when it is not there. */
  remove(fileId: string): Promise<void>;
  /** All files, sorted. */
  list(): Promise<string[]>;
  /** For messages: the file as an operator finds it. */
  nameOf(fileId: string): string;
}

/** The segment store does not answer, or refuses: what was asked may be asked again. */
export class SegmentsUnavailable extends Failure {
  readonly code = 'segments-unavailable';
  override readonly retryable = true;
}

// --- Network: size-prefixed frames between gateway and broker ---

export interface FrameChannel {
  /**
   * Queues one frame (size prefix added); all frames of a turn leave in one write. `sent` is called when nothing here reads
   * the parts any more; not at all when that cannot be told, as when the connection ends.
   */
  send(parts: readonly Uint8Array[], sent?: () => void): void;
  /** Bytes queued and not yet taken by the kernel. */
  bufferedBytes(): number;
  /** Stops and restarts reading, so that a slow side slows its peer. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface FrameHandler {
  /** One whole frame without its size prefix. The buffer belongs to the receiver, who may give it to the frame pool. */
  frame(frame: Buffer): void;
  /** The kernel has taken all that was buffered: a sender that stopped on bufferedBytes goes on. */
  drained?(): void;
  /** Called once, whoever closed. */
  closed(): void;
}

export interface Network {
  /** Throws LinkClosed when nobody listens. `isBulk`: much will come over it; what that changes is up to the network. */
  connect(address: string, handler: FrameHandler, isBulk?: boolean): Promise<FrameChannel>;
  listen(address: string, accept: (channel: FrameChannel) => FrameHandler): Promise<{ close(): Promise<void> }>;
}

/** The connection ended; whether requests in flight took effect is unknown, unless they were never sent. */
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
  /** Stable over replacements: 1, 2, 3… */
  readonly brokerId: number;
  readonly zone: string;
  /** Directory of the slot's volume; the replacement takes it over. */
  readonly volume: string;
  /** Where the broker listens for links. */
  readonly address: string;
}

export interface Fleet {
  /** Resolves when a start of the slot would take next to no time, or cannot be prepared. Absent: it never takes long. */
  standby?(brokerId: number): Promise<void>;
  /** Some slot is about to be started, and which one is not known yet: sees to it that this takes no longer than it must. */
  prepare?(): void;
  /** Starts the slot's process. It announces itself by its session row. */
  start(slot: BrokerSlot): Promise<void>;
  /**
   * Takes charge of the slot's process, which another controller started: kill, stop and onExit are its from here on. False
   * when process `pid` is not the slot's broker, or is no broker that outlives who started it. Absent where none does.
   */
  adopt?(slot: BrokerSlot, pid: number): Promise<boolean>;
  /** Whether it is process `pid` that was started in the slot, or adopted. Absent: nobody else starts any. */
  runs?(brokerId: number, pid: number): boolean;
  /** SIGKILL. Resolves when the process is reaped: from then on it can write nothing. */
  kill(brokerId: number): Promise<void>;
  /** Asks the process to roll up and end; killed after `graceMs`. Resolves when reaped. */
  stop(brokerId: number, graceMs: number): Promise<void>;
  /** Called when a process has ended and is reaped, for whatever reason. */
  onExit(listener: (brokerId: number) => void): void;
  /** Called when the fleet itself sees that a process hangs, long before its lease tells. Absent: the lease alone tells. */
  onHung?(listener: (brokerId: number, reason: string) => void): void;
  /** Ends what stands by. Called when no start will follow. */
  close?(): Promise<void>;
}
