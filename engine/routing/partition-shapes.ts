/**
 * Where partition requests keep what routing needs: topics are named, partitions are numbered, and each answer belongs
 * to one partition. One shape per API lets partition-request.ts be written once.
 */
import type { PartitionApi } from '../engine.ts';
import type { Uuid } from '../kernel/uuid.ts';
import type { RequestOf, ResponseOf } from '../protocol/apis.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { make } from '../protocol/make.ts';
import { describeLogDirsResponse } from '../protocol/messages/35-describe-log-dirs.ts';
import type { Bounds } from './told-bounds.ts';

/** One partition of a request. */
export interface Entry<K extends PartitionApi = PartitionApi> {
  /** Index of the request's topic. A topic named twice, adjacent or not, is answered twice. */
  readonly topicAt: number;
  readonly topic: string;
  readonly index: number;
  /** The leader epoch the client believes in; -1 when it does not say. */
  readonly leaderEpoch: number;
  /** Epoch of the owner being asked, and the topic that the name stands for. */
  sentEpoch: number;
  sentTopicId: Uuid | undefined;
  /** It was with a broker that never reported the outcome. */
  mayBeDone: boolean;
  /** The partition's part of the request, and in the end of the response. */
  readonly part: PartOf<K>;
  result: EntryResult | undefined;
}

/** The partition's part of a response. Lacks the other fields when routing itself answers. */
export interface EntryResult {
  readonly errorCode: number;
  /** Only DeleteRecords: where the log begins. */
  readonly lowWatermark?: number;
  /** Only ListOffsets. */
  readonly offset?: number;
  /** Only DescribeLogDirs. */
  readonly partitionSize?: number;
}

export interface PartitionShape<K extends PartitionApi> {
  entries(request: RequestOf<K>): Entry<K>[];
  /** The request, reduced to some of its entries. */
  request(whole: RequestOf<K>, entries: readonly Entry<K>[]): RequestOf<K>;
  read(response: ResponseOf<K>, each: (topic: string, index: number, result: EntryResult) => void): void;
  response(whole: RequestOf<K>, entries: readonly Entry<K>[]): ResponseOf<K>;
  told?(entry: Entry<K>, result: EntryResult): Bounds;
  /** For a request that changes something: the client's timeout. */
  timeoutMs?(request: RequestOf<K>): number;
}

interface Parts {
  2: RequestOf<2>['topics'][number]['partitions'][number];
  21: RequestOf<21>['topics'][number]['partitions'][number];
  23: RequestOf<23>['topics'][number]['partitions'][number];
  /** The partition's number. */
  35: number;
}
type PartOf<K extends PartitionApi> = Parts[K];

/** ListOffsets timestamps that ask for a bound. */
const latest = -1;
const earliest = -2;
const earliestLocal = -4;

const listOffsets: PartitionShape<2> = {
  entries: ({ topics }) =>
    topics.flatMap(({ name, partitions }, t) =>
      partitions.map((part) => entryOf(t, name, part.partitionIndex, part.currentLeaderEpoch, part)),
    ),
  request: (whole, entries) => ({
    ...whole,
    topics: byTopic(entries, (entry) => ({ ...entry.part, currentLeaderEpoch: entry.sentEpoch })).map(
      ([name, partitions]) => ({ name, partitions }),
    ),
  }),
  read: ({ topics }, each) => {
    for (const { name, partitions } of topics) for (const part of partitions) each(name, part.partitionIndex, part);
  },
  response: (_, entries) => ({
    throttleTimeMs: 0,
    topics: byTopic(entries, ({ index, result }) => ({
      timestamp: -1,
      offset: -1,
      leaderEpoch: -1,
      ...result!,
      partitionIndex: index,
    })).map(([name, partitions]) => ({ name, partitions })),
  }),
  told({ part: { timestamp } }, { offset = -1 }) {
    if (timestamp === latest) return { end: offset };
    return timestamp === earliest || timestamp === earliestLocal ? { start: offset } : {};
  },
};

const deleteRecords: PartitionShape<21> = {
  entries: ({ topics }) =>
    topics.flatMap(({ name, partitions }, t) =>
      partitions.map((part) => entryOf(t, name, part.partitionIndex, -1, part)),
    ),
  request: (whole, entries) => ({
    ...whole,
    topics: byTopic(entries, (entry) => entry.part).map(([name, partitions]) => ({ name, partitions })),
  }),
  read: ({ topics }, each) => {
    for (const { name, partitions } of topics) for (const part of partitions) each(name, part.partitionIndex, part);
  },
  response: (_, entries) => ({
    throttleTimeMs: 0,
    topics: byTopic(entries, ({ index, result }) => ({ lowWatermark: -1, ...result!, partitionIndex: index })).map(
      ([name, partitions]) => ({ name, partitions }),
    ),
  }),
  told: (_, { lowWatermark = -1 }) => ({ start: lowWatermark }),
  timeoutMs: ({ timeoutMs }) => timeoutMs,
};

const offsetForLeaderEpoch: PartitionShape<23> = {
  entries: ({ topics }) =>
    topics.flatMap(({ topic, partitions }, t) =>
      partitions.map((part) => entryOf(t, topic, part.partition, part.currentLeaderEpoch, part)),
    ),
  request: (whole, entries) => ({
    ...whole,
    topics: byTopic(entries, (entry) => ({ ...entry.part, currentLeaderEpoch: entry.sentEpoch })).map(
      ([topic, partitions]) => ({ topic, partitions }),
    ),
  }),
  read: ({ topics }, each) => {
    for (const { topic, partitions } of topics) for (const part of partitions) each(topic, part.partition, part);
  },
  response: (_, entries) => ({
    throttleTimeMs: 0,
    topics: byTopic(entries, ({ index, result }) => ({
      leaderEpoch: -1,
      endOffset: -1,
      ...result!,
      partition: index,
    })).map(([topic, partitions]) => ({ topic, partitions })),
  }),
};

/**
 * A broker lists the logs that it has. A log missing from its answer is asked for again; a log whose owner never
 * answers is missing from ours.
 */
const describeLogDirs: PartitionShape<35> = {
  entries: ({ topics }) =>
    (topics ?? []).flatMap(({ topic, partitions }, t) =>
      partitions.map((index) => entryOf(t, topic, index, -1, index)),
    ),
  request: (_, entries) => ({
    topics: byTopic(entries, ({ part }) => part).map(([topic, partitions]) => ({ topic, partitions })),
  }),
  read: ({ results }, each) => {
    for (const { topics } of results) {
      for (const { name, partitions } of topics) {
        for (const { partitionIndex, partitionSize } of partitions) {
          each(name, partitionIndex, { errorCode: errorCode.none, partitionSize });
        }
      }
    }
  },
  response: (_, entries) => {
    const told = entries.filter(({ result }) => result!.errorCode === errorCode.none);
    const topics = byTopic(told, ({ index, result }) => ({
      partitionIndex: index,
      partitionSize: result!.partitionSize!,
    })).map(([name, partitions]) => ({ name, partitions }));
    return make(describeLogDirsResponse, { results: [{ topics }] });
  },
};

/** A mapped type, so generic code that is given a key gets that key's shape. */
export const partitionShapes: { readonly [K in PartitionApi]: PartitionShape<K> } = {
  2: listOffsets,
  21: deleteRecords,
  23: offsetForLeaderEpoch,
  35: describeLogDirs,
};

function entryOf<K extends PartitionApi>(
  topicAt: number,
  topic: string,
  index: number,
  leaderEpoch: number,
  part: PartOf<K>,
): Entry<K> {
  const sent = { sentEpoch: -1, sentTopicId: undefined, mayBeDone: false };
  return { topicAt, topic, index, leaderEpoch, ...sent, part, result: undefined };
}

/** Groups the parts of adjacent entries of one topic, in request order. A topic named twice stays two. */
function byTopic<E extends Entry, T>(entries: readonly E[], partOf: (entry: E) => T): [string, T[]][] {
  const topics: [string, T[]][] = [];
  let lastAt = -1;
  for (const entry of entries) {
    if (entry.topicAt === lastAt) topics.at(-1)![1].push(partOf(entry));
    else topics.push([entry.topic, [partOf(entry)]]);
    lastAt = entry.topicAt;
  }
  return topics;
}
