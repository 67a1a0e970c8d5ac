/** Bytes that others made: Apache Kafka's own Java classes (4.3.1), and the encoders and decoders of kafkajs. */
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { zeroUuid } from '../kernel/uuid.ts';
import { apiKey } from './apis.ts';
import { decoder, encode } from './compile.ts';
import { decodeRequest, decodeRequestHeader } from './headers.ts';
import { make, type Part } from './make.ts';
import { produceResponse } from './messages/00-produce.ts';
import { fetchRequest, fetchResponse } from './messages/01-fetch.ts';
import { metadataResponse } from './messages/03-metadata.ts';
import { offsetFetchResponse } from './messages/09-offset-fetch.ts';
import { joinGroupResponse } from './messages/11-join-group.ts';
import { apiVersionsResponse } from './messages/18-api-versions.ts';
import type { Infer, Message } from './schema.ts';

const topicId = Buffer.from('0102030405060708090a0b0c0d0e0fff', 'hex').toString('latin1');

function golden<M extends Message>(schema: M, version: number, hex: string, part: Part<Infer<M>>): void {
  test(`${schema.name} v${version}`, () => {
    const message = make(schema, part);
    expect(Buffer.concat(encode(schema, version, message)).toString('hex')).toBe(hex);
    expect(decoder(schema, version)(Buffer.from(hex, 'hex'), 0)).toEqual(message);
  });
}

describe('as Apache Kafka encodes', () => {
  golden(
    produceResponse,
    10,
    '02076f726465727303000000030006ffffffffffffffffffffffffffffffffffffffffffffffff01066d6f76656401000900000002000000' +
      '0700000000040000000000012a05f200ffffffffffffffff0000000000000000010000000000000c01001702000000020b62322e657861' +
      '6d706c6500002384026200',
    {
      throttleTimeMs: 12,
      responses: [
        {
          name: 'orders',
          partitionResponses: [
            {
              index: 3,
              errorCode: 6,
              baseOffset: -1,
              errorMessage: 'moved',
              currentLeader: { leaderId: 2, leaderEpoch: 7 },
            },
            { index: 4, baseOffset: 5_000_000_000, logStartOffset: 0 },
          ],
        },
      ],
      nodeEndpoints: [{ nodeId: 2, host: 'b2.example', port: 9092, rack: 'b' }],
    },
  );
  golden(
    fetchRequest,
    17,
    '000001f400000001032000000100000000ffffffff020102030405060708090a0b0c0d0e0fff0200000001000000040000082f79cd9000ff' +
      'ffffffffffffffffffffff001000000000010261010004046c6b63',
    {
      clusterId: 'lkc',
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 52_428_800,
      isolationLevel: 1,
      topics: [
        {
          topicId,
          partitions: [
            { partition: 1, currentLeaderEpoch: 4, fetchOffset: 9_000_000_000_000, partitionMaxBytes: 1_048_576 },
          ],
        },
      ],
      rackId: 'a',
    },
  );
  golden(
    metadataResponse,
    12,
    '0000000002000000010b62312e6578616d706c65000023840000046c6b6300000001020000086772c3b6c39f650102030405060708090a0b' +
      '0c0d0e0fff000200000000000000000001000000030400000001000000020000000302000000010100800000000000',
    {
      clusterId: 'lkc',
      controllerId: 1,
      brokers: [{ nodeId: 1, host: 'b1.example', port: 9092 }],
      topics: [
        {
          name: 'größe',
          topicId,
          partitions: [{ leaderId: 1, leaderEpoch: 3, replicaNodes: [1, 2, 3], isrNodes: [1] }],
        },
      ],
    },
  );
  golden(
    apiVersionsResponse,
    3,
    '000002001200000004000000000002010800000000000000090214020e67726f75702e76657273696f6e0001000100',
    {
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
      finalizedFeaturesEpoch: 9,
      finalizedFeatures: [{ name: 'group.version', maxVersionLevel: 1, minVersionLevel: 1 }],
    },
  );
  golden(
    fetchResponse,
    11,
    '000000000000000000000000000100017400000001000000000000000000000000000800000000000000080000000000000000ffffffffff' +
      'ffffff00000000',
    {
      responses: [
        {
          topic: 't',
          partitions: [
            {
              highWatermark: 8,
              lastStableOffset: 8,
              logStartOffset: 0,
              abortedTransactions: null,
              records: [],
            },
          ],
        },
      ],
    },
  );
  golden(offsetFetchResponse, 8, '000000000202670202740200000000ffffffffffffffffffffffff010000000000000000', {
    groups: [{ groupId: 'g', topics: [{ name: 't', partitions: [{ committedOffset: -1 }] }] }],
  });
});

interface Encodes {
  readonly buffer: Buffer;
}

const require = createRequire(import.meta.url);
const frameOf = require('kafkajs/src/protocol/request') as (request: object) => Promise<Encodes>;
const kafkajsRequest = (name: string, version: number): ((fields: object) => object) =>
  require(`kafkajs/src/protocol/requests/${name}/v${version}/request`) as (fields: object) => object;
const kafkajsResponse = (name: string, version: number) =>
  require(`kafkajs/src/protocol/requests/${name}/v${version}/response`) as {
    decode(body: Buffer): Promise<Record<string, unknown>>;
  };

/** The frame as it leaves kafkajs, without its size. */
async function sent(name: string, version: number, fields: object): Promise<Buffer> {
  const request = kafkajsRequest(name, version)(fields);
  const { buffer } = await frameOf({ correlationId: 5, clientId: 'kafkajs', request });
  expect(buffer.readInt32BE(0)).toBe(buffer.length - 4);
  return buffer.subarray(4);
}

describe('what kafkajs encodes', () => {
  test('Produce v7', async () => {
    const messages = [{ key: 'k', value: 'v', timestamp: 1, headers: {} }];
    const topicData = [{ topic: 'orders', partitions: [{ partition: 2, firstSequence: 0, messages }] }];
    const frame = await sent('produce', 7, {
      acks: -1,
      timeout: 30_000,
      transactionalId: null,
      producerId: -1,
      producerEpoch: 0,
      compression: 0,
      topicData,
    });
    const header = decodeRequestHeader(frame);
    expect(header).toMatchObject({ apiKey: 0, apiVersion: 7, correlationId: 5, clientId: 'kafkajs' });
    const request = decodeRequest(apiKey.produce, 7, frame, header.bodyAt);
    expect(request).toMatchObject({ transactionalId: null, acks: -1, timeoutMs: 30_000 });
    const { index, records } = request.topicData[0]!.partitionData[0]!;
    expect(index).toBe(2);
    // Base offset, length of the rest, leader epoch, magic.
    expect((records as Buffer).readInt32BE(8)).toBe(records!.length - 12);
    expect(records![16]).toBe(2);
  });

  test('Fetch v11', async () => {
    const topics = [{ topic: 't', partitions: [{ partition: 0, fetchOffset: '4294967296', maxBytes: 1024 }] }];
    const frame = await sent('fetch', 11, {
      replicaId: -1,
      maxWaitTime: 5,
      minBytes: 1,
      maxBytes: 9,
      topics,
      rackId: 'b',
    });
    const expected: Part<Infer<typeof fetchRequest>> = {
      maxWaitMs: 5,
      minBytes: 1,
      maxBytes: 9,
      isolationLevel: 1,
      topics: [{ topic: 't', partitions: [{ fetchOffset: 2 ** 32, partitionMaxBytes: 1024 }] }],
      rackId: 'b',
    };
    expect(decodeRequest(apiKey.fetch, 11, frame, decodeRequestHeader(frame).bodyAt)).toEqual(
      make(fetchRequest, expected),
    );
  });

  test('JoinGroup v5', async () => {
    const frame = await sent('joinGroup', 5, {
      groupId: 'g',
      sessionTimeout: 30_000,
      rebalanceTimeout: 60_000,
      memberId: '',
      protocolType: 'consumer',
      groupProtocols: [{ name: 'RoundRobinAssigner', metadata: Buffer.from('meta') }],
    });
    expect(decodeRequest(apiKey.joinGroup, 5, frame, decodeRequestHeader(frame).bodyAt)).toEqual({
      groupId: 'g',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'RoundRobinAssigner', metadata: Buffer.from('meta') }],
      reason: null,
    });
  });
});

describe('what kafkajs decodes', () => {
  test('Metadata v5', async () => {
    const message = make(metadataResponse, {
      brokers: [{ nodeId: 1, host: 'b1', port: 9092, rack: 'a' }],
      clusterId: 'c1',
      controllerId: 1,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, leaderId: 1, replicaNodes: [1, 2], isrNodes: [1] }] }],
    });
    expect(
      await kafkajsResponse('metadata', 5).decode(Buffer.concat(encode(metadataResponse, 5, message))),
    ).toMatchObject({
      brokers: [{ nodeId: 1, host: 'b1', port: 9092, rack: 'a' }],
      clusterId: 'c1',
      controllerId: 1,
      topicMetadata: [
        {
          topic: 't',
          topicErrorCode: 0,
          partitionMetadata: [{ partitionId: 0, leader: 1, replicas: [1, 2], isr: [1] }],
        },
      ],
    });
  });

  test('JoinGroup v5', async () => {
    const message = make(joinGroupResponse, {
      generationId: 3,
      protocolName: 'range',
      leader: 'm1',
      memberId: 'm1',
      members: [{ memberId: 'm1', metadata: Buffer.from('meta') }],
    });
    const body = Buffer.concat(encode(joinGroupResponse, 5, message));
    expect(await kafkajsResponse('joinGroup', 5).decode(body)).toMatchObject({
      errorCode: 0,
      generationId: 3,
      groupProtocol: 'range',
      leaderId: 'm1',
      members: [{ memberId: 'm1', groupInstanceId: null, memberMetadata: Buffer.from('meta') }],
    });
  });

  test('Produce v7', async () => {
    const message = make(produceResponse, {
      responses: [{ name: 't', partitionResponses: [{ index: 1, baseOffset: 2 ** 40, logStartOffset: 0 }] }],
    });
    expect(message.responses[0]!.topicId).toBe(zeroUuid);
    expect(
      await kafkajsResponse('produce', 7).decode(Buffer.concat(encode(produceResponse, 7, message))),
    ).toMatchObject({
      topics: [
        {
          topicName: 't',
          partitions: [
            { partition: 1, errorCode: 0, baseOffset: String(2 ** 40), logAppendTime: '-1', logStartOffset: '0' },
          ],
        },
      ],
    });
  });
});
