/**
 * Metadata (key 3): v0-v13. Answered from the catalogue with the virtual brokers; it holds no topic of another cluster and
 * no internal topic. Before v9 there may be only one broker (advertised.ts). Creates topics on the way where the client and
 * the cluster allow it.
 */
import type { TopicEntry } from '../../../engine/engine.ts';
import { nextTurn } from '../../../engine/kernel/clock.ts';
import { InvalidRequest } from '../../../engine/kernel/failure.ts';
import { inTime, late } from '../../../engine/kernel/request-time.ts';
import { zeroUuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type { MetadataRequest, MetadataResponse } from '../../../engine/protocol/messages/03-metadata.ts';
import { QuotaExceeded } from '../../../tenancy/failures.ts';
import { tenantName, topicNameFault } from '../../../tenancy/naming.ts';
import { findOrCreateTopic } from '../../operations/first-use.ts';
import { findTopic, findTopicById, topicsOf } from '../../operations/topics.ts';
import { overTurns } from '../../several-turns.ts';
import { controllerId, type VirtualBroker } from '../advertised.ts';
import { api, type Call } from '../api.ts';
import { firstOfEach } from '../asked-once.ts';
import { type ChangeTime, changeTime } from '../change-topics.ts';
import { refusalOf } from '../failures.ts';
import { clusterOperations, noOperations, partitionView, topicOperations } from '../topic-view.ts';
import { requestsForShown } from '../../weight.ts';

type Asked = NonNullable<MetadataRequest['topics']>[number];
type Topic = MetadataResponse['topics'][number];
/** A topic of the tenant, or the answer that explains why there is none. */
type Found = { readonly name: string; readonly topic: TopicEntry } | Topic;

const firstIdVersion = 12;
const firstManyBrokersVersion = 9;

export const metadata = api(
  3,
  { from: 0, to: 13 },
  async (call, request) => {
    const { context, principal } = call;
    checkNames(call, request);
    const isAll = request.topics === null || (call.version === 0 && request.topics.length === 0);
    const operations = request.includeTopicAuthorizedOperations ? topicOperations : noOperations;
    const found: Found[] = [];
    if (isAll) {
      for (const [name, topic] of topicsOf(context, principal)) found.push({ name, topic });
    } else {
      // One after the other: each may create a topic, and the quota applies in the order of the request.
      const change = changeTime(call, context.settings.quotaWaitMsMax);
      const whole = changeTime(call, call.door.settings.autoCreateMsMax);
      const mayCreate = request.allowAutoTopicCreation
        ? { waitMsMax: change.waitMsMax, leftMs: whole.leftMs }
        : undefined;
      for (const asked of firstOfEach(request.topics ?? [], ({ name, topicId }) => topicId + (name ?? ''))) {
        found.push(await find(call, asked, mayCreate));
        if (found.length % namesPerTurnMax === 0) await nextTurn(context.clock);
      }
    }
    const topics = await show(call, found, operations);
    return { ...cluster(call, request.includeClusterAuthorizedOperations), topics };
  },
  (request, { errorCode: code }, call) => ({
    ...cluster(call, false),
    // Before topics can be asked for by id, the answer has no null for a name.
    topics: (request.topics ?? []).map(({ name, topicId }) =>
      unknown(call.version < firstIdVersion ? (name ?? '') : name, topicId, code),
    ),
    errorCode: code,
  }),
);

/** Versions 10 and 11 have a field for the topic's id, and Kafka refuses whoever uses it. */
function checkNames({ version }: Call, { topics }: MetadataRequest): void {
  if (version >= firstIdVersion || !topics) return;
  if (topics.some(({ name, topicId }) => name === null || topicId !== zeroUuid))
    throw new InvalidRequest('topics', `Version ${version} asks for topics by name only.`);
}

/** Some 5 ms of work each. */
const partitionsPerTurnMax = 5_000;
const namesPerTurnMax = 5_000;

function show(call: Call, found: readonly Found[], operations: number): Promise<Topic[]> {
  const partitionsOf = (each: Found): number => ('topic' in each ? 1 + each.topic.partitions.length : 1);
  call.charge(requestsForShown(found.reduce((sum, each) => sum + partitionsOf(each), 0)));
  const { turns } = call.context;
  const { clusterId } = call.principal;
  const lanes = call.door.largeAnswers;
  return overTurns(
    found,
    { unitsOf: partitionsOf, unitsPerTurnMax: partitionsPerTurnMax, lanes, turns, clusterId },
    (each) => ('topic' in each ? known(call, each.name, each.topic, operations) : each),
  );
}

function onlyBroker({ door, version }: Call): VirtualBroker | undefined {
  return version < firstManyBrokersVersion ? door.advertised.only : undefined;
}

function cluster(call: Call, withOperations: boolean): MetadataResponse {
  const { door, principal } = call;
  const only = onlyBroker(call);
  return {
    throttleTimeMs: 0,
    brokers: (only ? [only] : door.advertised.brokers).map((broker) => ({ ...broker })),
    clusterId: principal.clusterId,
    controllerId,
    topics: [],
    clusterAuthorizedOperations: withOperations ? clusterOperations : noOperations,
    errorCode: errorCode.none,
  };
}

/** `mayCreate`: the time for creating the topic, when it may be created. */
async function find(call: Call, asked: Asked, mayCreate: ChangeTime | undefined): Promise<Found> {
  const { context, principal, version } = call;
  const { name, topicId } = asked;
  if (name === null || (version >= firstIdVersion && topicId !== zeroUuid)) {
    const topic = findTopicById(context, principal, topicId);
    const found = topic && tenantName(principal.clusterId, topic.name);
    if (!topic || found === undefined) return unknown(null, topicId, errorCode.unknownTopicId);
    return { name: found, topic };
  }
  if (topicNameFault(name) !== undefined) return unknown(name, zeroUuid, errorCode.invalidTopicException);
  const topic = findTopic(context, principal, name);
  if (topic) return { name, topic };
  if (!mayCreate) return unknown(name, zeroUuid, errorCode.unknownTopicOrPartition);
  try {
    // Kafka creates topics after its answer, and clients told so ask again: do not hold the request for many or slow ones.
    const leftMs = mayCreate.leftMs();
    const made =
      leftMs <= 0
        ? late
        : await inTime(context.clock, leftMs, findOrCreateTopic(context, principal, name, mayCreate.waitMsMax()));
    if (made === late) return unknown(name, zeroUuid, errorCode.leaderNotAvailable);
    return made ? { name, topic: made } : unknown(name, zeroUuid, errorCode.unknownTopicOrPartition);
  } catch (error) {
    // The topic's turn will come: answer as Kafka does while a topic is created; clients ask again. The rest is known now.
    if (error instanceof QuotaExceeded && error.quota === 'topicMutationsPerSecondMax') {
      return unknown(name, zeroUuid, errorCode.leaderNotAvailable);
    }
    const refusal = refusalOf(error, principal);
    call.refused(refusal);
    return unknown(name, zeroUuid, refusal.errorCode);
  }
}

function known(call: Call, name: string, topic: TopicEntry, topicAuthorizedOperations: number): Topic {
  const only = onlyBroker(call);
  const partitions = topic.partitions.map((partition) => partitionView(topic, partition, only?.nodeId));
  // Just created and not placed yet: clients ask again in a moment.
  const isUnled = partitions.every(({ leaderId }) => leaderId < 0);
  return {
    errorCode: isUnled ? errorCode.leaderNotAvailable : errorCode.none,
    name,
    topicId: topic.topicId,
    isInternal: false,
    partitions,
    topicAuthorizedOperations,
  };
}

function unknown(name: string | null, topicId: string, code: number): Topic {
  return {
    errorCode: code,
    name,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: noOperations,
  };
}
