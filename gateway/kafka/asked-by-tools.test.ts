/**
 * Requests of admin tools for features that a tenant's cluster lacks or does not permit. Each is answered in the API's own
 * terms, like a Kafka that is set up without the feature, so that a tool continues or says why it cannot.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
let client: RawClient;

function ask<K extends ApiKey>(key: K, part: object, from = client): Promise<ResponseOf<K>> {
  const { max, request } = apiByKey.get(key)!;
  return from.ask(key, max, make(request, part as never) as RequestOf<K>);
}

const topicOfTheirs = 'theirs';

beforeAll(async () => {
  bench = await doorBench();
  client = await bench.client(await bench.tenant('acme'));
  await ask(19, { topics: [{ name: 't', numPartitions: 2, replicationFactor: -1 }] });
  const stranger = await bench.client(await bench.tenant('stranger'));
  await ask(19, { topics: [{ name: topicOfTheirs, numPartitions: 2, replicationFactor: -1 }] }, stranger);
});
afterAll(() => bench.close());

it('has no ACLs, like a Kafka without an authorizer', async () => {
  expect(await ask(29, {})).toMatchObject({ errorCode: errorCode.securityDisabled, resources: [] });
  const { results } = await ask(30, { creations: [{ resourceName: 't' }, { resourceName: 'u' }] });
  expect(results.map((each) => each.errorCode)).toEqual([errorCode.securityDisabled, errorCode.securityDisabled]);
  const { filterResults } = await ask(31, { filters: [{ resourceTypeFilter: 1 }] });
  expect(filterResults).toMatchObject([{ errorCode: errorCode.securityDisabled, matchingAcls: [] }]);
});

it('reports the sizes of the cluster’s own logs, in one directory', async () => {
  const records = encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 1 }]);
  const { length } = records;
  const { topics: known } = await ask(3, { topics: [{ name: 't' }] });
  const partitionData = [{ index: 1, records }];
  await ask(0, { acks: -1, topicData: [{ topicId: known[0]!.topicId, partitionData }] });
  const sizes = [
    { partitionIndex: 0, partitionSize: 0 },
    { partitionIndex: 1, partitionSize: length },
  ];
  const all = await ask(35, { topics: null });
  expect(all.results).toMatchObject([{ errorCode: 0, topics: [{ name: 't', partitions: sizes }], totalBytes: -1 }]);
  expect(all.results[0]!.topics).toHaveLength(1);
  const topics = [
    { topic: 't', partitions: [1, 2, -1] },
    { topic: topicOfTheirs, partitions: [0] },
    { topic: 't', partitions: [1] },
  ];
  const some = await ask(35, { topics });
  expect(some.results[0]!.topics).toMatchObject([{ name: 't', partitions: [sizes[1]] }]);
  expect(some.results[0]!.topics[0]!.partitions).toHaveLength(1);
});

it('answers that no leader election is needed, for the partitions that exist', async () => {
  const topicPartitions = [
    { topic: 't', partitions: [1, 2, -1] },
    { topic: topicOfTheirs, partitions: [0] },
  ];
  for (const electionType of [0, 1]) {
    const elected = await ask(43, { electionType, topicPartitions });
    expect(elected.errorCode).toBe(errorCode.none);
    expect(
      elected.replicaElectionResults.map(({ topic, partitionResult }) => [
        topic,
        ...partitionResult.map((each) => [each.partitionId, each.errorCode]),
      ]),
    ).toEqual([
      [
        't',
        [1, errorCode.electionNotNeeded],
        [2, errorCode.unknownTopicOrPartition],
        [-1, errorCode.unknownTopicOrPartition],
      ],
      [topicOfTheirs, [0, errorCode.unknownTopicOrPartition]],
    ]);
  }
  expect(await ask(43, { topicPartitions: null })).toMatchObject({ errorCode: 0, replicaElectionResults: [] });
  const odd = await ask(43, { electionType: 7, topicPartitions });
  expect(odd.errorCode).toBe(errorCode.invalidRequest);
});

it('reassigns replicas of the cluster’s own topics at once, so no reassignment is ever in progress', async () => {
  const { topics } = await ask(3, { topics: [{ name: 't' }] });
  const { replicaNodes } = topics[0]!.partitions.find(({ partitionIndex }) => partitionIndex === 0)!;
  const partitions = [
    { partitionIndex: 0, replicas: [...replicaNodes].reverse() },
    { partitionIndex: 0, replicas: replicaNodes.slice(1) },
    { partitionIndex: 0, replicas: null },
    { partitionIndex: 5, replicas: null },
  ];
  const names = [
    { name: 't', partitions },
    { name: topicOfTheirs, partitions: partitions.slice(0, 1) },
  ];
  const altered = await ask(45, { topics: names });
  expect(altered).toMatchObject({ errorCode: 0, allowReplicationFactorChange: true });
  expect(altered.responses.map((each) => each.partitions.map((partition) => partition.errorCode))).toEqual([
    [errorCode.none, errorCode.none, errorCode.noReassignmentInProgress, errorCode.unknownTopicOrPartition],
    [errorCode.unknownTopicOrPartition],
  ]);
});

it('has no quotas of users and client ids, and refuses to set any', async () => {
  const component = { entityType: 'user', matchType: 2, match: null };
  expect(await ask(48, { components: [component] })).toMatchObject({ errorCode: 0, entries: [] });
  const entity = [{ entityType: 'client-id', entityName: null }];
  const { entries } = await ask(49, { entries: [{ entity, ops: [{ key: 'producer_byte_rate', value: 1.5 }] }] });
  expect(entries).toMatchObject([{ errorCode: errorCode.policyViolation, entity }]);
});

it('has no SCRAM users: each name is answered once', async () => {
  expect(await ask(50, { users: null })).toMatchObject({ errorCode: 0, results: [] });
  const { results } = await ask(50, { users: [{ name: 'ann' }, { name: 'ann' }] });
  expect(results).toMatchObject([{ user: 'ann', errorCode: errorCode.resourceNotFound, credentialInfos: [] }]);
  const altered = await ask(51, {
    deletions: [{ name: 'ann', mechanism: 1 }],
    upsertions: [
      { name: 'bob', mechanism: 1 },
      { name: 'bob', mechanism: 2 },
    ],
  });
  expect(altered.results.map((each) => [each.user, each.errorCode])).toEqual([
    ['ann', errorCode.resourceNotFound],
    ['bob', errorCode.unsupportedSaslMechanism],
  ]);
});

it('has no transactions, and names unknown states back to the client', async () => {
  expect(await ask(66, { stateFilters: ['Ongoing', 'Sleeping'] })).toMatchObject({
    errorCode: 0,
    transactionStates: [],
    unknownStateFilters: ['Sleeping'],
  });
});

it('tells a KIP-848 member at once that groups are classic', async () => {
  const joined = await ask(68, { groupId: 'g', memberId: 'm', subscribedTopicNames: ['t'], topicPartitions: [] });
  expect(joined).toMatchObject({ errorCode: errorCode.unsupportedVersion, memberId: null, assignment: null });
  expect(joined.errorMessage).toContain('group.protocol=classic');
  expect((await ask(16, {})).groups).toEqual([]);
});

it('has no cluster-wide broker configs, and refuses to set any', async () => {
  const all = { resourceType: 4, resourceName: '' };
  const { results } = await ask(32, { resources: [{ ...all, configurationKeys: null }] });
  expect(results).toMatchObject([{ errorCode: 0, configs: [] }]);
  const configs = [{ name: 'log.retention.ms', value: '1' }];
  const { responses } = await ask(44, { resources: [{ ...all, configs }] });
  expect(responses).toMatchObject([{ errorCode: errorCode.policyViolation }]);
});

it('accepts the removal of broker configs that are not set, as tools do after a reassignment', async () => {
  const name = 'leader.replication.throttled.rate';
  const alter = async (configs: object[]): Promise<number> => {
    const { responses } = await ask(44, { resources: [{ resourceType: 4, resourceName: '1', configs }] });
    return responses[0]!.errorCode;
  };
  const [set, remove, append] = [0, 1, 2];
  expect(await alter([{ name, configOperation: remove, value: null }])).toBe(errorCode.none);
  const mixed = [
    { name, configOperation: remove, value: '' },
    { name: 'log.retention.ms', configOperation: set, value: '1' },
  ];
  expect(await alter(mixed)).toBe(errorCode.policyViolation);
  expect(await alter([{ name, configOperation: append, value: '1' }])).toBe(errorCode.policyViolation);
});

it('stores and shows the throttle rates that tools set for moves, only for the cluster that sets them', async () => {
  const stranger = await bench.client(await bench.tenant('unthrottled'));
  const [leader, follower] = ['leader.replication.throttled.rate', 'follower.replication.throttled.rate'];
  const alter = async (resourceName: string, configs: object[], more: object = {}): Promise<number> => {
    const { responses } = await ask(44, { resources: [{ resourceType: 4, resourceName, configs }], ...more });
    return responses[0]!.errorCode;
  };
  const shown = async (resourceName: string, from = client): Promise<unknown> => {
    const resource = { resourceType: 4, resourceName, configurationKeys: [leader, follower] };
    const { results } = await ask(32, { resources: [resource], includeSynonyms: true }, from);
    return results[0]!.configs.map(({ name, value, configSource, readOnly, synonyms }) => {
      expect(readOnly).toBe(false);
      return [name, value, configSource, synonyms.map((each) => each.source)];
    });
  };
  const [set, remove] = [0, 1];
  expect(await alter('1', [{ name: leader, value: '1000', configOperation: set }], { validateOnly: true })).toBe(0);
  expect(await shown('1')).toEqual([]);
  expect(await alter('1', [{ name: leader, value: ' 1000 ', configOperation: set }])).toBe(0);
  expect(
    await alter(
      '',
      [leader, follower].map((name) => ({ name, value: '5', configOperation: set })),
    ),
  ).toBe(0);
  expect(await shown('1')).toEqual([
    [follower, '5', 3, [3]],
    [leader, '1000', 2, [2, 3]],
  ]);
  expect(await shown('2')).toEqual([
    [follower, '5', 3, [3]],
    [leader, '5', 3, [3]],
  ]);
  expect(await shown('')).toEqual([
    [follower, '5', 3, [3]],
    [leader, '5', 3, [3]],
  ]);
  expect(await shown('1', stranger)).toEqual([]);
  for (const value of ['-1', 'fast', '99999999999999999999', '']) {
    expect(await alter('1', [{ name: leader, value, configOperation: set }])).toBe(errorCode.invalidConfig);
  }
  for (const nobody of ['0', '4', '1.0', 'x']) {
    expect(await alter(nobody, [{ name: leader, value: '1', configOperation: set }])).toBe(errorCode.invalidRequest);
  }
  const twice = [set, remove].map((configOperation) => ({ name: leader, value: '1', configOperation }));
  expect(await alter('1', twice)).toBe(errorCode.invalidRequest);
  expect(await alter('1', [{ name: leader, value: null, configOperation: remove }])).toBe(0);
  // Replaces the whole list.
  const none = { resources: [{ resourceType: 4, resourceName: '', configs: [{ name: leader, value: '7' }] }] };
  expect((await ask(33, none)).responses[0]!.errorCode).toBe(0);
  expect(await shown('1')).toEqual([[leader, '7', 3, [3]]]);
});

it('stores and shows which replicas of a topic are throttled', async () => {
  const name = 'leader.replication.throttled.replicas';
  const alter = async (value: string | null, configOperation: number): Promise<number> => {
    const configs = [{ name, value, configOperation }];
    const { responses } = await ask(44, { resources: [{ resourceType: 2, resourceName: 't', configs }] });
    return responses[0]!.errorCode;
  };
  const shown = async (): Promise<unknown> => {
    const { results } = await ask(32, {
      resources: [{ resourceType: 2, resourceName: 't', configurationKeys: [name] }],
    });
    return results[0]!.configs.map(({ value, configType }) => [value, configType]);
  };
  const [set, remove, append, subtract] = [0, 1, 2, 3];
  expect(await shown()).toEqual([]);
  expect(await alter('0:1,1:2', set)).toBe(0);
  expect(await alter('1:3', append)).toBe(0);
  expect(await alter('0:1', subtract)).toBe(0);
  expect(await shown()).toEqual([['1:2,1:3', 7]]);
  for (const value of ['1', '1:x', '*,1:1', '1:1,'.repeat(3_000) + '1:1']) {
    expect(await alter(value, set)).toBe(errorCode.invalidConfig);
  }
  expect(await alter('*', set)).toBe(0);
  expect(await shown()).toEqual([['*', 7]]);
  expect(await alter(null, remove)).toBe(0);
  expect(await shown()).toEqual([]);
});
