/** The connection as seen on the socket: order, limits, authentication, ends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { produceRequest } from '../../engine/protocol/messages/00-produce.ts';
import type { RequestOf, ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { decodeResponse } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type DoorBench, doorBench, type RawClient, type Tenant } from './door.suite.ts';

let bench: DoorBench;
let acme: Tenant;

beforeAll(async () => {
  bench = await doorBench();
  acme = await bench.tenant('acme');
  const client = await bench.client(acme);
  await client.ask(3, 5, metadataOf('t'));
});
afterAll(() => bench.close());

function metadataOf(name: string): RequestOf<3> {
  return {
    topics: [{ topicId: '\0'.repeat(16), name }],
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
}

function produceOf(value: string, acks = -1, partition = 0): RequestOf<0> {
  const records = encodeBatch([{ key: null, value: Buffer.from(value), timestampMs: 0 }]);
  return make(produceRequest, {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: [{ index: partition, records }] }],
  });
}

function fetchOf(
  name: string,
  offset: number,
  maxWaitMs: number,
  session = { sessionId: 0, sessionEpoch: -1 },
): RequestOf<1> {
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    ...session,
    topics: [
      {
        topic: name,
        topicId: '\0'.repeat(16),
        partitions: [
          {
            partition: 0,
            currentLeaderEpoch: -1,
            fetchOffset: offset,
            lastFetchedEpoch: -1,
            logStartOffset: -1,
            partitionMaxBytes: 1_000_000,
            replicaDirectoryId: '\0'.repeat(16),
            highWatermark: Infinity,
          },
        ],
      },
    ],
    forgottenTopicsData: [],
    rackId: '',
    readsSegments: false,
  };
}

const versionsOf: RequestOf<18> = { clientSoftwareName: 'raw', clientSoftwareVersion: '1' };
const heartbeatOf: RequestOf<12> = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null };

async function correlation(client: RawClient): Promise<number> {
  return (await client.next())!.readInt32BE(0);
}

describe('order', () => {
  it('answers in request order, even after a long poll', async () => {
    const client = await bench.client(acme);
    const writer = await bench.client(acme);
    const end = (await writer.ask(0, 9, produceOf('before'))).responses[0]!.partitionResponses[0]!.baseOffset + 1;
    const poll = client.send(1, 11, fetchOf('t', end, 20_000));
    const others = [client.send(12, 4, heartbeatOf), client.send(3, 5, metadataOf('t'))];
    await writer.ask(0, 9, produceOf('woken'));
    expect([await correlation(client), await correlation(client), await correlation(client)]).toEqual([
      poll,
      ...others,
    ]);
  });

  it('hands the produce requests of a connection to the engine in order and concurrently', async () => {
    const client = await bench.client(acme);
    const held: (() => void)[] = [];
    bench.engine.holdAppends = (proceed) => void held.push(proceed);
    const from = bench.engine.appended.length;
    const sent = ['a', 'b', 'c'].map((value) => client.send(0, 9, produceOf(value)));
    // Polls with harmless requests until all three appends have reached the engine.
    const other = await bench.client(acme);
    while (held.length < 3) await other.ask(18, 3, versionsOf);
    bench.engine.holdAppends = undefined;
    for (const proceed of held.reverse()) proceed();
    const order = [await correlation(client), await correlation(client), await correlation(client)];
    expect(order).toEqual(sent);
    const values = bench.engine.appended.slice(from).map(({ records }) => records.includes('a'));
    expect(values[0]).toBe(true);
  });
});

describe('acks', () => {
  it('gives no answer to acks=0', async () => {
    const client = await bench.client(acme);
    client.send(0, 9, produceOf('quiet', 0));
    const next = client.send(18, 3, versionsOf);
    expect(await correlation(client)).toBe(next);
  });

  it('ends the connection when an acks=0 append fails', async () => {
    const client = await bench.client(acme);
    client.send(0, 9, produceOf('lost', 0, 77));
    expect(await client.next()).toBeUndefined();
  });

  it('refuses other acks and unknown partitions', async () => {
    const client = await bench.client(acme);
    const codeOf = (response: ResponseOf<0>): number => response.responses[0]!.partitionResponses[0]!.errorCode;
    expect(codeOf(await client.ask(0, 9, produceOf('x', 2)))).toBe(errorCode.invalidRequiredAcks);
    expect(codeOf(await client.ask(0, 9, produceOf('x', -1, 9)))).toBe(errorCode.unknownTopicOrPartition);
  });
});

describe('authentication', () => {
  it('refuses wrong credentials and closes', async () => {
    const client = await bench.client();
    const answer = await client.login({ keyId: acme.keyId, apiKey: 'wrong' });
    expect(answer.errorCode).toBe(errorCode.saslAuthenticationFailed);
    expect(await client.next()).toBeUndefined();
  });

  it('comes before all requests but ApiVersions and SASL', async () => {
    const client = await bench.client();
    expect((await client.ask(18, 3, versionsOf)).errorCode).toBe(errorCode.none);
    client.send(3, 5, metadataOf('t'));
    expect(await client.next()).toBeUndefined();
  });

  it('names the supported mechanisms to a client that asks for another', async () => {
    const client = await bench.client();
    const answer = await client.ask(17, 1, { mechanism: 'SCRAM-SHA-512' });
    expect(answer).toEqual({ errorCode: errorCode.unsupportedSaslMechanism, mechanisms: ['PLAIN'] });
  });

  it('accepts the bare token of the old handshake', async () => {
    const client = await bench.client();
    await client.ask(17, 0, { mechanism: 'PLAIN' });
    const token = Buffer.from(`\0${acme.keyId}\0${acme.apiKey}`);
    const prefix = Buffer.alloc(4);
    prefix.writeInt32BE(token.length);
    client.write(Buffer.concat([prefix, token]));
    expect((await client.next())!.length).toBe(0);
    expect((await client.ask(3, 5, metadataOf('t'))).topics[0]!.name).toBe('t');
  });

  it('accepts a pipelined handshake, token and first request', async () => {
    const client = await bench.client();
    client.send(17, 1, { mechanism: 'PLAIN' });
    client.send(36, 2, { authBytes: Buffer.from(`\0${acme.keyId}\0${acme.apiKey}`) });
    client.send(3, 5, metadataOf('t'));
    await client.next();
    await client.next();
    expect(decodeResponse(3, 5, (await client.next())!).topics[0]!.name).toBe('t');
  });

  it('closes connections of a revoked key at once', async () => {
    const tenant = await bench.tenant('revoked');
    const client = await bench.client(tenant);
    const stays = await bench.client(acme);
    await bench.tenancy.revokeKey(tenant.clusterId, tenant.keyId);
    expect(await client.next()).toBeUndefined();
    expect((await stays.ask(18, 3, versionsOf)).errorCode).toBe(errorCode.none);
  });

  it('admits clients that arrive together one after the other, and refuses none', async () => {
    const tenant = await bench.tenant('crowd', { connectionAttemptsPerSecondMax: 10 });
    const logins = Array.from({ length: 14 }, async () => (await bench.client()).login(tenant));
    for (const { errorCode: code } of await Promise.all(logins)) expect(code).toBe(errorCode.none);
    expect(bench.tenancy.cluster(tenant.clusterId)!.usage.connections).toBe(14);
  });

  it('returns the room of a closed connection', async () => {
    const tenant = await bench.tenant('small', { connectionsMax: 1 });
    const first = await bench.client(tenant);
    const second = await bench.client();
    // Not SASL_AUTHENTICATION_FAILED, which would end a Java client for good.
    expect(await second.login(tenant)).toMatchObject({
      errorCode: errorCode.throttlingQuotaExceeded,
      errorMessage: 'Quota exceeded: connectionsMax',
    });
    first.end();
    await first.closed;
    await second.closed;
    while (bench.tenancy.cluster(tenant.clusterId)!.usage.connections > 0)
      await (await bench.client()).ask(18, 3, versionsOf);
    expect((await (await bench.client()).login(tenant)).errorCode).toBe(errorCode.none);
  });
});

describe('bytes that are no requests', () => {
  it.each([
    ['a frame over the limit', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ['a negative size', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['an empty frame', Buffer.from([0, 0, 0, 0])],
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an unknown API', Buffer.from([0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff])],
    ['a body that ends early', Buffer.from([0, 0, 0, 10, 0, 3, 0, 5, 0, 0, 0, 1, 0xff, 0xff])],
  ])('ends the connection on %s', async (_name, bytes) => {
    const client = await bench.client(acme);
    client.write(bytes);
    expect(await client.next()).toBeUndefined();
    const unknown = await bench.client();
    unknown.write(bytes);
    expect(await unknown.next()).toBeUndefined();
  });

  it('answers an ApiVersions that is too new with the supported range', async () => {
    const client = await bench.client();
    client.write(Buffer.from([0, 0, 0, 11, 0, 18, 0, 9, 0, 0, 0, 5, 0xff, 0xff, 0]));
    const answer = decodeResponse(18, 0, (await client.next())!);
    expect(answer).toMatchObject({
      errorCode: errorCode.unsupportedVersion,
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
    });
    expect((await client.ask(18, 4, versionsOf)).errorCode).toBe(errorCode.none);
  });
});

describe('fetch sessions', () => {
  it('answer with what changed, and name what they do not know', async () => {
    const client = await bench.client(acme);
    const start = await client.ask(1, 11, fetchOf('t', 0, 0, { sessionId: 0, sessionEpoch: 0 }));
    const { sessionId } = start;
    expect(sessionId).toBeGreaterThan(0);
    const { highWatermark } = start.responses[0]!.partitions[0]!;
    const next = (sessionEpoch: number): RequestOf<1> => fetchOf('t', highWatermark, 0, { sessionId, sessionEpoch });
    expect((await client.ask(1, 11, next(1))).responses).toEqual([]);
    expect((await client.ask(1, 11, next(7))).errorCode).toBe(errorCode.invalidFetchSessionEpoch);
    await client.ask(0, 9, produceOf('news'));
    const news = await client.ask(1, 11, { ...next(2), topics: [] });
    expect(news.responses[0]!.partitions[0]!.highWatermark).toBe(highWatermark + 1);
    const stranger = fetchOf('t', 0, 0, { sessionId: sessionId + 1, sessionEpoch: 1 });
    expect((await client.ask(1, 11, stranger)).errorCode).toBe(errorCode.fetchSessionIdNotFound);
  });
});

describe('throttling', () => {
  it('answers at once, with the delay for which the connection is then muted', async () => {
    const tenant = await bench.tenant('slow', { ingressBytesPerSecondMax: 2_000 });
    const client = await bench.client(tenant);
    await client.ask(3, 5, metadataOf('t'));
    let delayMs = 0;
    while (delayMs === 0) delayMs = (await client.ask(0, 9, produceOf('x'.repeat(2_000)))).throttleTimeMs;
    // The connection is muted, not closed: the next request is answered when the delay is over.
    expect((await client.ask(18, 3, versionsOf)).errorCode).toBe(errorCode.none);
  });
});

describe('flow', () => {
  it('answers thousands of pipelined requests in order, though it takes only a few at a time', async () => {
    const client = await bench.client(acme);
    const sent = Array.from({ length: 3_000 }, () => client.send(12, 4, heartbeatOf));
    const answered: number[] = [];
    while (answered.length < sent.length) answered.push(await correlation(client));
    expect(answered).toEqual(sent);
  });
});

describe('ends', () => {
  it('closes after requests in flight: a long poll is answered at once', async () => {
    const own = await doorBench();
    const tenant = await own.tenant('leaving');
    const client = await own.client(tenant);
    await client.ask(3, 5, metadataOf('t'));
    const poll = client.send(1, 11, fetchOf('t', 0, 25_000));
    await own.engine.whenWaiting();
    const closed = own.door.close(20_000);
    expect(await correlation(client)).toBe(poll);
    expect(await client.next()).toBeUndefined();
    await closed;
    await own.tenancy.close();
  });

  it('closes connections that never authenticate', async () => {
    const own = await doorBench({ authenticationMsMax: 1 });
    const client = await own.client();
    expect(await client.next()).toBeUndefined();
    await own.close();
  });

  it('stops a long poll when its reader goes', async () => {
    const client = await bench.client(acme);
    client.send(1, 11, fetchOf('t', 0, 0));
    const end = decodeResponse(1, 11, (await client.next())!).responses[0]!.partitions[0]!.highWatermark;
    client.send(1, 11, fetchOf('t', end, 25_000));
    await bench.engine.whenWaiting();
    client.end();
    await bench.engine.whenIdle();
  });
});
