/**
 * Records from doors that speak records, not batches (HTTP, WebSocket), become batches here. Every request of an
 * event-loop turn appends to its partition's open batch; the end of the turn sends each partition's batch as one
 * append. Nothing waits while idle, and batches grow under load because a partition's next batch fills while
 * `batchesInFlightMax` are under way.
 *
 * Each partition line is an idempotent producer of its own (KIP-98): when a broker dies with a batch in flight, the
 * engine replays it and the broker's duplicate window makes sure that it is stored once. Why a producer id per line:
 * after a failed batch the sequence of this line alone is broken; a fresh id mends it without touching other lines.
 */
import { topicSettings } from '../../engine/topic-configs.ts';
import type { AppendResult, TopicEntry } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { BatchBuilder, batchFull, type RecordHeader } from '../../engine/records/encode.ts';
import { stripNames } from '../../tenancy/naming.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { refuseLongWait } from './admit.ts';
import { partitionOfKey } from './partitioner.ts';

export interface ProduceRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
  /** Chosen by the key, or by us, when absent. */
  readonly partition?: number;
  /** Milliseconds since the epoch; the time of arrival when absent. */
  readonly timestampMs?: number;
}

/** Per record, in request order. `errorCode` 0: stored at `offset`. */
export interface ProduceOutcome {
  readonly errorCode: number;
  readonly message: string | null;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
}

interface Request {
  readonly outcomes: ProduceOutcome[];
  remaining: number;
  readonly done: (outcomes: readonly ProduceOutcome[]) => void;
}

/** A record's place in its batch is its place in `slots`. */
interface Slot {
  readonly request: Request;
  readonly index: number;
  readonly timestampMs: number;
}

interface OpenBatch {
  readonly builder: BatchBuilder;
  slots: Slot[];
}

/** `producerId` -1: being allocated; batches wait for it. */
interface Line {
  /** The latest entry seen: its configs may change. */
  topic: TopicEntry;
  messageBytesMax: number;
  readonly partition: number;
  readonly clusterId: string;
  readonly key: string;
  producerId: number;
  nextSequence: number;
  /** A batch failed: what is in flight drains, then a new producer id starts at sequence 0. */
  broken: boolean;
  inFlight: number;
  backlogBytes: number;
  readonly waiting: OpenBatch[];
}

const sequenceMax = 0x7fff_ffff;

export class RecordProducer {
  readonly #context: GatewayContext;
  readonly #lines = new Map<string, Line>();
  readonly #dirty = new Set<Line>();
  readonly #sticky = new Map<string, number>();
  #nextSticky = 0;
  #requestsUnderWay = 0;
  #flushAsked = false;
  #turnWallMs = 0;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Requests whose `done` has not run. */
  get requestsUnderWay(): number {
    return this.#requestsUnderWay;
  }

  /**
   * Stores `records` (at least one) and calls `done` once with one outcome per record, in their order. Throws
   * QuotaExceeded before anything is stored when the cluster would have to wait longer than `quotaWaitMsMax`.
   */
  produce(
    principal: Principal,
    topic: TopicEntry,
    records: readonly ProduceRecord[],
    done: (outcomes: readonly ProduceOutcome[]) => void,
  ): void {
    refuseLongWait(this.#context, principal.clusterId);
    this.#askFlush();
    this.#requestsUnderWay++;
    const outcomes: ProduceOutcome[] = [];
    outcomes.length = records.length;
    const request: Request = { outcomes, remaining: records.length, done };
    for (let i = 0; i < records.length; i++) this.#add(principal.clusterId, topic, records[i]!, request, i);
  }

  #askFlush(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#turnWallMs = this.#context.clock.wallMs();
    this.#context.clock.endOfTurn(() => this.#flush());
  }

  #add(clusterId: string, topic: TopicEntry, record: ProduceRecord, request: Request, index: number): void {
    const partition = record.partition ?? this.#choose(topic, record.key);
    const timestampMs = record.timestampMs ?? this.#turnWallMs;
    if (partition < 0 || partition >= topic.partitions.length) {
      const message = `partition ${partition} does not exist: the topic has ${topic.partitions.length}`;
      this.#settle(request, index, failed(errorCode.unknownTopicOrPartition, message, partition, timestampMs));
      return;
    }
    const line = this.#line(clusterId, topic, partition);
    if (line.backlogBytes > this.#context.settings.batchBacklogBytesMax) {
      const message = `partition ${partition} has over ${this.#context.settings.batchBacklogBytesMax} bytes waiting`;
      this.#settle(request, index, failed(errorCode.throttlingQuotaExceeded, message, partition, timestampMs));
      return;
    }
    const batch = this.#place(line, record, timestampMs);
    if (!batch) {
      const message = `the record is larger than the ${line.messageBytesMax} bytes that a batch of this topic may have`;
      this.#settle(request, index, failed(errorCode.messageTooLarge, message, partition, timestampMs));
      return;
    }
    batch.slots.push({ request, index, timestampMs });
    this.#dirty.add(line);
  }

  /** Into the line's last open batch, or a fresh one. Undefined: it fits in no batch of this topic. */
  #place(line: Line, record: ProduceRecord, timestampMs: number): OpenBatch | undefined {
    const last = line.waiting.at(-1);
    if (last && last.builder.sizeBytes < this.#context.settings.batchBytesMax) {
      const before = last.builder.sizeBytes;
      if (last.builder.append(record.key, record.value, record.headers, timestampMs) !== batchFull) {
        line.backlogBytes += last.builder.sizeBytes - before;
        return last;
      }
    }
    const batch: OpenBatch = { builder: new BatchBuilder(line.messageBytesMax), slots: [] };
    if (batch.builder.append(record.key, record.value, record.headers, timestampMs) === batchFull) return undefined;
    line.waiting.push(batch);
    line.backlogBytes += batch.builder.sizeBytes;
    return batch;
  }

  #choose(topic: TopicEntry, key: Uint8Array | null): number {
    if (key !== null) return partitionOfKey(key, topic.partitions.length);
    let partition = this.#sticky.get(topic.topicId);
    if (partition === undefined) {
      partition = this.#nextSticky++ % topic.partitions.length;
      this.#sticky.set(topic.topicId, partition);
    }
    return partition;
  }

  #line(clusterId: string, topic: TopicEntry, partition: number): Line {
    const key = `${topic.topicId}${partition}`;
    const known = this.#lines.get(key);
    if (known) {
      if (known.topic !== topic) {
        known.topic = topic;
        known.messageBytesMax = this.#messageBytesMax(clusterId, topic);
      }
      return known;
    }
    const line: Line = {
      topic,
      messageBytesMax: this.#messageBytesMax(clusterId, topic),
      partition,
      clusterId,
      key,
      producerId: -1,
      nextSequence: 0,
      broken: false,
      inFlight: 0,
      backlogBytes: 0,
      waiting: [],
    };
    this.#forgetIdleLines();
    this.#lines.set(key, line);
    this.#identify(line);
    return line;
  }

  #messageBytesMax(clusterId: string, topic: TopicEntry): number {
    const limit = this.#context.tenancy.cluster(clusterId)?.limits.messageBytesMax ?? Infinity;
    return Math.min(topicSettings(topic.configs).messageBytesMax, limit);
  }

  /** Lines of long silent partitions go, oldest first, a few looks per new line. A line that returns has a new id. */
  #forgetIdleLines(): void {
    if (this.#lines.size < this.#context.settings.producerLinesMax) return;
    let looks = 16;
    for (const line of this.#lines.values()) {
      if (line.inFlight === 0 && line.waiting.length === 0 && line.producerId !== -1) this.#lines.delete(line.key);
      if (--looks === 0) return;
    }
  }

  #identify(line: Line): void {
    line.producerId = -1;
    this.#context.engine.allocateProducerId().then(
      (producerId) => {
        line.producerId = producerId;
        line.nextSequence = 0;
        line.broken = false;
        this.#send(line);
      },
      () => {
        // Without an id nothing of the line was sent: all of it may be tried again by the callers.
        for (const batch of line.waiting.splice(0)) {
          this.#settleBatch(line, batch, unavailable);
        }
        line.backlogBytes = 0;
        this.#lines.delete(line.key);
      },
    );
  }

  #flush(): void {
    this.#flushAsked = false;
    this.#sticky.clear();
    for (const line of this.#dirty) this.#send(line);
    this.#dirty.clear();
  }

  #send(line: Line): void {
    const { settings, engine, tenancy, clock } = this.#context;
    while (line.producerId !== -1 && !line.broken && line.inFlight < settings.batchesInFlightMax) {
      const batch = line.waiting.shift();
      if (!batch) return;
      const { sizeBytes, count } = batch.builder;
      const baseSequence = line.nextSequence;
      const next = baseSequence + count;
      line.nextSequence = next > sequenceMax ? next - sequenceMax - 1 : next;
      line.inFlight++;
      const verdict = tenancy.limiter.produce(line.clusterId, line.key, sizeBytes, clock.monotonicMs());
      if (verdict.quota) tenancy.meter.throttled(line.clusterId, verdict.quota, verdict.delayMs);
      engine.append({
        topicId: line.topic.topicId,
        partition: line.partition,
        records: batch.builder.build({ producerId: line.producerId, producerEpoch: 0, baseSequence }),
        idempotent: true,
        timeoutMs: settings.produceTimeoutMs,
        done: (result) => this.#finish(line, batch, sizeBytes, count, result, verdict.delayMs),
      });
    }
  }

  #finish(line: Line, batch: OpenBatch, sizeBytes: number, count: number, result: AppendResult, delayMs: number): void {
    line.inFlight--;
    line.backlogBytes -= sizeBytes;
    if (result.errorCode === 0) this.#context.tenancy.meter.produced(line.clusterId, count, sizeBytes);
    else line.broken = true;
    if (line.broken && line.inFlight === 0) this.#identify(line);
    else if (!line.broken) this.#send(line);
    // What is left of a longer debt is met by the caller's next request, which is refused with the time to wait.
    const waitMs = Math.min(delayMs, this.#context.settings.quotaWaitMsMax);
    if (waitMs > 0) this.#context.clock.after(waitMs, () => this.#settleBatch(line, batch, result));
    else this.#settleBatch(line, batch, result);
  }

  #settleBatch(line: Line, batch: OpenBatch, result: AppendResult): void {
    const { slots } = batch;
    // What a broker says may name the topic as the engine knows it.
    const message = result.errorMessage === null ? null : stripNames(line.clusterId, result.errorMessage);
    for (let delta = 0; delta < slots.length; delta++) {
      const { request, index, timestampMs } = slots[delta]!;
      const outcome: ProduceOutcome =
        result.errorCode === 0
          ? {
              errorCode: 0,
              message: null,
              partition: line.partition,
              offset: result.baseOffset + delta,
              timestampMs: result.logAppendTimeMs >= 0 ? result.logAppendTimeMs : timestampMs,
            }
          : failed(result.errorCode, message, line.partition, timestampMs);
      this.#settle(request, index, outcome);
    }
  }

  #settle(request: Request, index: number, outcome: ProduceOutcome): void {
    request.outcomes[index] = outcome;
    if (--request.remaining > 0) return;
    this.#requestsUnderWay--;
    request.done(request.outcomes);
  }
}

const unavailable: AppendResult = {
  errorCode: errorCode.coordinatorNotAvailable,
  baseOffset: -1,
  logAppendTimeMs: -1,
  logStartOffset: -1,
  errorMessage: 'no producer id could be allocated',
};

function failed(code: number, message: string | null, partition: number, timestampMs: number): ProduceOutcome {
  return { errorCode: code, message, partition, offset: -1, timestampMs };
}
