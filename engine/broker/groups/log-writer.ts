/**
 * The only way into the coordinator's log: decide, make durable, apply, answer.
 *
 * One append is in flight at a time. Writes that arrive meanwhile wait and leave together in the next append, so a busy
 * coordinator writes large batches and an idle one adds no delay. It also makes ordering simple:
 * - Two commits of one partition in flight are applied in the order in which they lie in the log, because all `apply`
 *   of an append run, in order, before anything else does. A replay ends in the same state.
 * - Nothing is in flight between two appends, so memory then matches the log exactly, and `endOffset` is where the next
 *   append will lie: a checkpoint needs no lock.
 * - A log without room refuses an append and continues, so an append is applied as a whole or not at all. A write too
 *   large for one append is applied in the parts in which it is appended, and ends with the first part that is refused.
 *
 * The checkpoint replaces compaction. It is written in pieces between ordinary appends, and each piece is taken from
 * memory when it is written. An earlier change is in the piece, and a later one lies after it in the log. Either way,
 * the replay from the first piece on ends in the live state. After the last piece, everything before the first is
 * dropped.
 */
import { Failure, Overloaded, ShuttingDown } from '../../kernel/failure.ts';
import { AppendUnsure, type CoordinatorLog, type LogRecord } from './coordinator-log.ts';

export interface LogWriterSettings {
  readonly appendBytesMax: number;
  readonly recordBytesMax: number;
  readonly writeQueueBytesMax: number;
  readonly checkpointBytes: number;
}

/** Applies those records of a write that have become durable: in order, from `from` on and before `to`. */
export type Apply = (from: number, to: number) => void;

/** What one append holds of a write. It fits into an append, or is a single record. */
interface Part {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  readonly write: Write;
  apply(): void;
}

interface Write {
  /** Parts still to be appended. */
  partsLeft: number;
  /** A part of it is stored. */
  isBegun: boolean;
  /** A part of it is with the log. */
  isInFlight: boolean;
  isOver: boolean;
  done(): void;
  fail(error: unknown): void;
}

/** One record is larger than the log accepts. Kafka answers RECORD_TOO_LARGE as UNKNOWN_SERVER_ERROR here. */
export class RecordTooLarge extends Failure {
  readonly code = 'invalid-request';
}

export class LogWriter {
  readonly #log: CoordinatorLog;
  readonly #settings: LogWriterSettings;
  /** The live state as records, each read from memory when the iterator reaches it. */
  readonly #liveRecords: () => Iterator<LogRecord>;
  #queue: Part[] = [];
  #queueBytes = 0;
  #running: Promise<void> | undefined;
  #closed = false;
  #grownBytes = 0;
  /** A state larger than checkpointBytes must not be rewritten again and again: the log may first double in size. */
  #lastCheckpointBytes = 0;
  #checkpoint: { records: Iterator<LogRecord>; startOffset: number; bytes: number } | undefined;

  constructor(log: CoordinatorLog, settings: LogWriterSettings, liveRecords: () => Iterator<LogRecord>) {
    this.#log = log;
    this.#settings = settings;
    this.#liveRecords = liveRecords;
  }

  /**
   * Resolves when the records are durable and `apply` has run for all of them. Rejects with the log's Failure,
   * RecordTooLarge, Overloaded or ShuttingDown when none of them is stored. Rejects with AppendUnsure when some are
   * stored, and `apply` has run for those, or when that is unknown. `apply` must not throw.
   */
  write(records: readonly LogRecord[], apply: Apply): Promise<void> {
    if (this.#closed) return Promise.reject(new ShuttingDown('coordinator is closed'));
    let bytes = 0;
    for (const record of records) {
      const size = bytesOf(record);
      if (size > this.#settings.recordBytesMax) return Promise.reject(new RecordTooLarge(`record of ${size} bytes`));
      bytes += size;
    }
    if (this.#queueBytes + bytes > this.#settings.writeQueueBytesMax && this.#queueBytes > 0) {
      return Promise.reject(new Overloaded('coordinator log is behind'));
    }
    this.#queueBytes += bytes;
    return new Promise((done, fail) => {
      const parts = partsOf(records, this.#settings.appendBytesMax, apply, {
        partsLeft: 0,
        isBegun: false,
        isInFlight: false,
        isOver: false,
        done,
        fail,
      });
      for (const part of parts) this.#queue.push(part);
      this.#start();
    });
  }

  /** Resolves when everything written so far is applied or has failed. */
  settled(): Promise<void> {
    return this.#running === undefined ? Promise.resolve() : this.write([], () => {}).catch(() => {});
  }

  /** Tells the writer how much a replay read, so a long log is checkpointed at once. */
  loaded(bytes: number): void {
    this.#grownBytes = bytes;
    this.#start();
  }

  /** Refuses waiting writes. An append in flight may still become durable, but is no longer applied. */
  close(): void {
    this.#closed = true;
    // A write with a part in flight shares that part's outcome: it may be stored.
    const waiting = this.#queue.filter(({ write }) => !write.isInFlight);
    this.#queue = [];
    this.#queueBytes = 0;
    this.#fail(waiting, new ShuttingDown('coordinator is closed'));
  }

  /** Starts a microtask later, so that all writes of one turn leave in one append. */
  #start(): void {
    this.#running ??= Promise.resolve().then(() => this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      if (this.#queue.length > 0) await this.#appendQueued();
      else if (this.#checkpoint === undefined && !this.#isCheckpointDue()) break;
      if (this.#checkpoint !== undefined || this.#isCheckpointDue()) await this.#appendCheckpoint();
    }
    this.#running = undefined;
  }

  async #appendQueued(): Promise<void> {
    const parts = this.#takeQueued();
    const records = parts.flatMap((part) => part.records);
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    for (const { write } of parts) write.isInFlight = true;
    try {
      if (records.length > 0) await this.#log.append(records);
    } catch (error) {
      this.#queueBytes -= this.#closed ? 0 : bytes;
      this.#fail(parts, error);
      return;
    }
    if (this.#closed) {
      this.#fail(parts, new AppendUnsure('the coordinator was closed before it knew'));
      return;
    }
    this.#queueBytes -= bytes;
    this.#grownBytes += bytes;
    for (const part of parts) part.apply();
    for (const { write } of parts) {
      write.isInFlight = false;
      write.isBegun = true;
      if (--write.partsLeft === 0) write.done();
    }
  }

  /** As many parts as fit into one append, at least one. Empty writes (settled) ride along. */
  #takeQueued(): Part[] {
    let bytes = 0;
    let count = 0;
    for (const part of this.#queue) {
      if (count > 0 && bytes + part.bytes > this.#settings.appendBytesMax) break;
      bytes += part.bytes;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #isCheckpointDue(): boolean {
    return this.#grownBytes > Math.max(this.#settings.checkpointBytes, this.#lastCheckpointBytes);
  }

  /**
   * Writes one piece of the checkpoint. A failed checkpoint is given up, and restarted when the log has grown as much
   * again.
   */
  async #appendCheckpoint(): Promise<void> {
    if (this.#checkpoint === undefined) {
      this.#checkpoint = { records: this.#liveRecords(), startOffset: this.#log.endOffset(), bytes: 0 };
      this.#grownBytes = 0;
    }
    const checkpoint = this.#checkpoint;
    const piece: LogRecord[] = [];
    let bytes = 0;
    let ended = false;
    while (bytes < this.#settings.appendBytesMax) {
      const next = checkpoint.records.next();
      if (next.done) {
        ended = true;
        break;
      }
      piece.push(next.value);
      bytes += bytesOf(next.value);
    }
    checkpoint.bytes += bytes;
    try {
      if (piece.length > 0) await this.#log.append(piece);
      if (!ended || this.#closed) return;
      this.#checkpoint = undefined;
      this.#lastCheckpointBytes = checkpoint.bytes;
      await this.#log.truncateBefore(checkpoint.startOffset);
    } catch {
      // The next requests meet the same log and report its failure. Replay works with and without a checkpoint.
      this.#checkpoint = undefined;
    }
  }

  /** Ends the writes of these parts: their waiting parts are no longer appended. */
  #fail(parts: readonly Part[], error: unknown): void {
    for (const { write } of parts) {
      if (write.isOver) continue;
      write.isOver = true;
      const isPartly = write.isBegun && error instanceof Failure;
      write.fail(isPartly ? new AppendUnsure(`part of the write is stored: ${error.message}`) : error);
    }
    if (!this.#queue.some(({ write }) => write.isOver)) return;
    for (const { write, bytes } of this.#queue) if (write.isOver) this.#queueBytes -= bytes;
    this.#queue = this.#queue.filter(({ write }) => !write.isOver);
  }
}

function bytesOf(record: LogRecord): number {
  return record.key.length + (record.value?.length ?? 0);
}

/** At least one part, even if it is empty. */
function partsOf(records: readonly LogRecord[], bytesMax: number, apply: Apply, write: Write): Part[] {
  const parts: Part[] = [];
  let from = 0;
  let bytes = 0;
  const cut = (to: number): void => {
    const [first, size] = [from, bytes];
    parts.push({ records: records.slice(first, to), bytes: size, write, apply: () => apply(first, to) });
    from = to;
    bytes = 0;
  };
  for (const [i, record] of records.entries()) {
    const size = bytesOf(record);
    if (i > from && bytes + size > bytesMax) cut(i);
    bytes += size;
  }
  cut(records.length);
  write.partsLeft = parts.length;
  return parts;
}
