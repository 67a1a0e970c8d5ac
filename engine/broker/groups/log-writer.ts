/**
 * The one way into the coordinator's log: decide, make durable, apply, answer.
 *
 * One append is in flight at a time. What is written meanwhile waits and leaves together with the next append, so that a
 * busy coordinator writes large batches and an idle one adds no delay. It also makes the order of everything plain:
 * - Two commits of one partition in flight: they are applied in the order in which they lie in the log, because all
 *   `apply` of an append run, in order, before anything else does. A replay ends in the same state.
 * - Nothing is in flight between two appends, so what is in memory then is exactly what the log says, and `endOffset` is
 *   where the next append will lie: a checkpoint needs no lock.
 *
 * The checkpoint replaces compaction. It is written in pieces between ordinary appends, each piece taken from memory at
 * the moment it is written. A change that lands before a piece is in it, a later one lies behind it in the log; either way
 * the replay from the first piece on ends in the live state. After the last piece all before the first is dropped.
 */
import { Failure, Overloaded, ShuttingDown } from '../../kernel/failure.ts';
import type { CoordinatorLog, LogRecord } from './coordinator-log.ts';

export interface LogWriterSettings {
  readonly appendBytesMax: number;
  readonly recordBytesMax: number;
  readonly writeQueueBytesMax: number;
  readonly checkpointBytes: number;
}

interface Write {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  apply(): void;
  done(): void;
  fail(error: unknown): void;
}

/** One record is larger than the log takes. Kafka answers RECORD_TOO_LARGE as UNKNOWN_SERVER_ERROR here. */
export class RecordTooLarge extends Failure {
  readonly code = 'invalid-request';
}

export class LogWriter {
  readonly #log: CoordinatorLog;
  readonly #settings: LogWriterSettings;
  /** The live state as records, each read from memory when the iterator gets to it. */
  readonly #liveRecords: () => Iterator<LogRecord>;
  #queue: Write[] = [];
  #queueBytes = 0;
  #running: Promise<void> | undefined;
  #closed = false;
  #grownBytes = 0;
  /** A state larger than checkpointBytes must not be written again and again: the log may double before it is. */
  #lastCheckpointBytes = 0;
  #checkpoint: { records: Iterator<LogRecord>; startOffset: number; bytes: number } | undefined;

  constructor(log: CoordinatorLog, settings: LogWriterSettings, liveRecords: () => Iterator<LogRecord>) {
    this.#log = log;
    this.#settings = settings;
    this.#liveRecords = liveRecords;
  }

  /**
   * Resolves when the records are durable and `apply` has run. Rejects with the log's Failure, RecordTooLarge, Overloaded
   * or ShuttingDown; `apply` has then not run. `apply` must not throw.
   */
  write(records: readonly LogRecord[], apply: () => void): Promise<void> {
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
      this.#queue.push({ records, bytes, apply, done, fail });
      this.#start();
    });
  }

  /** Resolves when everything written so far is applied or has failed. */
  settled(): Promise<void> {
    return this.#running === undefined ? Promise.resolve() : this.write([], () => {}).catch(() => {});
  }

  /** Tells the writer what a replay read, so that a long log is checkpointed at once. */
  loaded(bytes: number): void {
    this.#grownBytes = bytes;
    this.#start();
  }

  /** What waits is refused; an append in flight may still become durable, but is not applied any more. */
  close(): void {
    this.#closed = true;
    this.#fail(this.#queue, new ShuttingDown('coordinator is closed'));
    this.#queue = [];
    this.#queueBytes = 0;
  }

  /** Begins a microtask later, so that what the same turn's requests write leaves in one append. */
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
    const writes = this.#takeQueued();
    const bytes = writes.reduce((sum, write) => sum + write.bytes, 0);
    try {
      for (const piece of pieces(writes, this.#settings.appendBytesMax)) await this.#log.append(piece);
    } catch (error) {
      this.#queueBytes -= this.#closed ? 0 : bytes;
      this.#fail(writes, error);
      return;
    }
    if (this.#closed) {
      this.#fail(writes, new ShuttingDown('coordinator is closed'));
      return;
    }
    this.#queueBytes -= bytes;
    this.#grownBytes += bytes;
    for (const write of writes) write.apply();
    for (const write of writes) write.done();
  }

  /** As many writes as fit into one append, at least one. Empty writes (settled) ride along. */
  #takeQueued(): Write[] {
    let bytes = 0;
    let count = 0;
    for (const write of this.#queue) {
      if (count > 0 && bytes + write.bytes > this.#settings.appendBytesMax) break;
      bytes += write.bytes;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #isCheckpointDue(): boolean {
    return this.#grownBytes > Math.max(this.#settings.checkpointBytes, this.#lastCheckpointBytes);
  }

  /** One piece of the checkpoint. A failed one is given up, and begun anew when the log has grown as much again. */
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
      // The requests that come next meet the same log and report its failure; replay works with and without a checkpoint.
      this.#checkpoint = undefined;
    }
  }

  #fail(writes: readonly Write[], error: unknown): void {
    for (const write of writes) write.fail(error);
  }
}

function bytesOf(record: LogRecord): number {
  return record.key.length + (record.value?.length ?? 0);
}

/** The records of all writes, cut so that a piece over the limit holds one record. */
function* pieces(writes: readonly Write[], bytesMax: number): Iterable<LogRecord[]> {
  let piece: LogRecord[] = [];
  let bytes = 0;
  for (const write of writes) {
    for (const record of write.records) {
      const size = bytesOf(record);
      if (piece.length > 0 && bytes + size > bytesMax) {
        yield piece;
        piece = [];
        bytes = 0;
      }
      piece.push(record);
      bytes += size;
    }
  }
  if (piece.length > 0) yield piece;
}
