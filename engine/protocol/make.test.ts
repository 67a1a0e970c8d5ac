import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { zeroUuid } from '../kernel/uuid.ts';
import { apiByKey } from './apis.ts';
import { messageArbitrary } from './arbitrary.suite.ts';
import { make } from './make.ts';
import { produceResponse } from './messages/00-produce.ts';
import { metadataRequest } from './messages/03-metadata.ts';
import { describeTopicPartitionsResponse } from './messages/75-describe-topic-partitions.ts';

test('make() fills missing fields, at any depth', () => {
  expect(make(produceResponse, { responses: [{ name: 'orders', partitionResponses: [{ index: 1 }] }] })).toEqual({
    responses: [
      {
        name: 'orders',
        topicId: zeroUuid,
        partitionResponses: [
          {
            index: 1,
            errorCode: 0,
            baseOffset: 0,
            logAppendTimeMs: -1,
            logStartOffset: -1,
            recordErrors: [],
            errorMessage: null,
            currentLeader: { leaderId: -1, leaderEpoch: -1 },
          },
        ],
      },
    ],
    throttleTimeMs: 0,
    nodeEndpoints: [],
  });
});

test('make() keeps a given null, and fills in null where it is the default', () => {
  expect(make(metadataRequest, { topics: null }).topics).toBeNull();
  expect(make(metadataRequest, {}).topics).toEqual([]);
  expect(make(describeTopicPartitionsResponse, {}).nextCursor).toBeNull();
});

test('make() shares no array or struct with its argument or with other messages', () => {
  const part = { nodeEndpoints: [{ nodeId: 1 }] };
  const one = make(produceResponse, part);
  const other = make(produceResponse, part);
  one.nodeEndpoints[0]!.nodeId = 9;
  one.responses.push(...make(produceResponse, { responses: [{}] }).responses);
  expect(part.nodeEndpoints[0]!.nodeId).toBe(1);
  expect(other.nodeEndpoints[0]!.nodeId).toBe(1);
  expect(make(produceResponse, {}).responses).toEqual([]);
});

test('make() of a whole message is an equal message', () => {
  for (const { request, response } of apiByKey.values()) {
    for (const schema of [request, response]) {
      fc.assert(
        fc.property(messageArbitrary(schema, schema.max), (message) =>
          isDeepStrictEqual(make(schema, message as never), message),
        ),
        { numRuns: 5 },
      );
    }
  }
});
