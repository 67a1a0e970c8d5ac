/**
 * Produce (key 0): v3-v13, claimed from v0. Back: gateway/operations/append.ts, engine/broker/api/00-produce.ts.
 *
 * Refused: acks outside {-1, 0, 1} (21); zstd below v7 (76); transactional batches (53: there is no transaction
 * coordinator); requests and batches over the cluster's limits (10). The broker validates the contents of a batch. A
 * transactional id beside batches of no transaction means nothing, as to Kafka: brod writes "" where others write null.
 * Absent: node endpoints (v10: the addresses never change). With acks=0 there is no answer, so a failed batch ends the
 * connection.
 */
import { assert } from '../../../engine/kernel/assert.ts';
import { errorCode, errorName, toKafkaCode } from '../../../engine/protocol/error-codes.ts';
import type { ProduceRequest, ProduceResponse } from '../../../engine/protocol/messages/00-produce.ts';
import {
  baseOffset,
  batchField,
  batchHeaderBytes,
  batchMagic,
  codec,
  compression,
  framingFault,
  isTransactional,
} from '../../../engine/records/batch.ts';
import type { ClusterLimits } from '../../../tenancy/tenancy.ts';
import { appendBatch } from '../../operations/append.ts';
import { leaderOf } from '../advertised.ts';
import { api, type Call, Unanswerable } from '../api.ts';
import { findAsked, hasPartition } from '../topic-view.ts';
import type { TopicEntry } from '../../../engine/engine.ts';

type Topic = ProduceRequest['topicData'][number];
type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number];

const firstZstdVersion = 7;
const firstIdVersion = 13;
/** From this version on the answer names the leader of a partition that moved (KIP-951). */
const firstLeaderVersion = 10;

/** An acks=0 batch that failed: the client learns of it when its connection ends, as with Kafka. */
export class UnacknowledgedFailed extends Unanswerable {}

export const produce = api(
  0,
  // The operation charges the request together with each partition.
  { from: 3, to: 13, charge: 'own', queues: false },
  (call, request) => {
    const limits = call.context.tenancy.cluster(call.principal.clusterId)?.limits;
    const refused = refusedWhole(call, request, limits);
    if (refused) return unlessUnacknowledged(call, request, refuseAll(request, refused[0], refused[1]));
    return append(call, request, limits?.messageBytesMax ?? 0);
  },
  (request, { errorCode: code, message }, call) =>
    unlessUnacknowledged(call, request, refuseAll(request, code, message)),
);

/** The same verdict for every partition. */
function refusedWhole(
  call: Call,
  request: ProduceRequest,
  limits: ClusterLimits | undefined,
): [code: number, message: string] | undefined {
  if (hasTransactionalBatches(request)) {
    return [
      errorCode.transactionalIdAuthorizationFailed,
      'Transactions are not supported: use an idempotent producer without a transactional.id',
    ];
  }
  if (limits && call.requestBytes > limits.requestBytesMax) {
    return [
      errorCode.messageTooLarge,
      `the request has ${call.requestBytes} bytes; at most ${limits.requestBytesMax} are allowed`,
    ];
  }
  return undefined;
}

/** Validated as Kafka does, by the first batch of each partition; anything that is not a v2 batch has its own errors. */
function hasTransactionalBatches({ topicData }: ProduceRequest): boolean {
  return topicData.some(({ partitionData }) =>
    partitionData.some(
      ({ records }) =>
        records !== null &&
        records.length >= batchHeaderBytes &&
        records[batchField.magic] === batchMagic &&
        isTransactional(records, 0),
    ),
  );
}

/** Hands over every append before it returns, so the requests of a connection reach the engine in their order. */
function append(call: Call, request: ProduceRequest, batchBytesMax: number): Promise<ProduceResponse | undefined> {
  return new Promise((resolve, reject) => {
    const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: Array.from<PartitionResponse>({ length: partitionData.length }),
    }));
    const response: ProduceResponse = { responses, throttleTimeMs: 0, nodeEndpoints: [] };
    let open = 1;
    let isFree = true;
    const settle = (recordsAreFree: boolean): void => {
      if (!recordsAreFree) isFree = false;
      if (--open > 0) return;
      call.frameIsFree = isFree;
      try {
        resolve(unlessUnacknowledged(call, request, response));
      } catch (error) {
        reject(error as Error);
      }
    };
    for (const [t, topic] of request.topicData.entries()) {
      open += topic.partitionData.length;
      appendTopic(call, request, batchBytesMax, topic, responses[t]!.partitionResponses, settle);
    }
    settle(true);
  });
}

function appendTopic(
  call: Call,
  request: ProduceRequest,
  batchBytesMax: number,
  asked: Topic,
  answers: PartitionResponse[],
  settle: (recordsAreFree: boolean) => void,
): void {
  const { context, principal, version } = call;
  const found = findAsked(context, principal, asked, version >= firstIdVersion);
  for (const [p, { index, records }] of asked.partitionData.entries()) {
    const firstFault =
      'errorCode' in found
        ? found.errorCode
        : requestFault(version, found.topic, index, records) ||
          acksFault(request.acks, records!) ||
          batchFault(batchBytesMax, records!);
    const fault = firstFault === errorCode.none ? firstFault : worstOf(firstFault, records);
    if (fault !== errorCode.none || 'errorCode' in found) {
      answers[p] = refusal(index, fault, null);
      settle(true);
      continue;
    }
    assert(Buffer.isBuffer(records), 'decoded records are a view of the frame');
    const { topic } = found;
    appendBatch(context, principal, topic, index, records, request.timeoutMs, (result, verdict, recordsAreFree) => {
      call.throttle(verdict);
      const code = toKafkaCode(result.errorCode);
      answers[p] = {
        index,
        errorCode: code,
        baseOffset: result.baseOffset,
        logAppendTimeMs: result.logAppendTimeMs,
        logStartOffset: result.logStartOffset,
        recordErrors: (result.recordIndexes ?? []).map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: null })),
        errorMessage: result.errorMessage,
        // An older client learns the leader from its next metadata request.
        currentLeader:
          code === errorCode.notLeaderOrFollower && version >= firstLeaderVersion ? leader(topic, index) : noLeader,
      };
      settle(recordsAreFree);
    });
  }
}

/** The checks that Kafka makes before it looks at the acks. */
function requestFault(version: number, topic: TopicEntry, partition: number, records: Uint8Array | null): number {
  if (!hasPartition(topic, partition)) return errorCode.unknownTopicOrPartition;
  if (records === null || records.length === 0) return errorCode.invalidRecord;
  // As in Kafka, a codec that does not exist is detected at the same point as one that is too new for the version.
  const isYoung = records.length >= batchHeaderBytes && compression(records, 0) >= codec.zstd;
  return isYoung && version < firstZstdVersion ? errorCode.unsupportedCompressionType : errorCode.none;
}

/** The checks that Kafka makes at the log. */
function batchFault(batchBytesMax: number, records: Uint8Array): number {
  // A producer counts from 0. Check it here and not at the broker, where a replay arrives with the offset of its first try.
  if (records.length >= batchHeaderBytes && baseOffset(records, 0) !== 0) return errorCode.invalidRecord;
  return records.length > batchBytesMax ? errorCode.messageTooLarge : errorCode.none;
}

/** As in Kafka, the check that the bytes are a batch at all comes first. */
function worstOf(fault: number, records: Uint8Array | null): number {
  const misframed = records ? framingFault(records)?.errorCode : undefined;
  return misframed === errorCode.corruptMessage ? misframed : fault;
}

/** As in Kafka, an entry without any batch is detected before the acks are checked. */
function acksFault(acks: number, records: Uint8Array): number {
  if (acks >= -1 && acks <= 1) return errorCode.none;
  return framingFault(records)?.errorCode ?? errorCode.invalidRequiredAcks;
}

const noLeader = { leaderId: -1, leaderEpoch: -1 };

function leader(topic: TopicEntry, partition: number): { leaderId: number; leaderEpoch: number } {
  return { leaderId: leaderOf(topic, partition), leaderEpoch: topic.partitions[partition]!.leaderEpoch };
}

function refusal(index: number, code: number, errorMessage: string | null): PartitionResponse {
  return {
    index,
    errorCode: code,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage,
    currentLeader: noLeader,
  };
}

function refuseAll(request: ProduceRequest, code: number, message: string): ProduceResponse {
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => refusal(index, code, message)),
  }));
  return { responses, throttleTimeMs: 0, nodeEndpoints: [] };
}

/** Throws UnacknowledgedFailed. */
function unlessUnacknowledged(
  { context }: Call,
  request: ProduceRequest,
  response: ProduceResponse,
): ProduceResponse | undefined {
  if (request.acks !== 0) return response;
  for (const { partitionResponses } of response.responses) {
    for (const { errorCode: code, index } of partitionResponses) {
      if (code === errorCode.none) continue;
      context.traffic.failedInside('kafka', 'Produce', errorName(code));
      throw new UnacknowledgedFailed(`acks=0 and error ${code} in partition ${index}`);
    }
  }
  return undefined;
}
