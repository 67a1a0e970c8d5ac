import { expect, test } from 'vitest';
import { apiKey } from './apis.ts';
import { errorCode, errorName } from './error-codes.ts';
import {
  decodeCorrelationId,
  decodeRequest,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  errorsEncoded,
} from './headers.ts';
import { make } from './make.ts';
import { MalformedFrame } from './malformed-frame.ts';
import { metadataRequest } from './messages/03-metadata.ts';
import { produceResponse } from './messages/00-produce.ts';
import { heartbeatResponse } from './messages/12-heartbeat.ts';
import { createTopicsResponse } from './messages/19-create-topics.ts';
import { apiVersionsResponse } from './messages/18-api-versions.ts';
import { UnsupportedVersion } from './unsupported-version.ts';

const all = make(metadataRequest, { topics: null, allowAutoTopicCreation: true });

test.each([
  [8, null],
  [8, 'console-consumer'],
  [9, null],
  [12, 'größe'],
] as const)('a Metadata v%i request of client %s survives a round trip', (version, clientId) => {
  const frame = Buffer.concat(encodeRequest(apiKey.metadata, version, 77, clientId, all));
  const header = decodeRequestHeader(frame);
  expect(header).toMatchObject({ apiKey: 3, apiVersion: version, correlationId: 77, clientId });
  expect(decodeRequest(apiKey.metadata, version, frame, header.bodyAt)).toEqual(all);
});

test('the header of a flexible request may carry tagged fields, which are skipped', () => {
  const frame = Buffer.concat(encodeRequest(apiKey.metadata, 9, 1, 'c', all));
  const { bodyAt } = decodeRequestHeader(frame);
  const tagged = Buffer.concat([frame.subarray(0, bodyAt - 1), Buffer.from([1, 5, 2, 0, 0]), frame.subarray(bodyAt)]);
  expect(decodeRequestHeader(tagged).bodyAt).toBe(bodyAt + 4);
  for (let length = 0; length < bodyAt + 4; length++) {
    expect(() => decodeRequestHeader(tagged.subarray(0, length))).toThrow(MalformedFrame);
  }
});

test('a response header has tagged fields when the version is flexible', () => {
  const beat = make(heartbeatResponse, { errorCode: errorCode.rebalanceInProgress });
  const plain = Buffer.concat(encodeResponse(apiKey.heartbeat, 3, 9, beat));
  expect(plain.toString('hex')).toBe('00000009' + '00000000' + '001b');
  const flexible = Buffer.concat(encodeResponse(apiKey.heartbeat, 4, 9, beat));
  expect(flexible.toString('hex')).toBe('00000009' + '00' + '00000000' + '001b' + '00');
  expect(decodeCorrelationId(flexible)).toBe(9);
  expect(decodeResponse(apiKey.heartbeat, 4, flexible)).toEqual(beat);
});

test('the errors in a response are known when it is encoded, and only those of the last one', () => {
  const partitions = [0, errorCode.notLeaderOrFollower, errorCode.messageTooLarge, errorCode.notLeaderOrFollower];
  const partitionResponses = partitions.map((code, index) => ({ index, errorCode: code }));
  const stored = make(produceResponse, { responses: [{ name: 't', partitionResponses }] });
  for (const version of [3, 9, 12]) {
    encodeResponse(apiKey.produce, version, 1, stored);
    expect([...errorsEncoded()]).toEqual([
      [errorCode.notLeaderOrFollower, 2],
      [errorCode.messageTooLarge, 1],
    ]);
  }
  encodeResponse(apiKey.heartbeat, 4, 1, make(heartbeatResponse, { errorCode: -1 }));
  expect([...errorsEncoded()]).toEqual([[errorCode.unknownServerError, 1]]);
  // A tagged field.
  const created = make(createTopicsResponse, { topics: [{ name: 't', topicConfigErrorCode: 29 }] });
  encodeResponse(apiKey.createTopics, 5, 1, created);
  expect([...errorsEncoded()]).toEqual([[29, 1]]);
  encodeResponse(apiKey.heartbeat, 4, 1, make(heartbeatResponse, {}));
  expect([...errorsEncoded()]).toEqual([]);
});

test('an ApiVersions response has none in any version', () => {
  const message = make(apiVersionsResponse, {});
  const frame = Buffer.concat(encodeResponse(apiKey.apiVersions, 3, 9, message));
  expect(frame.toString('hex')).toBe('00000009' + '0000' + '01' + '00000000' + '00');
  expect(decodeResponse(apiKey.apiVersions, 3, frame)).toEqual(message);
});

test('an API or version that does not exist has a header, but no body to decode', () => {
  const frame = Buffer.from('03e7000100000005ffff', 'hex');
  expect(decodeRequestHeader(frame)).toMatchObject({ apiKey: 999, apiVersion: 1, correlationId: 5, clientId: null });
  expect(() => decodeRequest(apiKey.apiVersions, 5, Buffer.alloc(40), 11)).toThrow(UnsupportedVersion);
});

test('errorName() gives the name in Kafka’s documentation', () => {
  expect(errorName(errorCode.unknownTopicOrPartition)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  expect(errorName(errorCode.unknownServerError)).toBe('UNKNOWN_SERVER_ERROR');
  expect(errorName(9999)).toBe('ERROR_9999');
});
