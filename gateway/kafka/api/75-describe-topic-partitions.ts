/**
 * DescribeTopicPartitions (key 75): v0. Like Metadata, in pages: topics in name order from the cursor on, at most
 * responsePartitionLimit partitions in one answer. An empty list means all topics of the tenant.
 */
import type { TopicEntry } from '../../../engine/engine.ts';
import { zeroUuid } from '../../../engine/kernel/uuid.ts';
import { errorCode } from '../../../engine/protocol/error-codes.ts';
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../../engine/protocol/messages/75-describe-topic-partitions.ts';
import { topicNameFault } from '../../../tenancy/naming.ts';
import { findTopic, topicsOf } from '../../operations/topics.ts';
import { api, type Call } from '../api.ts';
import { noOperations, partitionView, topicOperations } from '../topic-view.ts';

type Topic = DescribeTopicPartitionsResponse['topics'][number];

/** Kafka's max.request.partition.size.limit. */
const partitionsMax = 2_000;

export const describeTopicPartitions = api(
  75,
  { from: 0, to: 0 },
  (call, request) => {
    if (request.cursor && request.cursor.partitionIndex < 0) return refuseAll(request, errorCode.invalidRequest);
    const response: DescribeTopicPartitionsResponse = { throttleTimeMs: 0, topics: [], nextCursor: null };
    let left = Math.max(1, Math.min(request.responsePartitionLimit, partitionsMax));
    for (const [name, topic] of asked(call, request)) {
      if (left === 0) {
        response.nextCursor = { topicName: name, partitionIndex: 0 };
        break;
      }
      if (!topic) {
        response.topics.push(unknown(name));
        continue;
      }
      const { cursor } = request;
      const from = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
      response.topics.push(known(name, topic, from, left));
      const shown = Math.min(left, Math.max(0, topic.partitions.length - from));
      left -= shown;
      if (from + shown < topic.partitions.length) {
        response.nextCursor = { topicName: name, partitionIndex: from + shown };
        break;
      }
    }
    return response;
  },
  (request, { errorCode: code }) => refuseAll(request, code),
);

function refuseAll({ topics }: DescribeTopicPartitionsRequest, code: number): DescribeTopicPartitionsResponse {
  return {
    throttleTimeMs: 0,
    topics: topics.map(({ name }) => ({ ...unknown(name), errorCode: code, topicAuthorizedOperations: noOperations })),
    nextCursor: null,
  };
}

/** In name order, none before the cursor's topic. */
function asked(
  { context, principal }: Call,
  { topics, cursor }: DescribeTopicPartitionsRequest,
): [name: string, topic: TopicEntry | undefined][] {
  const found: [string, TopicEntry | undefined][] =
    topics.length === 0
      ? [...topicsOf(context, principal)]
      : [...new Set(topics.map(({ name }) => name))].sort().map((name) => [name, findTopic(context, principal, name)]);
  return cursor ? found.filter(([name]) => name >= cursor.topicName) : found;
}

function known(name: string, topic: TopicEntry, from: number, count: number): Topic {
  return {
    errorCode: errorCode.none,
    name,
    topicId: topic.topicId,
    isInternal: false,
    partitions: topic.partitions
      .slice(from, from + count)
      // Empty, not null: Java calls a method on it.
      .map((partition) => ({ ...partitionView(topic, partition), eligibleLeaderReplicas: [], lastKnownElr: [] })),
    topicAuthorizedOperations: topicOperations,
  };
}

function unknown(name: string): Topic {
  return {
    errorCode: topicNameFault(name) === undefined ? errorCode.unknownTopicOrPartition : errorCode.invalidTopicException,
    name,
    topicId: zeroUuid,
    isInternal: false,
    partitions: [],
    // As Kafka reports it: the operations allowed on a topic with this name.
    topicAuthorizedOperations: topicOperations,
  };
}
