/**
 * Produce (key 0) at the owner: one record batch per entry; entries of one partition in order. A batch is judged by its
 * header and checksum alone. Its records are examined only in compacted topics, where each record must have a key (87),
 * where the topic names another codec than the batch's, and where the header's times contradict each other (look-inside.ts).
 *
 * A refusal of single records names them (KIP-467). Only for this is a batch with a time outside the window opened.
 *
 * Refused: no or several batches in an entry, wrong checksum or counts, control batches, batches over max.message.bytes
 * (10), transactional batches (48: there is no transaction coordinator), timestamps outside the topic's window (32).
 */
import type { Clock } from '../../kernel/clock.ts';
import type { SharedFrame } from '../../kernel/frame-pool.ts';
import type { ProduceRequest, ProduceResponse } from '../../protocol/messages/00-produce.ts';
import { errorCode } from '../../protocol/error-codes.ts';
import {
  attributeBit,
  batchField,
  type BatchHeader,
  batchHeaderBytes,
  clearLogAppendTime,
  isBatchFault,
  readBatchHeader,
  validateBatch,
} from '../../records/batch.ts';
import { readI32 } from '../../records/bytes.ts';
import { type TopicSettings, topicSettings } from '../../topic-configs.ts';
import type { AppendOutcome, PartitionLog } from '../../log/log.ts';
import type { TopicEntry } from '../../engine.ts';
import { validateRecords } from '../../records/decode.ts';
import { afterLook, isTimeRefused, unlessUnable } from '../look-inside.ts';
import type { Owned, Ownership } from '../ownership.ts';

type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number];

/** Calls `respond` once every entry has its answer. `frame` is the memory that the batches are views of. */
export function produce(
  ownership: Ownership,
  clock: Clock,
  request: ProduceRequest,
  frame: SharedFrame,
  respond: (response: ProduceResponse) => void,
): void {
  const nowMs = clock.wallMs();
  const response: ProduceResponse = {
    responses: request.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(({ index }) => refusal(index, errorCode.unknownServerError, null)),
    })),
    throttleTimeMs: 0,
    nodeEndpoints: [],
  };
  let open = 1;
  const settle = (): void => {
    if (--open > 0) return;
    respond(response);
    frame.drop();
  };
  for (const [t, topic] of request.topicData.entries()) {
    const answers = response.responses[t]!.partitionResponses;
    for (const [p, { index, records }] of topic.partitionData.entries()) {
      open++;
      const reply = (response: PartitionResponse): void => {
        answers[p] = response;
        settle();
      };
      const batch = records as Buffer | null;
      const use = (owned: Owned): void => {
        if ('errorCode' in owned) reply(refusal(index, owned.errorCode, null));
        else take(owned, { index, batch, nowMs, frame }, reply);
      };
      ownership.with(topic.topicId, index, use, sentEpochOf(batch));
    }
  }
  settle();
}

/** The epoch at which the router sent the batch, which the router wrote into it. */
function sentEpochOf(batch: Buffer | null): number {
  return batch && batch.length >= batchHeaderBytes ? readI32(batch, batchField.leaderEpoch) : -1;
}

interface Entry {
  readonly index: number;
  readonly batch: Buffer | null;
  readonly nowMs: number;
  readonly frame: SharedFrame;
}

type Reply = (response: PartitionResponse) => void;

function take({ log, topic }: Exclude<Owned, { errorCode: number }>, entry: Entry, reply: Reply): void {
  const { index, batch } = entry;
  const judged = batch ? judge(batch, topic, entry.nowMs) : noBatch;
  const settings = settingsFor(topic);
  if ('refused' in judged) {
    const start = judged.isOfLog ? log.startOffset : unknownOffset;
    const refuse = (recordIndexes?: readonly number[]): void =>
      reply({ ...refusal(index, judged.refused, judged.message, recordIndexes), logStartOffset: start });
    const { refusesTime } = judged;
    if (refusesTime) void recordsAtFault(batch!, settings.requiresKeys, refusesTime).then(refuse);
    else refuse();
    return;
  }
  afterLook(log, batch!, settings, entry.nowMs, (looked) => {
    if (looked === batch) append(log, { index, batch, header: judged, frame: entry.frame }, entry.nowMs, reply);
    else if (!('errorCode' in looked)) {
      append(log, { index, batch: looked, header: readBatchHeader(looked), frame: undefined }, entry.nowMs, reply);
    } else {
      const refused = refusal(index, looked.errorCode, looked.message, looked.recordIndexes);
      reply({ ...refused, logStartOffset: log.startOffset });
    }
  });
}

/** None when the records cannot be read: the header alone was enough to refuse the batch. */
async function recordsAtFault(
  batch: Buffer,
  requiresKey: boolean,
  refusesTime: (timestampMs: number) => boolean,
): Promise<readonly number[]> {
  const facts = await validateRecords(batch, { requiresKey, refusesTime }).catch(unlessUnable);
  return 'recordIndexes' in facts ? (facts.recordIndexes ?? []) : [];
}

interface Accepted {
  readonly index: number;
  readonly batch: Buffer;
  readonly header: BatchHeader;
  /** The frame that `batch` is a view of, if any. */
  readonly frame: SharedFrame | undefined;
}

function append(log: PartitionLog, { index, batch, header, frame }: Accepted, nowMs: number, reply: Reply): void {
  // When it was sent at another epoch, its order among its neighbours is unknown.
  if (header.leaderEpoch >= 0 && header.leaderEpoch !== log.leaderEpoch) {
    reply(refusal(index, errorCode.notLeaderOrFollower, null));
    return;
  }
  log.traffic.wrote(batch.length);
  // The log drops it when it lets go of the batch. For a refused batch, the garbage collector takes it.
  frame?.hold();
  log.append(batch, header, nowMs, (outcome) => reply(answer(index, outcome)), frame);
}

interface Refused {
  readonly refused: number;
  readonly message: string;
  readonly isOfLog?: boolean | undefined;
  /** Selects the timestamps that caused the refusal. */
  readonly refusesTime?: (timestampMs: number) => boolean;
}

const unknownOffset = -1;
const noBatch: Refused = { refused: errorCode.invalidRecord, message: 'no record batch was sent for this partition' };

/** Settings are parsed once per topic entry: a changed config arrives as a new entry. */
const settingsOf = new WeakMap<TopicEntry, TopicSettings>();

function settingsFor(topic: TopicEntry): TopicSettings {
  let settings = settingsOf.get(topic);
  if (!settings) {
    settings = topicSettings(topic.configs);
    settingsOf.set(topic, settings);
  }
  return settings;
}

function judge(batch: Buffer, topic: TopicEntry, nowMs: number): BatchHeader | Refused {
  const settings = settingsFor(topic);
  const header = validateBatch(batch, { batchBytesMax: settings.messageBytesMax });
  if (isBatchFault(header)) return { refused: header.errorCode, message: header.message, isOfLog: header.isOfLog };
  if (header.attributes & attributeBit.transactional) {
    return { refused: errorCode.invalidTxnState, message: 'transactions are not supported' };
  }
  // A largest time below the first one is wrong: then the records are looked at.
  const firstMs = header.baseTimestamp;
  const maxMs = Math.max(firstMs, header.maxTimestamp);
  const isOutside = isTimeRefused(maxMs, nowMs, settings);
  if (isOutside || isTimeRefused(firstMs, nowMs, settings)) {
    const message = `timestamp ${isOutside ? maxMs : firstMs} is outside the range that the topic accepts`;
    const refusesTime = (timestampMs: number): boolean => isTimeRefused(timestampMs, nowMs, settings);
    return { refused: errorCode.invalidTimestamp, message, isOfLog: true, refusesTime };
  }
  return header.attributes & attributeBit.logAppendTime ? withOwnTimes(batch, header, settings) : header;
}

/**
 * For a batch that claims LogAppendTime. Like Kafka, refuses it in a topic that sets its own timestamps, and accepts it
 * in others.
 */
function withOwnTimes(batch: Buffer, header: BatchHeader, { timestampType }: TopicSettings): BatchHeader | Refused {
  if (timestampType === 'LogAppendTime') {
    const message = 'producers cannot set the timestamp type LogAppendTime';
    return { refused: errorCode.invalidTimestamp, message, isOfLog: true, refusesTime: () => true };
  }
  clearLogAppendTime(batch, 0);
  return { ...header, attributes: header.attributes & ~attributeBit.logAppendTime };
}

function answer(index: number, outcome: AppendOutcome): PartitionResponse {
  return {
    index,
    errorCode: outcome.errorCode,
    baseOffset: outcome.baseOffset,
    logAppendTimeMs: outcome.logAppendTimeMs,
    logStartOffset: outcome.logStartOffset,
    recordErrors: [],
    errorMessage: outcome.errorMessage,
    currentLeader: noLeader,
  };
}

const noLeader = { leaderId: -1, leaderEpoch: -1 };

function refusal(
  index: number,
  code: number,
  message: string | null,
  recordIndexes: readonly number[] = [],
): PartitionResponse {
  return {
    index,
    errorCode: code,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: recordIndexes.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: null })),
    errorMessage: message,
    currentLeader: noLeader,
  };
}
