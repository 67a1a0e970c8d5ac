/** The logs of the memory engine: batches as they arrived, validated as a broker does. */
import type { AppendResult, FetchedPartition, FetchPartition } from '../../../engine/engine.ts';
import type { Uuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { isBatchFault, lastOffset, maxTimestamp, restamp, validateBatch } from '../../../engine/records/batch.ts';

const noRecords: readonly Uint8Array[] = [];

export class MemoryLog {
  startOffset = 0;
  endOffset = 0;
  #batches: Buffer[] = [];
  readonly #onAppend: () => void;
  /** Per producer: the next sequence, and the answers to the last batches by first sequence. */
  readonly #producers = new Map<number, { next: number; readonly recent: Map<number, AppendResult> }>();

  constructor(onAppend: () => void) {
    this.#onAppend = onAppend;
  }

  append(received: Buffer, nowMs: number): AppendResult {
    const header = validateBatch(received);
    if (isBatchFault(header)) return this.#answer(header.errorCode, -1, header.message);
    if (header.maxTimestamp > nowMs + 3_600_000) return this.#answer(errorCode.invalidTimestamp, -1, 'timestamp');
    const { producerId, baseSequence } = header;
    const producer = this.#producers.get(producerId) ?? { next: baseSequence, recent: new Map<number, AppendResult>() };
    const repeated = producerId < 0 ? undefined : producer.recent.get(baseSequence);
    if (repeated) return repeated;
    if (producerId >= 0 && baseSequence !== producer.next) {
      return this.#answer(errorCode.outOfOrderSequenceNumber, -1, 'out of order');
    }
    // The received bytes are a view of the request's frame, which we may not keep.
    const batch = Buffer.from(received);
    restamp(batch, 0, this.endOffset, 0);
    const answer = this.#answer(errorCode.none, this.endOffset, null);
    this.#batches.push(batch);
    this.endOffset += header.count;
    if (producerId >= 0) {
      producer.next = baseSequence + header.count;
      producer.recent.set(baseSequence, answer);
      this.#producers.set(producerId, producer);
    }
    this.#onAppend();
    return answer;
  }

  get sizeBytes(): number {
    return this.#batches.reduce((sum, batch) => sum + batch.length, 0);
  }

  #answer(code: number, baseOffset: number, errorMessage: string | null): AppendResult {
    return { errorCode: code, baseOffset, logAppendTimeMs: -1, logStartOffset: this.startOffset, errorMessage };
  }

  read({ topicId, partition, offset, maxBytes }: FetchPartition, leftBytes: number): FetchedPartition {
    const isOutside = offset < this.startOffset || offset > this.endOffset;
    const found: Buffer[] = [];
    let bytes = 0;
    for (const batch of isOutside ? [] : this.#batches) {
      if (lastOffset(batch, 0) < offset || leftBytes <= 0) continue;
      if (found.length > 0 && bytes + batch.length > Math.min(maxBytes, leftBytes)) break;
      found.push(batch);
      bytes += batch.length;
    }
    return {
      topicId,
      partition,
      errorCode: isOutside ? errorCode.offsetOutOfRange : errorCode.none,
      highWatermark: this.endOffset,
      lastStableOffset: this.endOffset,
      logStartOffset: this.startOffset,
      records: found.length > 0 ? found : noRecords,
    };
  }

  listOffset(
    partitionIndex: number,
    timestamp: number,
  ): {
    partitionIndex: number;
    errorCode: number;
    timestamp: number;
    offset: number;
    leaderEpoch: number;
  } {
    const none = { partitionIndex, errorCode: errorCode.none, timestamp: -1, leaderEpoch: 0 };
    if (timestamp === -1) return { ...none, offset: this.endOffset };
    if (timestamp < 0) return { ...none, offset: this.startOffset };
    const batch = this.#batches.find((each) => maxTimestamp(each, 0) >= timestamp);
    return { ...none, offset: batch ? Number(batch.readBigInt64BE(0)) : -1 };
  }

  deleteTo(
    partitionIndex: number,
    offset: number,
  ): { partitionIndex: number; lowWatermark: number; errorCode: number } {
    const target = offset < 0 ? this.endOffset : offset;
    if (target > this.endOffset) return { partitionIndex, lowWatermark: -1, errorCode: errorCode.offsetOutOfRange };
    this.startOffset = Math.max(this.startOffset, target);
    this.#batches = this.#batches.filter((batch) => lastOffset(batch, 0) >= this.startOffset);
    return { partitionIndex, lowWatermark: this.startOffset, errorCode: errorCode.none };
  }
}

export class MemoryLogs {
  readonly #logs = new Map<string, MemoryLog>();
  readonly #listeners = new Set<() => void>();

  of(topicId: Uuid, partition: number): MemoryLog {
    const key = `${partition}/${topicId}`;
    let log = this.#logs.get(key);
    if (!log) {
      log = new MemoryLog(() => this.tell());
      this.#logs.set(key, log);
    }
    return log;
  }

  /** Signals that something has changed. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Runs after every append and every other signalled change; returns the function to stop it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
