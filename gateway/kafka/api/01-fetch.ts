/**
 * Fetch (key 1): v4-v18. Back: gateway/operations/fetch.ts, engine/broker/api/01-fetch.ts.
 *
 * Limits are clamped to the door's and the cluster's. Sessions (v7) are kept per connection. Absent: aborted transactions
 * (there are none), preferred read replicas (v11) and node endpoints (v16): any virtual broker serves any partition.
 */
import type { FetchedPartition, FetchPartition, TopicEntry } from '../../../engine/engine.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import { type FetchRequest, type FetchResponse, noSegment } from '../../../engine/protocol/messages/01-fetch.ts';
import { tenantName } from '../../../tenancy/naming.ts';
import { noDelay } from '../../operations/admit.ts';
import { type Fetched, fetchPartitions } from '../../operations/fetch.ts';
import { findTopic } from '../../operations/topics.ts';
import { leaderOf } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { type Reading, readingKey, type SessionStep } from '../fetch-sessions.ts';
import { findAsked, hasPartition } from '../topic-view.ts';
import { requestsBeside } from '../../weight.ts';

type PartitionResponse = FetchResponse['responses'][number]['partitions'][number];

const firstIdVersion = 13;
/** From this version on the answer names the leader of a partition that moved (KIP-951). */
const firstLeaderVersion = 12;
const firstSessionVersion = 7;

export const fetch = api(
  1,
  { from: 4, to: 18, beside: 'fetch' },
  (call, request) => {
    const step = call.fetchSessions.step(request, call.version >= firstIdVersion);
    if (step.kind === 'error') return topLevel(step.errorCode);
    // Partitions that its session remembers are read as if the request had named them.
    if (step.kind === 'incremental') call.charge(requestsBeside(step.readings.size));
    return readAll(call, request, step);
  },
  (request, { errorCode: code }, { version }) => {
    if (version >= firstSessionVersion) return topLevel(code);
    const responses = request.topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map(({ partition }) => refusal(partition, code)),
    }));
    return { ...topLevel(errorCode.none), responses };
  },
);

function topLevel(code: number): FetchResponse {
  return { throttleTimeMs: 0, errorCode: code, sessionId: 0, responses: [], nodeEndpoints: [] };
}

interface Part {
  readonly reading: Reading;
  readonly topic: TopicEntry | undefined;
  readonly fault: number;
}

async function readAll(
  call: Call,
  request: FetchRequest,
  step: Exclude<SessionStep, { kind: 'error' }>,
): Promise<FetchResponse> {
  const { context, principal } = call;
  const parts = [...step.readings.values()].map((reading) => partOf(call, reading));
  const asked: FetchPartition[] = [];
  for (const { reading, topic, fault } of parts) if (topic && fault === errorCode.none) asked.push(ask(topic, reading));
  const isFaulty = asked.length < parts.length;
  const limits = context.tenancy.cluster(principal.clusterId)?.limits;
  const room = call.door.outboxBudget.roomFor(call.principal.clusterId);
  const bytesMax = Math.min(context.settings.fetchBytesMax, limits?.fetchBytesMax ?? Infinity, room);
  // Its partitions are counted as long as it waits. Without room for more it does not wait, just as an error, which is
  // news, is answered at once.
  const mayWait = !isFaulty && call.door.awaited.tryTake(principal.clusterId, parts.length);
  let read: Fetched = { partitions: [], verdict: noDelay };
  try {
    if (asked.length > 0) {
      read = await fetchPartitions(context, principal, asked, {
        maxWaitMs: mayWait ? Math.min(Math.max(request.maxWaitMs, 0), context.settings.fetchWaitMsMax) : 0,
        minBytes: request.minBytes,
        maxBytes: Math.max(0, Math.min(request.maxBytes, bytesMax)),
        cancellation: call.cancellation,
      });
    }
  } finally {
    if (mayWait) call.door.awaited.give(principal.clusterId, parts.length);
  }
  // Many long polls may end together.
  return context.turns.goOn(principal.clusterId, () => answerAll(call, request, step, parts, read));
}

function answerAll(
  call: Call,
  request: FetchRequest,
  step: Exclude<SessionStep, { kind: 'error' }>,
  parts: readonly Part[],
  { partitions, verdict }: Fetched,
): FetchResponse {
  call.throttle(verdict);
  call.answerFrames = partitions.flatMap(({ frames }) => frames ?? []);
  const fetched = new Map<string, FetchedPartition>();
  for (const partition of partitions) fetched.set(readingKey(partition.topicId, partition.partition), partition);
  return respond(call, request, step, parts, fetched);
}

function partOf(call: Call, reading: Reading): Part {
  const { topic: name, topicId, partition } = reading;
  const found = findAsked(call.context, call.principal, { name, topicId }, call.version >= firstIdVersion);
  if ('errorCode' in found) return { reading, topic: undefined, fault: goneFault(call, reading) ?? found.errorCode };
  reading.foundAs = tenantName(call.principal.clusterId, found.topic.name);
  const fault = hasPartition(found.topic, partition) ? errorCode.none : errorCode.unknownTopicOrPartition;
  return { reading, topic: found.topic, fault };
}

/** The topic is gone, or another topic has its name: Kafka tells both from an id that never existed. */
function goneFault({ context, principal }: Call, { foundAs, partition }: Reading): number | undefined {
  if (foundAs === undefined) return undefined;
  const successor = findTopic(context, principal, foundAs);
  // Kafka looks up the partition by name before it looks at the id.
  const isThere = successor !== undefined && hasPartition(successor, partition);
  return isThere ? errorCode.inconsistentTopicId : errorCode.unknownTopicOrPartition;
}

function ask({ topicId }: TopicEntry, reading: Reading): FetchPartition {
  return {
    topicId,
    partition: reading.partition,
    offset: reading.offset,
    maxBytes: Math.max(0, reading.maxBytes),
    currentLeaderEpoch: reading.currentLeaderEpoch,
    lastFetchedEpoch: reading.lastFetchedEpoch,
  };
}

function respond(
  call: Call,
  request: FetchRequest,
  step: Exclude<SessionStep, { kind: 'error' }>,
  parts: readonly Part[],
  fetched: ReadonlyMap<string, FetchedPartition>,
): FetchResponse {
  const usesIds = call.version >= firstIdVersion;
  const response = topLevel(errorCode.none);
  response.sessionId = step.session?.id ?? 0;
  const topics = new Map<string, FetchResponse['responses'][number]>();
  for (const { reading, topic, fault } of parts) {
    const partition = topic && fetched.get(readingKey(topic.topicId, reading.partition));
    const answer =
      partition && topic
        ? answerOf(call, topic, partition, request.isolationLevel)
        : refusal(reading.partition, fault || errorCode.unknownServerError);
    const hasRecords = partition !== undefined && partition.records.length > 0;
    // The owner has not answered in time: nothing is known, so there is no news.
    if (step.kind === 'incremental' && partition?.isStale) continue;
    const isNews =
      hasRecords ||
      answer.errorCode !== errorCode.none ||
      answer.highWatermark !== reading.toldHighWatermark ||
      answer.logStartOffset !== reading.toldLogStartOffset;
    if (step.kind === 'incremental' && !isNews) continue;
    reading.toldHighWatermark = answer.highWatermark;
    reading.toldLogStartOffset = answer.logStartOffset;
    const key = readingKey(usesIds ? reading.topicId : reading.topic, reading.partition);
    // Partitions that got records move behind those that did not, so that a full answer starves none. A new session already
    // has an order: that of the request, followed by the partitions that cannot be read at all. Apache Kafka does the same.
    if (step.kind === 'incremental' ? hasRecords : step.session && fault !== errorCode.none) {
      step.readings.delete(key);
      step.readings.set(key, reading);
    }
    const topicKey = usesIds ? reading.topicId : reading.topic;
    let group = topics.get(topicKey);
    if (!group) {
      group = { topic: reading.topic, topicId: reading.topicId, partitions: [] };
      topics.set(topicKey, group);
      response.responses.push(group);
    }
    group.partitions.push(answer);
  }
  return response;
}

const unknownOffset = -1;
const readCommitted = 1;
const noEpoch = { epoch: -1, endOffset: -1 };
const noLeader = { leaderId: -1, leaderEpoch: -1 };
const noSnapshot = { endOffset: -1, epoch: -1 };

function answerOf(
  { version }: Call,
  topic: TopicEntry,
  fetched: FetchedPartition,
  isolationLevel: number,
): PartitionResponse {
  const { partition, errorCode: code } = fetched;
  const isGood = code === errorCode.none;
  const isMoved = code === errorCode.notLeaderOrFollower || code === errorCode.fencedLeaderEpoch;
  return {
    partitionIndex: partition,
    errorCode: code,
    // With an error Kafka reports nothing about the log.
    highWatermark: isGood ? fetched.highWatermark : unknownOffset,
    lastStableOffset: isGood ? fetched.lastStableOffset : unknownOffset,
    logStartOffset: isGood ? fetched.logStartOffset : unknownOffset,
    divergingEpoch: noEpoch,
    // An older client learns the leader from its next metadata request.
    currentLeader:
      isMoved && version >= firstLeaderVersion
        ? { leaderId: leaderOf(topic, partition), leaderEpoch: topic.partitions[partition]!.leaderEpoch }
        : noLeader,
    snapshotId: noSnapshot,
    abortedTransactions: isGood && isolationLevel === readCommitted ? [] : null,
    preferredReadReplica: -1,
    records: fetched.records,
    segment: noSegment,
    following: [],
  };
}

function refusal(partitionIndex: number, code: number): PartitionResponse {
  return {
    partitionIndex,
    errorCode: code,
    highWatermark: unknownOffset,
    lastStableOffset: unknownOffset,
    logStartOffset: unknownOffset,
    divergingEpoch: noEpoch,
    currentLeader: noLeader,
    snapshotId: noSnapshot,
    // Null for errors that Kafka detects only at the log.
    abortedTransactions: code === errorCode.inconsistentTopicId ? null : [],
    preferredReadReplica: -1,
    records: [],
    segment: noSegment,
    following: [],
  };
}
