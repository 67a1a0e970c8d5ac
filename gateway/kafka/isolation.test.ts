/** For every API: a tenant that uses another tenant's names and ids gets the answers it would get if they did not exist. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make, type Part } from '../../engine/protocol/make.ts';
import { noSegment } from '../../engine/protocol/messages/01-fetch.ts';
import { uuidText, zeroUuid } from '../../engine/kernel/uuid.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type DoorBench, doorBench, type RawClient, type Tenant } from './door.suite.ts';

let bench: DoorBench;
let owner: Tenant;
let stranger: Tenant;
let owned: RawClient;
let foreign: RawClient;
let topicId: string;

const secret = 'payroll';
const group = 'payroll-readers';

async function ask<K extends ApiKey>(
  client: RawClient,
  key: K,
  part: Part<RequestOf<K>>,
  version = Math.min(apiByKey.get(key)!.max, latest[key] ?? Infinity),
): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

/** APIs whose highest served version is below that of the codec. */
const latest: Partial<Record<ApiKey, number>> = { 22: 5, 8: 9, 9: 9 };

beforeAll(async () => {
  bench = await doorBench();
  owner = await bench.tenant('owner');
  stranger = await bench.tenant('stranger');
  owned = await bench.client(owner);
  foreign = await bench.client(stranger);
  await ask(owned, 19, { topics: [{ name: secret, numPartitions: 2, replicationFactor: -1 }] });
  topicId = (await ask(owned, 3, { topics: null })).topics[0]!.topicId;
  const records = encodeBatch([{ key: null, value: Buffer.from('salaries'), timestampMs: 0 }]);
  await ask(owned, 0, { acks: -1, topicData: [{ topicId, partitionData: [{ index: 0, records }] }] });
  await ask(owned, 8, {
    groupId: group,
    topics: [{ name: secret, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'private' }] }],
  });
});
afterAll(() => bench.close());

/** The whole response as text, to search for what must not be in it. */
function textOf(response: unknown): string {
  return JSON.stringify(response, (_key, value: unknown) => (value instanceof Uint8Array ? String(value) : value));
}

function expectNothingOf(response: unknown): void {
  const text = textOf(response);
  for (const word of [owner.clusterId, 'salaries', 'private']) expect(text).not.toContain(word);
}

it('Fetch: a client that says it reads segments gets records, and no location of a file', async () => {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
  const request = { maxWaitMs: 0, readsSegments: true, topics: [{ topicId, partitions }] };
  const [fetched] = (await ask(owned, 1, request)).responses[0]!.partitions;
  expect(fetched!.records!.length).toBeGreaterThan(0);
  expect(fetched!.segment).toEqual(noSegment);
  expect(fetched!.following).toEqual([]);
});

describe('names and ids of another tenant', () => {
  /** The topic's name as the owner knows it, its name in the engine, and an internal topic. */
  const names = (): string[] => [secret, `${owner.clusterId}.${secret}`, `${owner.clusterId}:offsets`];

  it('Produce, Fetch: unknown topic', async () => {
    const records = encodeBatch([{ key: null, value: Buffer.from('x'), timestampMs: 0 }]);
    const before = bench.engine.appended.length;
    const byId = await ask(foreign, 0, { acks: -1, topicData: [{ topicId, partitionData: [{ index: 0, records }] }] });
    expect(byId.responses[0]!.partitionResponses[0]!.errorCode).toBe(errorCode.unknownTopicId);
    for (const name of names().slice(0, 2)) {
      const request = { acks: -1, topicData: [{ name, partitionData: [{ index: 0, records }] }] };
      const byName = await ask(foreign, 0, request, 9);
      expect(byName.responses[0]!.partitionResponses[0]!.errorCode).toBe(errorCode.unknownTopicOrPartition);
    }
    expect(bench.engine.appended.length).toBe(before);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }];
    const fetched = await ask(foreign, 1, { maxWaitMs: 0, topics: [{ topicId, partitions }] });
    expect(fetched.responses[0]!.partitions[0]).toMatchObject({ errorCode: errorCode.unknownTopicId });
    const named = await ask(foreign, 1, { maxWaitMs: 0, topics: [{ topic: secret, partitions }] }, 12);
    expect(named.responses[0]!.partitions[0]).toMatchObject({ errorCode: errorCode.unknownTopicOrPartition });
    expectNothingOf([fetched, named]);
  });

  it('ListOffsets, DeleteRecords, OffsetForLeaderEpoch: unknown topic', async () => {
    for (const name of names()) {
      const listed = await ask(foreign, 2, {
        replicaId: -1,
        topics: [{ name, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
      });
      expect(listed.topics[0]!.partitions[0]).toMatchObject({ errorCode: 3, offset: -1 });
      const deleted = await ask(foreign, 21, { topics: [{ name, partitions: [{ partitionIndex: 0, offset: -1 }] }] });
      expect(deleted.topics[0]!.partitions[0]!.errorCode).toBe(3);
      const epoch = await ask(foreign, 23, {
        topics: [{ topic: name, partitions: [{ partition: 0, leaderEpoch: 0 }] }],
      });
      expect(epoch.topics[0]!.partitions[0]).toMatchObject({ errorCode: 3, endOffset: -1 });
    }
  });

  it('Metadata, DescribeTopicPartitions: not listed, not found, not by id', async () => {
    expect((await ask(foreign, 3, { topics: null })).topics).toEqual([]);
    expect((await ask(foreign, 75, {})).topics).toEqual([]);
    const byId = await ask(foreign, 3, { topics: [{ name: null, topicId }], allowAutoTopicCreation: false });
    expect(byId.topics[0]).toMatchObject({ errorCode: errorCode.unknownTopicId, name: null, partitions: [] });
    for (const name of names()) {
      const asked = await ask(foreign, 3, { topics: [{ name }], allowAutoTopicCreation: false });
      expect([3, 17]).toContain(asked.topics[0]!.errorCode);
      expect(asked.topics[0]!.topicId).toBe(zeroUuid);
      expect([3, 17]).toContain((await ask(foreign, 75, { topics: [{ name }] })).topics[0]!.errorCode);
    }
  });

  it('OffsetFetch, OffsetCommit, OffsetDelete: another group of the same name', async () => {
    const all = await ask(foreign, 9, { groups: [{ groupId: group, topics: null }] });
    expect(all.groups[0]!.topics).toEqual([]);
    const one = await ask(foreign, 9, {
      groups: [{ groupId: group, topics: [{ name: secret, partitionIndexes: [0] }] }],
    });
    expect(one.groups[0]!.topics[0]!.partitions[0]!.committedOffset).toBe(-1);
    const byId = await ask(
      foreign,
      9,
      { groups: [{ groupId: group, topics: [{ topicId, partitionIndexes: [0] }] }] },
      10,
    );
    expect(byId.groups[0]!.topics[0]!.partitions[0]!.errorCode).toBe(errorCode.unknownTopicId);
    const committed = await ask(
      foreign,
      8,
      {
        groupId: group,
        topics: [{ topicId, partitions: [{ partitionIndex: 0, committedOffset: 0, committedMetadata: null }] }],
      },
      10,
    );
    expect(committed.topics[0]!.partitions[0]!.errorCode).toBe(errorCode.unknownTopicId);
    await ask(foreign, 47, { groupId: group, topics: [{ name: secret, partitions: [{ partitionIndex: 0 }] }] });
    const still = await ask(owned, 9, { groups: [{ groupId: group, topics: null }] });
    expect(still.groups[0]!.topics[0]).toMatchObject({ name: secret, partitions: [{ committedOffset: 1 }] });
    expectNothingOf([all, one, byId, committed]);
  });

  it('ListGroups, DescribeGroups, DeleteGroups: not there', async () => {
    expect((await ask(foreign, 16, {})).groups).toEqual([]);
    const described = await ask(foreign, 15, { groups: [group] });
    expect(described.groups[0]!.errorCode).toBe(errorCode.groupIdNotFound);
    expect((await ask(foreign, 42, { groupsNames: [group] })).results[0]!.errorCode).toBe(errorCode.groupIdNotFound);
    expect((await ask(owned, 16, {})).groups.map(({ groupId }) => groupId)).toEqual([group]);
    expectNothingOf(described);
  });

  it('JoinGroup, SyncGroup, Heartbeat, LeaveGroup: act on the tenant’s own group', async () => {
    const join = {
      groupId: group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 1000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from([0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]) }],
    };
    const sent = await ask(foreign, 11, join);
    const joined = await ask(foreign, 11, { ...join, memberId: sent.memberId });
    expect(joined.members).toHaveLength(1);
    const { memberId, generationId } = joined;
    const sync = { groupId: group, generationId, memberId, protocolType: 'consumer', protocolName: 'range' };
    expect((await ask(foreign, 14, sync)).errorCode).toBe(errorCode.none);
    expect((await ask(owned, 12, { groupId: group, generationId, memberId })).errorCode).toBe(
      errorCode.unknownMemberId,
    );
    expect((await ask(foreign, 12, { groupId: group, generationId, memberId })).errorCode).toBe(errorCode.none);
    const left = await ask(foreign, 13, { groupId: group, members: [{ memberId }] });
    expect(left.errorCode).toBe(errorCode.none);
  });

  it('DeleteTopics, CreatePartitions, configs: unknown topic; CreateTopics: no clash', async () => {
    const byId = await ask(foreign, 20, { topics: [{ name: null, topicId }] });
    expect(byId.responses[0]).toMatchObject({ errorCode: errorCode.unknownTopicId, name: null });
    const byName = await ask(foreign, 20, { topics: [{ name: secret }] });
    expect(byName.responses[0]!.errorCode).toBe(3);
    expect(
      (await ask(foreign, 37, { topics: [{ name: secret, count: 5, assignments: null }] })).results[0]!.errorCode,
    ).toBe(3);
    const resource = { resourceType: 2, resourceName: secret };
    expect(
      (await ask(foreign, 32, { resources: [{ ...resource, configurationKeys: null }] })).results[0]!.errorCode,
    ).toBe(3);
    const altered = await ask(foreign, 44, {
      resources: [{ ...resource, configs: [{ name: 'retention.ms', configOperation: 0, value: '1' }] }],
    });
    expect(altered.responses[0]!.errorCode).toBe(3);
    expect((await ask(foreign, 33, { resources: [{ ...resource, configs: [] }] })).responses[0]!.errorCode).toBe(3);
    expect((await ask(foreign, 74, {})).configResources.filter(({ resourceType }) => resourceType === 2)).toEqual([]);
    const mine = await ask(foreign, 19, { topics: [{ name: secret, numPartitions: 1, replicationFactor: 3 }] });
    expect(mine.topics[0]!.errorCode).toBe(errorCode.none);
    expect(mine.topics[0]!.topicId).not.toBe(topicId);
    const again = await ask(foreign, 19, { topics: [{ name: secret, numPartitions: 1, replicationFactor: 3 }] });
    expect(again.topics[0]!.errorCode).toBe(errorCode.topicAlreadyExists);
    expect(again.topics[0]!.errorMessage).not.toContain(stranger.clusterId);
    expectNothingOf([byId, byName, altered, mine, again]);
  });

  it('DescribeCluster, DescribeLogDirs, reassignments: only the tenant’s own cluster', async () => {
    const cluster = await ask(foreign, 60, {});
    expect(cluster).toMatchObject({ clusterId: stranger.clusterId, controllerId: 1 });
    expect(cluster.brokers.map(({ rack }) => rack)).toEqual(['a', 'b', 'c']);
    const dirs = await ask(foreign, 35, { topics: null });
    const moving = await ask(foreign, 46, {});
    const found = await ask(foreign, 10, { coordinatorKeys: [group] });
    expect(found.coordinators[0]!.errorCode).toBe(errorCode.none);
    expectNothingOf([cluster, dirs, moving, found]);
  });

  it('InitProducerId: no two tenants share an id, and there are no transactions', async () => {
    const [one, other] = [
      await ask(owned, 22, { transactionalId: null }),
      await ask(foreign, 22, { transactionalId: null }),
    ];
    expect(one.producerId).not.toBe(other.producerId);
    const refused = await ask(foreign, 22, { transactionalId: 'tx' });
    expect(refused.errorCode).toBe(errorCode.transactionalIdAuthorizationFailed);
  });

  it('keeps the owner’s topic as it was', async () => {
    const { topics } = await ask(owned, 3, { topics: null });
    expect(topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([[secret, 2]]);
    expect(uuidText(topics[0]!.topicId)).toBe(uuidText(topicId));
  });
});
