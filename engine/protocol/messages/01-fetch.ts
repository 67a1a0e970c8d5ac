/**
 * Fetch (key 1), v4-18: record batches out, from given offsets. v7 has sessions, v12 is flexible and finds diverging
 * epochs, v13 has topic ids, v16 names the new leader.
 *
 * Three tagged fields are ours, between a gateway and a broker on one machine (ADR 16, ADR 17). A broker of another kind or
 * of an earlier version does not know them and answers with records.
 */
import {
  array,
  bool,
  int16,
  int32,
  int64,
  int8,
  message,
  runs,
  string,
  struct,
  structs,
  uuid,
  type Infer,
} from '../schema.ts';

export const fetchRequest = message('FetchRequest', 1, '4-18', '12+', {
  clusterId: string('clusterId', { since: 12, nullable: true, tag: 0, default: null, ignorable: true }),
  replicaId: int32({ until: 14, default: -1, entity: 'node' }),
  replicaState: struct(
    {
      replicaId: int32({ default: -1, entity: 'node' }),
      replicaEpoch: int64({ default: -1 }),
    },
    { since: 15, tag: 1 },
  ),
  maxWaitMs: int32(),
  minBytes: int32(),
  maxBytes: int32({ default: 0x7fffffff }),
  isolationLevel: int8(),
  sessionId: int32({ since: 7, ignorable: true }),
  sessionEpoch: int32({ since: 7, default: -1, ignorable: true }),
  topics: structs({
    topic: string('topic', { until: 12, ignorable: true }),
    topicId: uuid('topicId', { since: 13, ignorable: true }),
    partitions: structs({
      partition: int32(),
      currentLeaderEpoch: int32({ since: 9, default: -1, ignorable: true }),
      fetchOffset: int64({ saturates: true }),
      lastFetchedEpoch: int32({ since: 12, default: -1 }),
      logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
      partitionMaxBytes: int32(),
      replicaDirectoryId: uuid('plain', { since: 17, tag: 0, ignorable: true }),
      highWatermark: int64({ since: 18, tag: 1, default: Infinity, ignorable: true }),
    }),
  }),
  forgottenTopicsData: structs(
    {
      topic: string('topic', { until: 12, ignorable: true }),
      topicId: uuid('topicId', { since: 13, ignorable: true }),
      partitions: array(int32()),
    },
    { since: 7 },
  ),
  rackId: string('rack', { since: 11, ignorable: true }),
  /** Ours. The requester can read segments itself: for records in a segment, the answer may just say where they are. */
  readsSegments: bool({ since: 12, tag: 10_000, ignorable: true }),
});
export type FetchRequest = Infer<typeof fetchRequest>;

const segmentFields = {
  fileId: string('plain'),
  baseOffset: int64(),
  endOffset: int64(),
  position: int64(),
  bytes: int64(),
  indexPosition: int64(),
  indexBytes: int32(),
  /** Leader epoch of all its batches; -1 when not known. */
  leaderEpoch: int32(),
};

export const fetchResponse = message('FetchResponse', 1, '4-18', '12+', {
  throttleTimeMs: int32(),
  errorCode: int16({ since: 7, ignorable: true }),
  sessionId: int32({ since: 7 }),
  responses: structs({
    topic: string('topic', { until: 12, ignorable: true }),
    topicId: uuid('topicId', { since: 13, ignorable: true }),
    partitions: structs({
      partitionIndex: int32(),
      errorCode: int16(),
      highWatermark: int64(),
      lastStableOffset: int64({ default: -1 }),
      logStartOffset: int64({ since: 5, default: -1, ignorable: true }),
      divergingEpoch: struct(
        {
          epoch: int32({ default: -1 }),
          endOffset: int64({ default: -1 }),
        },
        { since: 12, tag: 0 },
      ),
      currentLeader: struct(
        {
          leaderId: int32({ default: -1, entity: 'node' }),
          leaderEpoch: int32({ default: -1 }),
        },
        { since: 12, tag: 1 },
      ),
      snapshotId: struct({ endOffset: int64({ default: -1 }), epoch: int32({ default: -1 }) }, { since: 12, tag: 2 }),
      abortedTransactions: structs(
        {
          producerId: int64({ entity: 'producerId' }),
          firstOffset: int64(),
        },
        { nullable: true },
      ),
      preferredReadReplica: int32({ since: 11, default: -1, entity: 'node' }),
      records: runs(),
      /** Ours, instead of `records`: the segment that holds the requested offset. No file means no segment. */
      segment: struct(segmentFields, { since: 12, tag: 10_000, ignorable: true }),
      /** Ours. The segments that follow, in order, which the requester may read next. */
      following: structs(segmentFields, { since: 12, tag: 10_001, ignorable: true }),
    }),
  }),
  nodeEndpoints: structs(
    {
      nodeId: int32({ entity: 'node' }),
      host: string('address'),
      port: int32(),
      rack: string('rack', { nullable: true, default: null }),
    },
    { since: 16, tag: 0 },
  ),
});
export type FetchResponse = Infer<typeof fetchResponse>;

type PlaceInSegment = FetchResponse['responses'][number]['partitions'][number]['segment'];

/** The records, if there are any, are in the answer itself. */
export const noSegment: PlaceInSegment = {
  fileId: '',
  baseOffset: 0,
  endOffset: 0,
  position: 0,
  bytes: 0,
  indexPosition: 0,
  indexBytes: 0,
  leaderEpoch: 0,
};
