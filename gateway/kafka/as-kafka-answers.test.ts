/** Details of answers that client libraries may read but do not test: found by tests/differential, pinned here. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { crc32c } from '../../engine/kernel/crc32c.ts';
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { decodeResponse, encodeRequest } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { batchField } from '../../engine/records/batch.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';
import { kafkaDoorDefaults } from './settings.ts';

let bench: DoorBench;
let client: RawClient;

function ask<K extends ApiKey>(key: K, version: number, part: object): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

beforeAll(async () => {
  bench = await doorBench();
  client = await bench.client(await bench.tenant('acme', { topicMutationsPerSecondMax: 1_000 }));
  await ask(19, 5, { topics: [{ name: 't', numPartitions: 3, replicationFactor: 1 }] });
  const records = encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }]);
  await ask(0, 8, { acks: -1, topicData: [{ name: 't', partitionData: [{ index: 0, records }] }] });
});
afterAll(() => bench.close());

function fetch(isolationLevel: number, fetchOffset: number, partition = 0) {
  const partitions = [{ partition, fetchOffset, partitionMaxBytes: 1_000 }];
  return ask(1, 12, { maxBytes: 1_000, isolationLevel, topics: [{ topic: 't', partitions }] });
}

it('lists no aborted transactions (an empty list, not null) to a client that reads committed records only', async () => {
  expect((await fetch(1, 0)).responses[0]!.partitions[0]!.abortedTransactions).toEqual([]);
  expect((await fetch(0, 0)).responses[0]!.partitions[0]!.abortedTransactions).toBeNull();
});

it('gives no offsets of a log together with an error', async () => {
  const unknown = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
  expect((await fetch(1, 99)).responses[0]!.partitions[0]).toMatchObject({
    errorCode: errorCode.offsetOutOfRange,
    abortedTransactions: null,
    ...unknown,
  });
  expect((await fetch(0, 0, 7)).responses[0]!.partitions[0]).toMatchObject({ abortedTransactions: [], ...unknown });
});

it('refuses Metadata by id in the versions that only answer with ids', async () => {
  const { topicId } = (await ask(3, 10, { topics: [{ name: 't' }] })).topics[0]!;
  const codes = async (version: number, topics: object[]) =>
    (await ask(3, version, { topics })).topics.map(({ name, errorCode: code }) => [name, code]);
  for (const asked of [{ name: null, topicId }, { name: null }, { name: 't', topicId }]) {
    const refused = [asked.name ?? '', errorCode.invalidRequest];
    for (const version of [10, 11]) {
      expect(await codes(version, [asked, { name: 't' }])).toEqual([refused, ['t', errorCode.invalidRequest]]);
    }
  }
  expect(await codes(12, [{ name: null, topicId }])).toEqual([['t', 0]]);
});

it('knows the special times of ListOffsets from their version on', async () => {
  const list = async (version: number): Promise<number[]> => {
    const partitions = [-1, -3, -4].map((timestamp, partitionIndex) => ({ partitionIndex, timestamp }));
    const { topics } = await ask(2, version, { replicaId: -1, topics: [{ name: 't', partitions }] });
    return topics[0]!.partitions.map((partition) => partition.errorCode);
  };
  expect(await list(6)).toEqual([0, errorCode.unsupportedVersion, errorCode.unsupportedVersion]);
  expect(await list(7)).toEqual([0, 0, errorCode.unsupportedVersion]);
  expect(await list(8)).toEqual([0, 0, 0]);
  const unheardOf = [{ partitionIndex: 0, timestamp: -7 }];
  const { topics } = await ask(2, 11, { replicaId: -1, topics: [{ name: 't', partitions: unheardOf }] });
  expect(topics[0]!.partitions[0]!.errorCode).toBe(errorCode.unsupportedVersion);
  const mixed = [unheardOf, [{ partitionIndex: 1, timestamp: -1 }]].map((partitions) => ({ name: 't', partitions }));
  const both = await ask(2, 11, { replicaId: -1, topics: mixed });
  expect(both.topics.map(({ partitions }) => partitions.map((partition) => partition.errorCode))).toEqual([
    [errorCode.unsupportedVersion],
    [0],
  ]);
});

/** Like `ask`, with `value` in place of the one field that holds `mark`. */
async function askBeyond<K extends ApiKey>(key: K, version: number, part: object, value: bigint) {
  const frame = Buffer.concat(
    encodeRequest(key, version, 1, 'raw', make(apiByKey.get(key)!.request, part as never) as RequestOf<K>),
  );
  const marked = Buffer.alloc(8);
  marked.writeBigInt64BE(BigInt(mark));
  frame.writeBigInt64BE(value, frame.indexOf(marked));
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(frame.length);
  client.write(Buffer.concat([prefix, frame]));
  const answer = await client.next();
  if (!answer) throw new Error('the connection ended before the answer');
  return decodeResponse(key, version, answer);
}
const mark = 0x12_3456_789a_bcde;

it('answers offsets and times beyond 2^53 like others that are too large', async () => {
  const list = { replicaId: -1, topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: mark }] }] };
  const at = async (version: number, time: bigint) =>
    (await askBeyond(2, version, list, time)).topics[0]!.partitions[0]!;
  for (const time of [2n ** 53n, 2n ** 62n, 2n ** 63n - 1n]) {
    expect(await at(7, time)).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1 });
  }
  expect((await at(11, -(2n ** 62n))).errorCode).toBe(errorCode.unsupportedVersion);
  const partitions = [{ partition: 0, fetchOffset: mark, partitionMaxBytes: 1_000 }];
  const fetched = await askBeyond(1, 12, { maxBytes: 1_000, topics: [{ topic: 't', partitions }] }, 2n ** 62n);
  expect(fetched.responses[0]!.partitions[0]!.errorCode).toBe(errorCode.offsetOutOfRange);
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, offset: mark }] }];
  const deleted = await askBeyond(21, 2, { topics, timeoutMs: 5_000 }, 2n ** 62n);
  expect(deleted.topics[0]!.partitions[0]!.errorCode).toBe(errorCode.offsetOutOfRange);
});

it('keeps any int64 as a committed offset', async () => {
  const partitions = [{ partitionIndex: 0, committedOffset: mark, committedMetadata: '' }];
  const commit = { groupId: 'far', generationIdOrMemberEpoch: -1, topics: [{ name: 't', partitions }] };
  const fetched = { groups: [{ groupId: 'far', topics: [{ name: 't', partitionIndexes: [0] }] }] };
  for (const offset of [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), -(2n ** 53n), 2n ** 62n + 3n]) {
    expect((await askBeyond(8, 8, commit, offset)).topics[0]!.partitions[0]!.errorCode).toBe(0);
    const { groups } = await ask(9, 8, fetched);
    expect(groups[0]!.topics[0]!.partitions[0]!.committedOffset).toBe(offset);
  }
});

it('does not answer a topic that a commit names without partitions, unless it is unknown', async () => {
  const commit = async (version: number, topics: object[]) =>
    (await ask(8, version, { groupId: 'none', generationIdOrMemberEpoch: -1, topics })).topics;
  const kept = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' };
  expect(await commit(8, [{ name: 't', partitions: [] }])).toEqual([]);
  const mixed = await commit(8, [{ name: 't' }, { name: 'nobodys' }, { name: 't', partitions: [kept] }]);
  expect(mixed.map(({ name, partitions }) => [name, partitions.length])).toEqual([
    ['nobodys', 0],
    ['t', 1],
  ]);
});

it('names the former leader to a static leader that comes back before v9 and must not assign', async () => {
  const protocols = [{ name: 'range', metadata: Buffer.alloc(0) }];
  const join = (version: number) =>
    ask(11, version, {
      groupId: 'statics',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 30_000,
      groupInstanceId: 'i',
      protocolType: 'consumer',
      protocols,
    });
  const first = await join(9);
  const { memberId, generationId } = first;
  const own = { groupId: 'statics', memberId, generationId, groupInstanceId: 'i' };
  const assignments = [{ memberId, assignment: Buffer.from('mine') }];
  expect((await ask(14, 3, { ...own, assignments })).errorCode).toBe(0);
  let former = memberId;
  for (const version of [5, 7, 8]) {
    const back = await join(version);
    expect(back).toMatchObject({ errorCode: 0, generationId, leader: former, skipAssignment: false, members: [] });
    former = back.memberId;
  }
  const newest = await join(9);
  expect(newest).toMatchObject({ leader: newest.memberId, skipAssignment: true });
  expect(newest.members).toHaveLength(1);
});

it('refuses a producer id without an epoch, and an epoch without an id', async () => {
  const init = (producerId: number, producerEpoch: number) =>
    ask(22, 4, { transactionalId: null, transactionTimeoutMs: 1, producerId, producerEpoch });
  expect((await init(5, -1)).errorCode).toBe(errorCode.invalidRequest);
  expect((await init(-1, 5)).errorCode).toBe(errorCode.invalidRequest);
  expect((await init(-1, -1)).errorCode).toBe(0);
});

function countingFrom(offset: number, batch: Buffer): Buffer {
  const copy = Buffer.from(batch);
  copy.writeInt32BE(offset, 4);
  return copy;
}

it('refuses a batch that does not count from 0', async () => {
  const records = countingFrom(77, encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }]));
  const { responses } = await ask(0, 8, {
    acks: -1,
    topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
  });
  expect(responses[0]!.partitionResponses[0]!.errorCode).toBe(errorCode.invalidRecord);
});

it('refuses a request with a config without a value, and checks the name first', async () => {
  const resource = { resourceType: 2, resourceName: 't' };
  const configs = [{ name: 'retention.ms', value: null }];
  const altered = await ask(33, 2, { resources: [{ ...resource, configs }] });
  expect(altered.responses[0]!.errorCode).toBe(errorCode.invalidRequest);
  const set = await ask(44, 1, { resources: [{ ...resource, configs: [{ ...configs[0], configOperation: 0 }] }] });
  expect(set.responses[0]!.errorCode).toBe(errorCode.invalidRequest);
  const odd = { numPartitions: 0, replicationFactor: 0 };
  const created = await ask(19, 5, {
    topics: [
      { name: '..', ...odd },
      { name: 't', ...odd },
      { name: 'u', ...odd },
    ],
  });
  expect(created.topics.map((topic) => topic.errorCode)).toEqual([
    errorCode.invalidTopicException,
    errorCode.topicAlreadyExists,
    errorCode.invalidReplicationFactor,
  ]);
});

it('refuses a topic whose name differs from that of another only in dots and underscores', async () => {
  const create = async (names: string[], more: object = {}) => {
    const topics = names.map((name) => ({ name, numPartitions: 1, replicationFactor: 1, ...more }));
    return (await ask(19, 7, { topics })).topics.map((topic) => [topic.errorCode, topic.errorMessage]);
  };
  const collides = (name: string) => [
    errorCode.invalidTopicException,
    `Topic '${name}' collides with existing topic: col.li_des`,
  ];
  expect(await create(['col.li_des', 'col_li.des'])).toEqual([[0, null], collides('col_li.des')]);
  expect(await create(['col_li_des', 'col.li_des'], { numPartitions: 0 })).toEqual([
    collides('col_li_des'),
    [errorCode.topicAlreadyExists, "Topic 'col.li_des' already exists."],
  ]);
  const validated = await ask(19, 7, { topics: [{ name: 'col.li.des', numPartitions: 1 }], validateOnly: true });
  expect(validated.topics[0]!.errorCode).toBe(errorCode.invalidTopicException);
  const asked = { topics: [{ name: 'col.li.des' }], allowAutoTopicCreation: true };
  expect((await ask(3, 9, asked)).topics[0]!.errorCode).toBe(errorCode.invalidTopicException);
  await ask(20, 5, { topicNames: ['col.li_des'] });
  expect(await create(['col.li.des'])).toEqual([[0, null]]);
});

it('checks a config request in Kafka’s order: the request, the name, the value, the topic', async () => {
  const alter = async (resourceName: string, configs: object[]): Promise<number[]> => {
    const resources = [{ resourceType: 2, resourceName, configs }];
    const [old, set] = [await ask(33, 2, { resources }), await ask(44, 1, { resources })];
    return [old.responses[0]!.errorCode, set.responses[0]!.errorCode];
  };
  const good = { name: 'retention.ms', value: '-1' };
  const bad = { name: 'retention.ms', value: 'soon' };
  const both = (code: number): number[] => [code, code];
  expect(await alter('..', [good, good])).toEqual(both(errorCode.invalidRequest));
  expect(await alter('', [bad])).toEqual(both(errorCode.invalidRequest));
  expect(await alter('..', [bad])).toEqual(both(errorCode.invalidTopicException));
  expect(await alter('nobodys', [bad])).toEqual(both(errorCode.invalidConfig));
  expect(await alter('nobodys', [good])).toEqual(both(errorCode.unknownTopicOrPartition));
  const twice = { resourceType: 2, resourceName: 't', configs: [good] };
  const [old, set] = [await ask(33, 2, { resources: [twice, twice] }), await ask(44, 1, { resources: [twice, twice] })];
  for (const { responses } of [old, set]) {
    expect(responses.map((each) => each.errorCode)).toEqual(both(errorCode.invalidRequest));
  }
  const described = await ask(32, 4, { resources: [{ resourceType: 2, resourceName: '..', configurationKeys: null }] });
  expect(described.results[0]!.errorCode).toBe(errorCode.invalidTopicException);
});

it('reports an invalid number of partitions before a replication factor larger than the number of brokers', async () => {
  const create = async (numPartitions: number, replicationFactor: number): Promise<number> =>
    (await ask(19, 5, { topics: [{ name: 'v', numPartitions, replicationFactor }] })).topics[0]!.errorCode;
  expect(await create(-100, 4)).toBe(errorCode.invalidPartitions);
  expect(await create(-100, -2)).toBe(errorCode.invalidReplicationFactor);
  expect(await create(1, 4)).toBe(errorCode.invalidReplicationFactor);
  // MirrorMaker 2 asks for 2 by default.
  expect(await create(1, 2)).toBe(errorCode.none);
});

it('reports an unknown special time before an unknown partition', async () => {
  const partitions = [-7, -1].map((timestamp, i) => ({ partitionIndex: 9 + i, timestamp }));
  const { topics } = await ask(2, 11, { replicaId: -1, topics: [{ name: 't', partitions }] });
  expect(topics[0]!.partitions.map((partition) => partition.errorCode)).toEqual([
    errorCode.unsupportedVersion,
    errorCode.unknownTopicOrPartition,
  ]);
});

it('reports partitions that do not exist when offsets are deleted', async () => {
  const partitions = [{ partitionIndex: 0 }, { partitionIndex: 9 }];
  const names = [
    { name: 't', partitions },
    { name: 'nobodys', partitions: [{ partitionIndex: 0 }] },
  ];
  const commit = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' };
  await ask(8, 5, { groupId: 'simple', generationIdOrMemberEpoch: -1, topics: [{ name: 't', partitions: [commit] }] });
  const { topics, errorCode: code } = await ask(47, 0, { groupId: 'simple', topics: names });
  expect(code).toBe(0);
  expect(topics.map((topic) => topic.partitions.map((partition) => partition.errorCode))).toEqual([
    [0, errorCode.unknownTopicOrPartition],
    [errorCode.unknownTopicOrPartition],
  ]);
  const none = await ask(47, 0, { groupId: 'no-such-group', topics: names });
  expect(none).toMatchObject({ errorCode: errorCode.groupIdNotFound, topics: [] });
});

it('ends a fetch session that has nothing left to remember', async () => {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }];
  const whole = { maxBytes: 1_000, topics: [{ topic: 't', partitions }] };
  const { sessionId } = await ask(1, 12, { ...whole, sessionEpoch: 0 });
  expect(sessionId).toBeGreaterThan(0);
  const forgottenTopicsData = [{ topic: 't', partitions: [0] }];
  // A partition that is named and forgotten in one request is forgotten, but still answered.
  const last = await ask(1, 12, { ...whole, sessionId, sessionEpoch: 1, forgottenTopicsData });
  expect(last).toMatchObject({ sessionId: 0, errorCode: 0 });
  expect(last.responses[0]!.partitions[0]!.highWatermark).toBe(1);
  const gone = await ask(1, 12, { maxBytes: 1_000, sessionId, sessionEpoch: 2 });
  expect(gone.errorCode).toBe(errorCode.fetchSessionIdNotFound);
});

it('evicts the least recently used fetch session of a connection that has no room for another', async () => {
  const own = await bench.client(await bench.tenant('sessions'));
  const topics = [{ topic: 'none', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] }];
  const step = (sessionId: number, sessionEpoch: number): Promise<ResponseOf<1>> => {
    const request = make(apiByKey.get(1)!.request, { maxBytes: 1_000, sessionId, sessionEpoch, topics } as never);
    return own.ask(1, 12, request as RequestOf<1>);
  };
  const ids: number[] = [];
  for (let i = 0; i < kafkaDoorDefaults.fetchSessionsMax; i++) ids.push((await step(0, 0)).sessionId);
  expect((await step(ids[0]!, 1)).errorCode).toBe(0);
  expect((await step(0, 0)).sessionId).toBeGreaterThan(0);
  expect((await step(ids[0]!, 2)).errorCode).toBe(0);
  expect((await step(ids[1]!, 1)).errorCode).toBe(errorCode.fetchSessionIdNotFound);
});

it('describes all configs for an empty list of names, and names defaults as the broker does', async () => {
  const describe = (configurationKeys: string[] | null) =>
    ask(32, 4, { resources: [{ resourceType: 2, resourceName: 't', configurationKeys }], includeSynonyms: true });
  const all = (await describe(null)).results[0]!.configs;
  expect((await describe([])).results[0]!.configs).toEqual(all);
  expect(all.find(({ name }) => name === 'max.message.bytes')?.synonyms[0]?.name).toBe('message.max.bytes');
  expect(all.find(({ name }) => name === 'retention.ms')?.synonyms).toEqual([]);
  expect(all.find(({ name }) => name === 'cleanup.policy')?.configType).toBe(7);
});

it('refuses a page that begins before the first partition', async () => {
  const page = await ask(75, 0, { topics: [{ name: 't' }], cursor: { topicName: 't', partitionIndex: -1 } });
  expect(page.topics.map((topic) => topic.errorCode)).toEqual([errorCode.invalidRequest]);
});

it('refuses a generation of a group that does not exist with a code that each OffsetCommit version knows', async () => {
  const commit = async (version: number): Promise<number> => {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 0, committedMetadata: '' }] }];
    const request = { groupId: 'no-such-group', generationIdOrMemberEpoch: 3, memberId: 'm', topics };
    return (await ask(8, version, request)).topics[0]!.partitions[0]!.errorCode;
  };
  expect(await commit(8)).toBe(errorCode.illegalGeneration);
  expect(await commit(9)).toBe(errorCode.groupIdNotFound);
});

it('refuses transactional ids with the code that ends the clients of each version', async () => {
  const old = await ask(10, 3, { key: 'tx', keyType: 1 });
  expect(old.errorCode).toBe(errorCode.transactionalIdAuthorizationFailed);
  const { coordinators } = await ask(10, 4, { coordinatorKeys: ['tx'], keyType: 1 });
  expect(coordinators[0]).toMatchObject({ errorCode: errorCode.policyViolation });
  expect(coordinators[0]!.errorMessage).toContain('Transactions are not supported');
});

it('refuses transactional batches, and ignores a transactional id that comes with other batches', async () => {
  const codes = async (transactionalId: string | null, ...inTransaction: readonly boolean[]): Promise<number[]> => {
    const partitionData = inTransaction.map((isTransactional, index) => {
      const producer = isTransactional ? { producerId: 5, producerEpoch: 0, baseSequence: 0 } : {};
      const records = encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }], {
        ...producer,
        isTransactional,
      });
      return { index, records };
    });
    const { responses } = await ask(0, 8, { transactionalId, acks: -1, topicData: [{ name: 't', partitionData }] });
    return responses[0]!.partitionResponses.map((each) => each.errorCode);
  };
  const refused = errorCode.transactionalIdAuthorizationFailed;
  expect(await codes(null, false, true)).toEqual([refused, refused]);
  expect(await codes('tx', true)).toEqual([refused]);
  expect(await codes('', false)).toEqual([0]);
  expect(await codes('tx', false, false)).toEqual([0, 0]);
});

it('returns no offsets of a deleted topic, whatever the group still remembers', async () => {
  const topic = { name: 'again', numPartitions: 1, replicationFactor: 1 };
  await ask(19, 5, { topics: [topic] });
  const commit = { partitionIndex: 0, committedOffset: 5, committedMetadata: '' };
  const topics = [{ name: 'again', partitions: [commit] }];
  await ask(8, 5, { groupId: 'former', generationIdOrMemberEpoch: -1, topics });
  const named = [{ name: 'again', partitionIndexes: [0] }];
  const offset = async (): Promise<number | bigint> =>
    (await ask(9, 7, { groupId: 'former', topics: named })).topics[0]!.partitions[0]!.committedOffset;
  expect(await offset()).toBe(5);
  await ask(20, 5, { topicNames: ['again'] });
  expect(await offset()).toBe(-1);
  expect((await ask(9, 7, { groupId: 'former', topics: null })).topics).toEqual([]);
});

it('resets a config that is not set, whatever its name, and lists no resources of an unknown type', async () => {
  const configs = [{ name: 'no.such.config', value: null, configOperation: 1 }];
  const { responses } = await ask(44, 1, { resources: [{ resourceType: 2, resourceName: 't', configs }] });
  expect(responses[0]!.errorCode).toBe(0);
  expect((await ask(74, 1, { resourceTypes: [99] })).errorCode).toBe(errorCode.unsupportedVersion);
});

it('adds to a config that is a list, and takes from it', async () => {
  const alter = async (name: string, value: string, configOperation: number): Promise<number> => {
    const resources = [{ resourceType: 2, resourceName: 't', configs: [{ name, value, configOperation }] }];
    return (await ask(44, 1, { resources })).responses[0]!.errorCode;
  };
  const [append, subtract] = [2, 3];
  const policy = async (): Promise<string | null | undefined> => {
    const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: ['cleanup.policy'] }];
    return (await ask(32, 4, { resources })).results[0]!.configs[0]?.value;
  };
  expect(await alter('cleanup.policy', 'delete', append)).toBe(0);
  expect(await alter('cleanup.policy', 'compact', subtract)).toBe(0);
  expect(await policy()).toBe('delete');
  expect(await alter('cleanup.policy', 'compact', append)).toBe(0);
  expect(await policy()).toBe('delete,compact');
  expect(await alter('cleanup.policy', 'delete', subtract)).toBe(0);
  expect(await policy()).toBe('compact');
  expect(await alter('cleanup.policy', 'compact', subtract)).toBe(0);
  expect(await policy()).toBe('');
  expect(await alter('cleanup.policy', 'Compact', append)).toBe(errorCode.invalidConfig);
  expect(await alter('retention.ms', '1', append)).toBe(errorCode.invalidConfig);
});

it('reports a missing partition or batch before invalid acks', async () => {
  const whole = encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }]);
  const data = [
    { name: 't', partitionData: [{ index: 0, records: whole }] },
    { name: 't', partitionData: [{ index: 0, records: whole.subarray(0, 40) }] },
    { name: 'nobodys', partitionData: [{ index: 0, records: whole }] },
    { name: 't', partitionData: [{ index: 0, records: countingFrom(77, whole) }] },
  ];
  const { responses } = await ask(0, 8, { acks: 2, topicData: data });
  expect(responses.map(({ partitionResponses }) => partitionResponses[0]!.errorCode)).toEqual([
    errorCode.invalidRequiredAcks,
    errorCode.invalidRecord,
    errorCode.unknownTopicOrPartition,
    errorCode.invalidRequiredAcks,
  ]);
});

it('treats the group with an empty name as one that does not exist', async () => {
  const { groups } = await ask(15, 5, { groups: [''] });
  expect(groups[0]).toMatchObject({ errorCode: 0, groupState: 'Dead' });
});

it('reports a sync without a protocol before a sync without a group', async () => {
  const sync = async (version: number, part: object): Promise<number> =>
    (await ask(14, version, { memberId: 'm', ...part })).errorCode;
  expect(await sync(5, { groupId: '' })).toBe(errorCode.inconsistentGroupProtocol);
  expect(await sync(4, { groupId: '' })).toBe(errorCode.invalidGroupId);
  const protocol = { protocolType: 'consumer', protocolName: 'range' };
  expect(await sync(5, { groupId: '', ...protocol })).toBe(errorCode.invalidGroupId);
});

it('deletes no topic that is named twice, and answers for it once', async () => {
  const codes = async (version: number, part: object): Promise<unknown[]> =>
    (await ask(20, version, part)).responses.map((each) => [each.name, each.errorCode]);
  await ask(19, 5, { topics: [{ name: 'twice', numPartitions: 1, replicationFactor: 1 }] });
  const { topicId } = (await ask(3, 12, { topics: [{ name: 'twice' }] })).topics[0]!;
  const [byName, byId] = [
    { name: 'twice', topicId: zeroUuid },
    { name: null, topicId },
  ];
  const { invalidRequest, unknownTopicOrPartition } = errorCode;
  expect(await codes(5, { topicNames: ['twice', 'twice', 'none'] })).toEqual([
    ['twice', invalidRequest],
    ['none', unknownTopicOrPartition],
  ]);
  expect(await codes(6, { topics: [byId, byId] })).toEqual([[null, invalidRequest]]);
  expect(await codes(6, { topics: [byName, byId] })).toEqual([['twice', invalidRequest]]);
  expect(await codes(6, { topics: [{ name: 'twice', topicId }] })).toEqual([['twice', invalidRequest]]);
  expect(await codes(6, { topics: [{ name: null, topicId: zeroUuid }] })).toEqual([[null, invalidRequest]]);
  expect(await codes(6, { topics: [byId] })).toEqual([['twice', errorCode.none]]);
});

it('refuses an unknown codec without log offsets, in versions that refuse a codec that is too new', async () => {
  const records = encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }]);
  const produce = async (codecId: number, version: number): Promise<unknown> => {
    const batch = Buffer.from(records);
    batch[batchField.attributes + 1] = codecId;
    batch.writeInt32BE(crc32c(batch, 0, batchField.attributes, batch.length) | 0, batchField.crc);
    const data = [{ name: 't', partitionData: [{ index: 0, records: batch }] }];
    const { errorCode: code, logStartOffset } = (await ask(0, version, { acks: -1, topicData: data })).responses[0]!
      .partitionResponses[0]!;
    return [code, logStartOffset];
  };
  const unsupported = errorCode.unsupportedCompressionType;
  const [zstd, none] = [4, 7];
  expect(await produce(zstd, 6)).toEqual([unsupported, -1]);
  expect(await produce(none, 6)).toEqual([unsupported, -1]);
  expect(await produce(none, 7)).toEqual([unsupported, 0]);
});

it('answers a session about a recreated topic by its old id if the partition exists, else by no id', async () => {
  const make = (numPartitions: number) =>
    ask(19, 5, { topics: [{ name: 'again-smaller', numPartitions, replicationFactor: 1 }] });
  await make(2);
  const { topicId } = (await ask(3, 12, { topics: [{ name: 'again-smaller' }] })).topics[0]!;
  const partitions = [0, 1].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1_000 }));
  const { sessionId } = await ask(1, 15, { maxBytes: 1_000, sessionEpoch: 0, topics: [{ topicId, partitions }] });
  await ask(20, 5, { topicNames: ['again-smaller'] });
  await make(1);
  const { responses } = await ask(1, 15, { maxBytes: 1_000, sessionId, sessionEpoch: 1 });
  const told = responses.flatMap((topic) => topic.partitions.map((each) => [each.partitionIndex, each.errorCode]));
  expect(told).toEqual([
    [0, errorCode.inconsistentTopicId],
    [1, errorCode.unknownTopicOrPartition],
  ]);
});
