/**
 * Produce commands of one socket, JSON or binary. They are pipelined: a command is passed on without waiting for earlier
 * ones, except while a topic is being created for one of them, because a later command would then overtake it.
 */
import type { AppendResult, TopicEntry } from '../../engine/engine.ts';
import { type Failure, InvalidRequest, Overloaded, ShuttingDown } from '../../engine/kernel/failure.ts';
import { recordCount } from '../../engine/records/batch.ts';
import { NotFound } from '../../tenancy/failures.ts';
import type { Principal } from '../../tenancy/tenancy.ts';
import type { Durations } from '../durations.ts';
import { noPartitionText } from '../failures.ts';
import { kafkaProblem } from '../http/failures.ts';
import { countFailed, outcomeJson } from '../http/produce-replies.ts';
import { admitRequest, heldBackMs, longer, noDelay, refuseLongWait } from '../operations/admit.ts';
import { appendBatch } from '../operations/append.ts';
import type { ProduceOutcome, ProduceRecord } from '../operations/produce.ts';
import { recordOfJson } from '../operations/record-json.ts';
import { splitBatches } from '../operations/split-batches.ts';
import { findOrCreateTopic } from '../operations/first-use.ts';
import { findTopic } from '../operations/topics.ts';
import { decodeProduceFrame, type ProduceFrame } from './binary-frame.ts';
import type { CommandId, ProduceCommand } from './commands.ts';
import type { SessionParts } from './session-parts.ts';

export interface LaneHolder {
  /** The client was told to go: no new command is taken. */
  readonly isLeaving: boolean;
  answer(text: string): void;
  failed(error: unknown, id: CommandId | undefined): void;
}

export class ProduceLane {
  readonly #parts: SessionParts;
  readonly #principal: Principal;
  readonly #holder: LaneHolder;
  readonly #durations: Durations;
  #underWay = 0;
  #bytesUnderWay = 0;
  /** Set while a topic is being created: commands that arrive meanwhile queue behind it. */
  #making: Promise<void> | undefined;

  constructor(parts: SessionParts, principal: Principal, holder: LaneHolder) {
    this.#parts = parts;
    this.#principal = principal;
    this.#holder = holder;
    this.#durations = parts.context.traffic.durations('websocket', 'produce');
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** `bytes`: size of the message. Throws InvalidRequest and Overloaded before anything is stored. */
  take(command: ProduceCommand, id: CommandId | undefined, bytes: number): void {
    const { produceRecordsMax } = this.#parts.context.settings;
    const { records: list, format } = command;
    if (list.length > produceRecordsMax) {
      throw new InvalidRequest(
        'records',
        `${list.length} records in one command; at most ${produceRecordsMax} are allowed`,
      );
    }
    const records = list.map((record, i) => recordOfJson(record, format, `records[${i}]`));
    this.store(command.topic, records, id, bytes);
  }

  /** As `take`, for records that were read already. They may be views of the message. */
  store(topic: string, records: readonly ProduceRecord[], id: CommandId | undefined, bytes: number): void {
    this.#enter(bytes);
    const receivedMs = this.#parts.turn.nowMs();
    this.#withTopic(topic, id, bytes, (entry) => this.#produce(entry, records, id, bytes, receivedMs));
  }

  /** `refusal`: why nothing is stored. */
  takeFrame(data: Buffer, refusal?: Failure): void {
    let id: CommandId | undefined;
    try {
      const frame = decodeProduceFrame(data);
      id = frame.id;
      if (refusal) throw refusal;
      if (this.#holder.isLeaving) throw new ShuttingDown('this gateway is stopping');
      const batches = splitBatches(frame.batches, this.#parts.context.settings.produceRecordsMax);
      admitRequest(this.#parts.context, this.#principal);
      refuseLongWait(this.#parts.context, this.#principal.clusterId);
      this.#enter(data.length);
      const receivedMs = this.#parts.turn.nowMs();
      const append = (topic: TopicEntry): void => this.#append(topic, frame, batches, data.length, receivedMs);
      this.#withTopic(frame.topic, id, data.length, append);
    } catch (error) {
      this.#holder.failed(error, id);
    }
  }

  #enter(bytes: number): void {
    const { producesInFlightMax, produceBytesInFlightMax } = this.#parts.settings;
    if (this.#underWay >= producesInFlightMax) {
      throw new Overloaded(
        `${producesInFlightMax} produce commands of this socket, the most allowed, are unanswered: wait for an answer`,
      );
    }
    if (this.#underWay > 0 && this.#bytesUnderWay + bytes > produceBytesInFlightMax) {
      throw new Overloaded(
        `unanswered produce commands of this socket have more than ${produceBytesInFlightMax} bytes: wait for an answer`,
      );
    }
    const { bodyMemory } = this.#parts;
    const { clusterId } = this.#principal;
    if (!bodyMemory.tryTake(clusterId, bytes)) throw bodyMemory.refusal(clusterId, bytes);
    this.#underWay++;
    this.#bytesUnderWay += bytes;
  }

  #leave(bytes: number): void {
    this.#underWay--;
    this.#bytesUnderWay -= bytes;
    this.#parts.bodyMemory.give(this.#principal.clusterId, bytes);
  }

  #withTopic(name: string, id: CommandId | undefined, bytes: number, act: (topic: TopicEntry) => void): void {
    const { context } = this.#parts;
    const failed = (error: unknown): void => {
      this.#leave(bytes);
      this.#holder.failed(error, id);
    };
    const topic = this.#making ? undefined : findTopic(context, this.#principal, name);
    if (topic) {
      try {
        act(topic);
      } catch (error) {
        failed(error);
      }
      return;
    }
    const making = (this.#making ?? Promise.resolve())
      .then(async () => {
        const made = await findOrCreateTopic(context, this.#principal, name);
        if (!made) throw new NotFound('topic', name);
        act(made);
      })
      .catch(failed)
      .finally(() => {
        if (this.#making === making) this.#making = undefined;
      });
    this.#making = making;
  }

  #produce(
    topic: TopicEntry,
    records: readonly ProduceRecord[],
    id: CommandId | undefined,
    bytes: number,
    receivedMs: number,
  ): void {
    const { producer, turn } = this.#parts;
    const done = (outcomes: readonly ProduceOutcome[]): void => {
      this.#leave(bytes);
      this.#durations.record(turn.nowMs() - receivedMs);
      countFailed(this.#parts.context, 'websocket', outcomes);
      if (id !== undefined) this.#holder.answer(outcomesEvent(id, outcomes));
    };
    if (records.length === 1) producer.produceOne(this.#principal, topic, records[0]!, (outcome) => done([outcome]));
    else producer.produce(this.#principal, topic, records, done);
  }

  #append(topic: TopicEntry, frame: ProduceFrame, batches: readonly Buffer[], bytes: number, receivedMs: number): void {
    const { context, turn } = this.#parts;
    if (frame.partition >= topic.partitions.length) {
      throw new InvalidRequest('partition', noPartitionText(frame.partition, topic));
    }
    const { produceTimeoutMs, quotaWaitMsMax } = context.settings;
    const results: AppendResult[] = [];
    results.length = batches.length;
    let remaining = batches.length;
    let longest = noDelay;
    for (const [index, batch] of batches.entries()) {
      appendBatch(context, this.#principal, topic, frame.partition, batch, produceTimeoutMs, (result, verdict) => {
        results[index] = result;
        longest = longer(longest, verdict);
        if (--remaining > 0) return;
        countFailed(context, 'websocket', results);
        const answer = (): void => {
          this.#leave(bytes);
          this.#durations.record(turn.nowMs() - receivedMs);
          this.#holder.answer(resultsEvent(frame, batches, results));
        };
        const waitMs = heldBackMs(context, this.#principal.clusterId, longest, quotaWaitMsMax);
        if (waitMs > 0) context.clock.after(waitMs, answer);
        else answer();
      });
    }
  }
}

function outcomesEvent(id: CommandId, outcomes: readonly ProduceOutcome[]): string {
  let results = '';
  let failed = 0;
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i]!;
    if (outcome.errorCode !== 0) failed++;
    results += (i === 0 ? '' : ',') + outcomeJson(outcome);
  }
  return `{"event":"ok","id":${JSON.stringify(id)},"results":[${results}],"failed":${failed}}`;
}

function resultsEvent(
  { id, partition }: ProduceFrame,
  batches: readonly Buffer[],
  results: readonly AppendResult[],
): string {
  let rendered = '';
  let failed = 0;
  for (let i = 0; i < results.length; i++) {
    const { errorCode, errorMessage, baseOffset } = results[i]!;
    if (errorCode !== 0) failed++;
    rendered += `${i === 0 ? '' : ','}{"partition":${partition},`;
    rendered +=
      errorCode === 0
        ? `"base_offset":${baseOffset},"records":${recordCount(batches[i]!, 0)}}`
        : `"error":${JSON.stringify(kafkaProblem(errorCode, errorMessage))}}`;
  }
  return `{"event":"ok","id":${id},"results":[${rendered}],"failed":${failed}}`;
}
