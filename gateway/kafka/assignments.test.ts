/** Replica assignments and replication factors that a client chooses, set and read back through the door. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
let client: RawClient;

function ask<K extends ApiKey>(key: K, part: object): Promise<ResponseOf<K>> {
  const { max, request } = apiByKey.get(key)!;
  return client.ask(key, max, make(request, part as never) as RequestOf<K>);
}

const upwards = (a: number, b: number): number => a - b;

type Lists = readonly (readonly number[])[];
const byHand = (lists: Lists, indexes: Iterable<number> = lists.keys()): object[] =>
  [...indexes].map((partitionIndex, i) => ({ partitionIndex, brokerIds: lists[i]! }));

async function create(name: string, part: object): Promise<[code: number, factor: number, partitions: number]> {
  const { topics } = await ask(19, { topics: [{ name, numPartitions: -1, replicationFactor: -1, ...part }] });
  const { errorCode: code, replicationFactor, numPartitions } = topics[0]!;
  return [code, replicationFactor, numPartitions];
}

async function shown(name: string): Promise<number[][]> {
  const { topics } = await ask(3, { topics: [{ name }], allowAutoTopicCreation: false });
  const partitions = topics[0]!.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex);
  for (const { leaderId, replicaNodes, isrNodes } of partitions) {
    expect(leaderId).toBe(replicaNodes[0]);
    expect(isrNodes).toEqual(replicaNodes);
  }
  return partitions.map(({ replicaNodes }) => replicaNodes);
}

beforeAll(async () => {
  bench = await doorBench();
  client = await bench.client(await bench.tenant('acme'));
});
afterAll(() => bench.close());

describe('CreateTopics', () => {
  it('shows the replicas that the client asked for, whatever the order of the partitions', async () => {
    expect(
      await create('placed', {
        assignments: byHand(
          [
            [3, 1],
            [2, 3],
            [1, 2],
          ],
          [2, 0, 1],
        ),
      }),
    ).toEqual([0, 2, 3]);
    expect(await shown('placed')).toEqual([
      [2, 3],
      [1, 2],
      [3, 1],
    ]);
    const described = await ask(75, { topics: [{ name: 'placed' }], responsePartitionLimit: 10 });
    expect(described.topics[0]!.partitions.map(({ replicaNodes }) => replicaNodes)).toEqual([
      [2, 3],
      [1, 2],
      [3, 1],
    ]);
  });

  it('shows as many replicas as the client asked for, on brokers in turn', async () => {
    expect(await create('single', { numPartitions: 6, replicationFactor: 1 })).toEqual([0, 1, 6]);
    const replicas = await shown('single');
    expect(replicas.map((nodes) => nodes.length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(replicas.flat().toSorted(upwards)).toEqual([1, 1, 2, 2, 3, 3]);
    expect(await create('usual', { numPartitions: 1 })).toEqual([0, 3, 1]);
    expect((await shown('usual'))[0]!.toSorted(upwards)).toEqual([1, 2, 3]);
  });

  it.each<[name: string, part: object, code: number]>([
    ['a broker that there is not', { assignments: byHand([[4]]) }, errorCode.invalidReplicaAssignment],
    ['a broker below zero', { assignments: byHand([[-1]]) }, errorCode.invalidReplicaAssignment],
    ['a broker twice', { assignments: byHand([[1, 1]]) }, errorCode.invalidReplicaAssignment],
    ['no broker', { assignments: byHand([[]]) }, errorCode.invalidReplicaAssignment],
    ['lists of different length', { assignments: byHand([[1], [1, 2]]) }, errorCode.invalidReplicaAssignment],
    ['a partition left out', { assignments: byHand([[1], [2]], [0, 2]) }, errorCode.invalidReplicaAssignment],
    ['a partition twice', { assignments: byHand([[1], [2]], [0, 0]) }, errorCode.invalidReplicaAssignment],
    ['a factor besides', { replicationFactor: 1, assignments: byHand([[1]]) }, errorCode.invalidRequest],
    ['partitions besides', { numPartitions: 1, assignments: byHand([[1]]) }, errorCode.invalidRequest],
  ])('refuses %s', async (name, part, code) => {
    const topic = name.replaceAll(' ', '-');
    expect((await create(topic, part))[0]).toBe(code);
    const { topics } = await ask(3, { topics: [{ name: topic }], allowAutoTopicCreation: false });
    expect(topics[0]!.errorCode).toBe(errorCode.unknownTopicOrPartition);
  });
});

describe('CreatePartitions', () => {
  const grow = async (name: string, count: number, lists: Lists | null, validateOnly = false): Promise<number> => {
    const assignments = lists && lists.map((brokerIds) => ({ brokerIds }));
    return (await ask(37, { topics: [{ name, count, assignments }], validateOnly })).results[0]!.errorCode;
  };

  it('keeps the replicas of existing partitions, with and without an assignment for the new ones', async () => {
    await create('growing', { numPartitions: 2, replicationFactor: 2 });
    const before = await shown('growing');
    expect(
      await grow(
        'growing',
        4,
        [
          [3, 2],
          [3, 2],
        ],
        true,
      ),
    ).toBe(0);
    expect(
      await grow('growing', 4, [
        [3, 2],
        [3, 2],
      ]),
    ).toBe(0);
    expect(await shown('growing')).toEqual([...before, [3, 2], [3, 2]]);
    expect(await grow('growing', 5, null)).toBe(0);
    const after = await shown('growing');
    expect(after.slice(0, 4)).toEqual([...before, [3, 2], [3, 2]]);
    expect(after[4]).toHaveLength(2);
  });

  it('refuses what Kafka refuses', async () => {
    await create('fixed', { numPartitions: 2, replicationFactor: 2 });
    for (const lists of [
      [],
      [
        [1, 2],
        [1, 2],
      ],
      [[1]],
      [[1, 4]],
      [[2, 2]],
      [[]],
    ]) {
      expect(await grow('fixed', 3, lists)).toBe(errorCode.invalidReplicaAssignment);
    }
    expect(await grow('fixed', 2, [[1, 2]])).toBe(errorCode.invalidPartitions);
    expect(await shown('fixed')).toHaveLength(2);
  });
});

describe('AlterPartitionReassignments', () => {
  type Wish = readonly [partition: number, replicas: readonly number[] | null];
  const move = async (
    name: string,
    wishes: readonly Wish[],
    allowReplicationFactorChange = true,
  ): Promise<number[]> => {
    const partitions = wishes.map(([partitionIndex, replicas]) => ({ partitionIndex, replicas }));
    const moved = await ask(45, { allowReplicationFactorChange, topics: [{ name, partitions }] });
    expect(moved.errorCode).toBe(0);
    expect(moved.responses[0]!.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual(
      wishes.map(([at]) => at),
    );
    return moved.responses[0]!.partitions.map(({ errorCode: code }) => code);
  };

  it('shows the new replicas at once, and leaves those of other partitions as they were', async () => {
    await create('moving', { numPartitions: 3, replicationFactor: 1 });
    const before = await shown('moving');
    expect(
      await move('moving', [
        [2, [3, 1]],
        [0, [2]],
      ]),
    ).toEqual([0, 0]);
    expect(await shown('moving')).toEqual([[2], before[1], [3, 1]]);
    expect((await ask(46, { topics: null })).topics).toEqual([]);
    expect(await move('moving', [[1, before[1]!]], false)).toEqual([0]);
  });

  it('refuses what Kafka refuses, for each partition separately', async () => {
    await create('staying', { numPartitions: 6, replicationFactor: 2 });
    const before = await shown('staying');
    expect(
      await move('staying', [
        [0, [4]],
        [1, [1, 1]],
        [2, []],
        [3, null],
        [4, [3, 2]],
        [6, [1]],
      ]),
    ).toEqual([
      errorCode.invalidReplicaAssignment,
      errorCode.invalidReplicaAssignment,
      errorCode.invalidReplicaAssignment,
      errorCode.noReassignmentInProgress,
      errorCode.none,
      errorCode.unknownTopicOrPartition,
    ]);
    expect(await move('staying', [[0, [1]]], false)).toEqual([errorCode.invalidReplicationFactor]);
    expect(await shown('staying')).toEqual(before.map((each, i) => (i === 4 ? [3, 2] : each)));
    expect(await move('no-such-topic', [[0, [1]]])).toEqual([errorCode.unknownTopicOrPartition]);
  });
});
