/**
 * Turns records from doors that speak records, not batches (HTTP, WebSocket), into batches. Every request of an event-loop
 * turn appends to its partition's open batch; the end of the turn sends each partition's batch as one append. Nothing waits
 * while idle, and batches grow under load because a partition's next batch fills while `batchesInFlightMax` are in flight.
 *
 * Each partition line is its own idempotent producer (KIP-98): when a broker dies with a batch in flight, the engine
 * replays it and the broker's duplicate window makes sure that it is stored once. Why a producer id per line: after a
 * failed batch only this line's sequence is broken, and a new id repairs it without touching other lines.
 */
import { framePool } from '../../engine/kernel/frame-pool.ts';
import { requiresKeys, topicSettings } from '../../engine/topic-configs.ts';
import type { AppendResult, TopicEntry } from '../../engine/engine.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import type { Uuid } from '../../engine/kernel/uuid.ts';
import { BatchBuilder, batchFull, type RecordHeader } from '../../engine/records/encode.ts';
import { stripNames } from '../../tenancy/naming.ts';
import type { Principal, Verdict } from '../../tenancy/tenancy.ts';
import type { GatewayContext } from '../context.ts';
import { noPartitionText } from '../failures.ts';
import { heldBackMs, refuseLongWait } from './admit.ts';
import { partitionOfKey } from './partitioner.ts';

export interface ProduceRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** When absent, chosen by the key or by the partitioner. */
  readonly partition?: number | undefined;
  /** Milliseconds since the epoch; the time of arrival when absent. */
  readonly timestampMs?: number | undefined;
}

/** The result of one record, in request order. `errorCode` 0: stored at `offset`. */
export interface ProduceOutcome {
  readonly errorCode: number;
  readonly message: string | null;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
}

interface ManyRecords {
  readonly outcomes: ProduceOutcome[];
  remaining: number;
  readonly done: (outcomes: readonly ProduceOutcome[]) => void;
}

type DoneOne = (outcome: ProduceOutcome) => void;

/** The receiver of a record's outcome. For a request of one record it is the callback and nothing else. */
type Request = ManyRecords | DoneOne;

/**
 * Three lists indexed by place in the batch instead of a list of objects: on the busiest path one record is one request.
 */
interface OpenBatch {
  readonly builder: BatchBuilder;
  readonly requests: Request[];
  /** The record's place in its request. */
  readonly indexes: number[];
  readonly timestampsMs: number[];
}

/** `producerId` -1: being allocated; batches wait for it. */
interface Line {
  /** The latest catalogue entry seen: its configs may change. */
  topic: TopicEntry;
  /** From the topic's configs and the cluster's limits at the time of its last batch. */
  messageBytesMax: number;
  topicBytesMax: number;
  requiresKeys: boolean;
  readonly partition: number;
  readonly clusterId: string;
  readonly key: string;
  producerId: number;
  nextSequence: number;
  /** A batch failed: batches in flight drain, then a new producer id starts at sequence 0. */
  broken: boolean;
  inFlight: number;
  backlogBytes: number;
  /** The size of the previous batch: the next one probably needs as much. */
  lastBatchBytes: number;
  readonly waiting: OpenBatch[];
  /** Whether it is in the list that the end of this turn processes. */
  isDirty: boolean;
}

const sequenceMax = 0x7fff_ffff;
const keylessMessage = 'a compacted topic accepts only records with a key';

export class RecordProducer {
  readonly #context: GatewayContext;
  readonly #lines = new Set<Line>();
  readonly #linesOf = new Map<Uuid, Map<number, Line>>();
  #dirty: Line[] = [];
  readonly #sticky = new Map<string, number>();
  #nextSticky = 0;
  #requestsUnderWay = 0;
  #flushAsked = false;
  #turnWallMs = 0;
  #turnMonotonicMs = 0;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Requests whose `done` has not run. */
  get requestsUnderWay(): number {
    return this.#requestsUnderWay;
  }

  /**
   * Stores `records` (at least one) and calls `done` once with one outcome per record, in their order. Their bytes are
   * copied before this returns. Throws QuotaExceeded before anything is stored when the cluster would have to wait longer
   * than `quotaWaitMsMax`.
   */
  produce(
    principal: Principal,
    topic: TopicEntry,
    records: readonly ProduceRecord[],
    done: (outcomes: readonly ProduceOutcome[]) => void,
  ): void {
    this.#enter(principal.clusterId);
    const outcomes: ProduceOutcome[] = [];
    outcomes.length = records.length;
    const request: Request = { outcomes, remaining: records.length, done };
    for (let i = 0; i < records.length; i++) this.#add(principal.clusterId, topic, records[i]!, request, i);
  }

  /** As `produce` for one record. */
  produceOne(principal: Principal, topic: TopicEntry, record: ProduceRecord, done: DoneOne): void {
    this.#enter(principal.clusterId);
    this.#add(principal.clusterId, topic, record, done, 0);
  }

  #enter(clusterId: string): void {
    this.#askFlush();
    refuseLongWait(this.#context, clusterId, this.#turnMonotonicMs);
    this.#requestsUnderWay++;
  }

  /** The clocks are read once per turn. */
  #askFlush(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    const { clock } = this.#context;
    this.#turnWallMs = clock.wallMs();
    this.#turnMonotonicMs = clock.monotonicMs();
    clock.endOfTurn(() => this.#flush());
  }

  #add(clusterId: string, topic: TopicEntry, record: ProduceRecord, request: Request, index: number): void {
    const partition = record.partition ?? this.#choose(topic, record.key);
    const timestampMs = record.timestampMs ?? this.#turnWallMs;
    if (partition < 0 || partition >= topic.partitions.length) {
      const message = noPartitionText(partition, topic);
      this.#settle(request, index, failed(errorCode.unknownTopicOrPartition, message, partition, timestampMs));
      return;
    }
    const line = this.#line(clusterId, topic, partition);
    // Check it here: in its batch it would make the records of others fail too.
    if (record.key === null && line.requiresKeys) {
      this.#settle(request, index, failed(errorCode.invalidRecord, keylessMessage, partition, timestampMs));
      return;
    }
    if (line.backlogBytes > this.#context.settings.batchBacklogBytesMax) {
      const message = `more than ${this.#context.settings.batchBacklogBytesMax} bytes are waiting to be written to partition ${partition}`;
      this.#settle(request, index, failed(errorCode.throttlingQuotaExceeded, message, partition, timestampMs));
      return;
    }
    const batch = this.#place(line, record, timestampMs);
    if (!batch) {
      const message = `the record is larger than ${line.messageBytesMax} bytes, the most that a batch of this topic may have`;
      this.#settle(request, index, failed(errorCode.messageTooLarge, message, partition, timestampMs));
      return;
    }
    batch.requests.push(request);
    batch.indexes.push(index);
    batch.timestampsMs.push(timestampMs);
    if (line.isDirty) return;
    line.isDirty = true;
    this.#dirty.push(line);
  }

  /** Appends to the line's last open batch, or to a new one. Undefined: it fits in no batch of this topic. */
  #place(line: Line, record: ProduceRecord, timestampMs: number): OpenBatch | undefined {
    const { waiting } = line;
    const last = waiting.length > 0 ? waiting[waiting.length - 1]! : undefined;
    if (last && last.builder.sizeBytes < this.#context.settings.batchBytesMax) {
      const before = last.builder.sizeBytes;
      if (last.builder.append(record.key, record.value, record.headers, timestampMs) !== batchFull) {
        line.backlogBytes += last.builder.sizeBytes - before;
        return last;
      }
    }
    line.messageBytesMax = Math.min(line.topicBytesMax, clusterBytesMax(this.#context, line.clusterId));
    const builder = new BatchBuilder(line.messageBytesMax, line.lastBatchBytes);
    if (builder.append(record.key, record.value, record.headers, timestampMs) === batchFull) return undefined;
    const batch: OpenBatch = { builder, requests: [], indexes: [], timestampsMs: [] };
    waiting.push(batch);
    line.backlogBytes += builder.sizeBytes;
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
    const known = this.#linesOf.get(topic.topicId)?.get(partition);
    if (known) {
      if (known.topic !== topic) {
        known.topic = topic;
        known.topicBytesMax = topicSettings(topic.configs).messageBytesMax;
        known.requiresKeys = requiresKeys(topic.configs);
      }
      return known;
    }
    const line: Line = {
      topic,
      messageBytesMax: 0,
      topicBytesMax: topicSettings(topic.configs).messageBytesMax,
      requiresKeys: requiresKeys(topic.configs),
      partition,
      clusterId,
      key: `${topic.topicId}${partition}`,
      producerId: -1,
      nextSequence: 0,
      broken: false,
      inFlight: 0,
      backlogBytes: 0,
      lastBatchBytes: 0,
      waiting: [],
      isDirty: false,
    };
    this.#forgetIdleLines();
    let lines = this.#linesOf.get(topic.topicId);
    if (!lines) this.#linesOf.set(topic.topicId, (lines = new Map()));
    lines.set(partition, line);
    this.#lines.add(line);
    this.#identify(line);
    return line;
  }

  /**
   * Each new line looks at the few that were looked at longest ago, and removes those that are silent. A line that returns
   * gets a new id.
   */
  #forgetIdleLines(): void {
    if (this.#lines.size < this.#context.settings.producerLinesMax) return;
    let looks = 16;
    for (const line of this.#lines) {
      if (line.inFlight === 0 && line.waiting.length === 0 && line.producerId !== -1) this.#forget(line);
      else {
        // To the end: busy lines must not be all that is ever looked at.
        this.#lines.delete(line);
        this.#lines.add(line);
      }
      if (--looks === 0) return;
    }
  }

  #forget(line: Line): void {
    this.#lines.delete(line);
    const lines = this.#linesOf.get(line.topic.topicId);
    if (lines?.get(line.partition) !== line) return;
    lines.delete(line.partition);
    if (lines.size === 0) this.#linesOf.delete(line.topic.topicId);
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
        // First: a caller that is told and produces again gets a new line.
        this.#forget(line);
        line.backlogBytes = 0;
        // Without an id nothing of the line was sent: the callers may retry all of it.
        for (const batch of line.waiting.splice(0)) this.#settleBatch(line, batch, unavailable);
      },
    );
  }

  #flush(): void {
    this.#flushAsked = false;
    this.#sticky.clear();
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const line of dirty) {
      line.isDirty = false;
      this.#send(line);
    }
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
      line.lastBatchBytes = sizeBytes;
      const verdict = tenancy.limiter.produce(line.clusterId, line.key, sizeBytes, clock.monotonicMs());
      const records = batch.builder.build({ producerId: line.producerId, producerEpoch: 0, baseSequence });
      engine.append({
        topicId: line.topic.topicId,
        partition: line.partition,
        records,
        idempotent: true,
        timeoutMs: settings.produceTimeoutMs,
        done: (result, recordsAreFree) => {
          if (recordsAreFree) framePool.give(records);
          this.#finish(line, batch, sizeBytes, count, result, verdict);
        },
      });
    }
  }

  #finish(
    line: Line,
    batch: OpenBatch,
    sizeBytes: number,
    count: number,
    result: AppendResult,
    verdict: Verdict,
  ): void {
    line.inFlight--;
    line.backlogBytes -= sizeBytes;
    if (result.errorCode === 0) this.#context.tenancy.meter.produced(line.clusterId, count, sizeBytes);
    else line.broken = true;
    if (line.broken && line.inFlight === 0) this.#identify(line);
    else if (!line.broken) this.#send(line);
    // The rest of a longer debt meets the caller's next request, which is refused with the time to wait.
    const waitMs = heldBackMs(this.#context, line.clusterId, verdict, this.#context.settings.quotaWaitMsMax);
    if (waitMs > 0) this.#context.clock.after(waitMs, () => this.#settleBatch(line, batch, result));
    else this.#settleBatch(line, batch, result);
  }

  #settleBatch(line: Line, batch: OpenBatch, result: AppendResult): void {
    const { requests, indexes, timestampsMs } = batch;
    const { errorCode: code, baseOffset, logAppendTimeMs } = result;
    // The broker's text may contain the engine's name for the topic.
    const message = result.errorMessage === null ? null : stripNames(line.clusterId, result.errorMessage);
    for (let delta = 0; delta < requests.length; delta++) {
      const timestampMs = timestampsMs[delta]!;
      const outcome: ProduceOutcome =
        code === 0
          ? {
              errorCode: 0,
              message: null,
              partition: line.partition,
              offset: baseOffset + delta,
              timestampMs: logAppendTimeMs >= 0 ? logAppendTimeMs : timestampMs,
            }
          : failed(code, message, line.partition, timestampMs);
      this.#settle(requests[delta]!, indexes[delta]!, outcome);
    }
  }

  #settle(request: Request, index: number, outcome: ProduceOutcome): void {
    if (typeof request === 'function') {
      this.#requestsUnderWay--;
      request(outcome);
      return;
    }
    request.outcomes[index] = outcome;
    if (--request.remaining > 0) return;
    this.#requestsUnderWay--;
    request.done(request.outcomes);
  }
}

/** The topic's max.message.bytes, or the cluster's limit where that is lower. */
export function messageBytesMaxOf(context: GatewayContext, clusterId: string, topic: TopicEntry): number {
  return Math.min(topicSettings(topic.configs).messageBytesMax, clusterBytesMax(context, clusterId));
}

function clusterBytesMax({ tenancy }: GatewayContext, clusterId: string): number {
  return tenancy.cluster(clusterId)?.limits.messageBytesMax ?? Infinity;
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
