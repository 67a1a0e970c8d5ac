/** A name that a request repeats does not make its answer larger. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { zeroUuid } from '../../engine/kernel/uuid.ts';
import { decodeResponse } from '../../engine/protocol/headers.ts';
import { make } from '../../engine/protocol/make.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
let client: RawClient;
let topicId: string;

function ask<K extends ApiKey>(key: K, version: number, part: object): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

const many = <T>(each: T): T[] => Array.from({ length: 20_000 }, () => each);

beforeAll(async () => {
  bench = await doorBench();
  // No limit on partitions, so that a request may have this many names (weight.ts).
  const limits = {
    topicMutationsPerSecondMax: 1_000,
    partitionMutationsPer5MinutesMax: 10_000,
    partitionsMax: Infinity,
  };
  client = await bench.client(await bench.tenant('acme', limits));
  await ask(19, 5, {
    topics: [
      { name: 't', numPartitions: 1_000, replicationFactor: 1 },
      { name: 'u', numPartitions: 2, replicationFactor: 1 },
    ],
  });
  topicId = (await ask(3, 12, { topics: [{ name: 't', topicId: zeroUuid }] })).topics[0]!.topicId;
  const committed = [0, 1].map((partitionIndex) => ({ partitionIndex, committedMetadata: 'x'.repeat(4_096) }));
  await ask(8, 9, { groupId: 'g', generationIdOrMemberEpoch: -1, topics: [{ name: 't', partitions: committed }] });
});
afterAll(() => bench.close());

it('Metadata: topics by name, by id, and ones that do not exist', async () => {
  const named = ['t', 'u', 'nowhere'].flatMap((name) => many({ name, topicId: zeroUuid }));
  const byName = await ask(3, 9, { topics: named, allowAutoTopicCreation: false });
  expect(byName.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
    ['t', 1_000],
    ['u', 2],
    ['nowhere', 0],
  ]);
  const byId = await ask(3, 12, { topics: many({ name: null, topicId }) });
  expect(byId.topics).toHaveLength(1);
});

it('OffsetFetch: groups, topics and partitions, even when one is named in several places', async () => {
  const indexes = (partitionIndexes: number[]) => ({ name: 't', topicId: zeroUuid, partitionIndexes });
  const groups = many({ groupId: 'g', memberId: null, memberEpoch: -1, topics: null });
  expect((await ask(9, 8, { groups })).groups).toHaveLength(1);
  const each = { groupId: 'g', memberId: null, memberEpoch: -1, topics: [indexes(many(0)), indexes([1, 7])] };
  const { topics } = (await ask(9, 8, { groups: [each, { ...each, topics: [indexes([2])] }] })).groups[0]!;
  expect(topics.map(({ partitions }) => partitions.map((one) => one.partitionIndex))).toEqual([[0, 1, 7, 2]]);
  const old = await ask(9, 7, { groupId: 'g', topics: many({ name: 't', partitionIndexes: [0, 0] }) });
  expect(old.topics.map(({ partitions }) => partitions.length)).toEqual([1]);
});

it('DescribeGroups and DescribeConfigs', async () => {
  expect((await ask(15, 5, { groups: many('g') })).groups).toHaveLength(1);
  const resource = { resourceType: 2, resourceName: 't', configurationKeys: null };
  const resources = [...many(resource), ...many({ ...resource, resourceType: 4, resourceName: '1' })];
  const { results } = await ask(32, 4, { resources, includeSynonyms: true, includeDocumentation: true });
  expect(results.map(({ resourceName }) => resourceName)).toEqual(['t', '1']);
});

it('Metadata of a large cluster is built over several turns and is complete', async () => {
  const large = await bench.tenant('large', {
    topicMutationsPerSecondMax: 1_000,
    partitionMutationsPer5MinutesMax: Infinity,
    partitionsMax: Infinity,
  });
  const own = await bench.client(large);
  const name = (i: number): string => `topic-${String(i).padStart(2, '0')}`;
  const topics = Array.from({ length: 20 }, (_, i) => ({ name: name(i), numPartitions: 1_000, replicationFactor: 1 }));
  const create = make(apiByKey.get(19)!.request, { topics } as never) as RequestOf<19>;
  expect((await own.ask(19, 5, create)).topics.map(({ errorCode }) => errorCode)).toEqual(topics.map(() => 0));
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  const all = make(apiByKey.get(3)!.request, { topics: null } as never) as RequestOf<3>;
  const answers = Array.from({ length: 6 }, () => own.send(3, 9, all));
  count();
  for (const correlationId of answers) {
    const answer = (await own.next())!;
    expect(answer.readInt32BE(0)).toBe(correlationId);
    const shown = decodeResponse(3, 9, answer).topics;
    expect(shown.map((topic) => [topic.name, topic.partitions.length])).toEqual(topics.map((_, i) => [name(i), 1_000]));
  }
  isOver = true;
  // Six answers of four pieces each, made two at a time.
  expect(turns).toBeGreaterThan(10);
});

it('ListOffsets: a partition that is named twice is refused', async () => {
  const latest = (partitionIndex: number): object => ({ partitionIndex, currentLeaderEpoch: -1, timestamp: -1 });
  const topics = [
    { name: 'u', partitions: many(latest(0)) },
    { name: 't', partitions: [latest(1), latest(2)] },
    { name: 'u', partitions: [latest(1), latest(0)] },
    { name: 't', partitions: [latest(2)] },
  ];
  const answer = await ask(2, 5, { replicaId: -1, topics });
  const told = answer.topics.map(({ name, partitions }) => [
    name,
    partitions.map(({ partitionIndex, errorCode: code, offset }) => [partitionIndex, code, Number(offset)]),
  ]);
  const invalid = 42;
  expect(told).toEqual([
    ['u', [[0, invalid, -1]]],
    [
      't',
      [
        [1, 0, 0],
        [2, invalid, -1],
      ],
    ],
    ['u', [[1, 0, 0]]],
  ]);
});
