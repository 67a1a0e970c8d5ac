/**
 * What the group coordinator needs from the partition that holds its state. The broker implements it with the
 * partition's log; the implementation here keeps records in memory, for tests and the simulator.
 */
import { Failure } from '../../kernel/failure.ts';

/** It is unknown whether all, some or none of the records are in the log. */
export class AppendUnsure extends Failure {
  readonly code = 'disk-fault';
  override readonly retryable = true;
}

export interface LogRecord {
  readonly key: Uint8Array;
  /** null deletes what the key names. */
  readonly value: Uint8Array | null;
}

export interface CoordinatorLog {
  /**
   * Resolves when all records are durable. Rejects with a Failure; after AppendUnsure, the records may still turn up in
   * a later replay. The coordinator has one append in flight at a time.
   */
  append(records: readonly LogRecord[]): Promise<void>;
  /** Visits every record from the start of the log to its end, in order. */
  replay(visit: (record: LogRecord) => void): Promise<void>;
  /** The offset of the next append. Exact while no append is in flight. */
  endOffset(): number;
  /** Drops everything before `offset`, now or some time later. */
  truncateBefore(offset: number): Promise<void>;
}

export class MemoryCoordinatorLog implements CoordinatorLog {
  #records: LogRecord[] = [];
  #startOffset = 0;

  append(records: readonly LogRecord[]): Promise<void> {
    this.#records.push(...records);
    return Promise.resolve();
  }

  replay(visit: (record: LogRecord) => void): Promise<void> {
    this.#records.forEach(visit);
    return Promise.resolve();
  }

  endOffset(): number {
    return this.#startOffset + this.#records.length;
  }

  truncateBefore(offset: number): Promise<void> {
    this.#records = this.#records.slice(offset - this.#startOffset);
    this.#startOffset = offset;
    return Promise.resolve();
  }

  startOffset(): number {
    return this.#startOffset;
  }

  /** A separate log with the same content: what a successor would find now. */
  copy(): MemoryCoordinatorLog {
    const copy = new MemoryCoordinatorLog();
    copy.#records = [...this.#records];
    copy.#startOffset = this.#startOffset;
    return copy;
  }
}
