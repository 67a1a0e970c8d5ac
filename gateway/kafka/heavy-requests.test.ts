/** Requests with thousands of names of a few bytes each: their cost is charged, bounded, and at most proportional. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import type { ClusterLimits } from '../../tenancy/tenancy.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
beforeAll(async () => {
  bench = await doorBench();
});
afterAll(() => bench.close());

function ask<K extends ApiKey>(client: RawClient, key: K, version: number, part: object): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

const clientOf = async (name: string, limits: Partial<ClusterLimits>): Promise<RawClient> =>
  bench.client(await bench.tenant(name, limits));

const times = <T>(count: number, each: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => each(i));

describe('names that are answered', () => {
  // So many that to look for each among all would take minutes.
  const named = times(100_000, (i) => `t${i}`);
  const twice = [...named, ...named].map((name) => ({ name, numPartitions: 1, replicationFactor: 3, count: 2 }));

  it('are refused once each when a CreateTopics names 100,000 topics twice', async () => {
    const client = await clientOf('doubles', { partitionsMax: Infinity });
    const { topics } = await ask(client, 19, 5, { topics: twice, timeoutMs: 30_000 });
    expect(topics.map(({ name }) => name).join()).toBe(named.join());
    expect(topics.every((topic) => topic.errorCode === errorCode.invalidRequest)).toBe(true);
  });

  it('are refused once each when a CreatePartitions names 100,000 topics twice', async () => {
    const client = await clientOf('grown', { partitionsMax: Infinity });
    const { results } = await ask(client, 37, 2, { topics: twice, timeoutMs: 30_000 });
    expect(results.map(({ name }) => name).join()).toBe(named.join());
  });

  it('are compared with those of the cluster once, even 2,000 that could collide', async () => {
    const client = await clientOf('collisions', { topicMutationsPerSecondMax: 1_000 });
    const topics = times(2_000, (i) => ({ name: `t.${i}`, numPartitions: 1, replicationFactor: 3 }));
    const made = await ask(client, 19, 5, { topics: topics.slice(0, 2), timeoutMs: 30_000 });
    expect(made.topics.map((topic) => topic.errorCode)).toEqual([errorCode.none, errorCode.none]);
    const reads = vi.spyOn(bench.engine.catalogue, 'ofCluster');
    const asked = [...topics, { name: 't_1', numPartitions: 1, replicationFactor: 3 }];
    const validated = await ask(client, 19, 5, { topics: asked, timeoutMs: 30_000, validateOnly: true });
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
    expect(validated.topics.at(-1)!.errorCode).toBe(errorCode.invalidTopicException);
    expect(validated.topics.filter((topic) => topic.errorCode === errorCode.none)).toHaveLength(1_998);
  });

  it('are not repeated in each of thousands of messages', async () => {
    const client = await clientOf('messages', {});
    const topicPartitions = [{ topic: 'x'.repeat(30_000), partitions: times(1_000, (i) => i) }];
    const { replicaElectionResults } = await ask(client, 43, 2, { topicPartitions });
    const { partitionResult } = replicaElectionResults[0]!;
    expect(partitionResult).toHaveLength(1_000);
    expect(new Set(partitionResult.map(({ errorMessage }) => errorMessage))).toEqual(
      new Set(['There is no such partition.']),
    );
  });

  it('of brokers are accepted in one spelling only', async () => {
    const client = await clientOf('spellings', {});
    const resources = ['1', '01', '1.0', '1e0', ' 1', '4'].map((resourceName) => ({
      resourceType: 4,
      resourceName,
      configurationKeys: null,
    }));
    const { results } = await ask(client, 32, 4, { resources });
    const { none, invalidRequest } = errorCode;
    expect(results.map((result) => result.errorCode)).toEqual([none, none, ...times(4, () => invalidRequest)]);
  });
});

describe('how many names there may be', () => {
  const topics = times(39_201, (i) => ({ name: `n${i}` }));
  const request = { topics, allowAutoTopicCreation: false };

  it('is limited to what a cluster of its size can have', async () => {
    const client = await clientOf('usual', { partitionsMax: 2_400 });
    const fits = { ...request, topics: topics.slice(1) };
    expect((await ask(client, 3, 9, fits)).topics).toHaveLength(39_200);
    await expect(ask(client, 3, 9, request)).rejects.toThrow('ended');
    expect(bench.logged.at(-1)).toMatchObject({
      event: 'kafka-connection-refused',
      fields: { code: 'malformed-frame' },
    });
  });

  it('is larger for a larger cluster', async () => {
    const client = await clientOf('large', { partitionsMax: 2_401 });
    expect((await ask(client, 3, 9, request)).topics).toHaveLength(39_201);
  });
});

describe('what is charged', () => {
  const limits = { requestsPerSecondMax: 100 };
  const groups = times(300, (i) => `g${i}`);

  it.each<[string, (client: RawClient) => Promise<{ throttleTimeMs: number }>]>([
    ['each group that is described', (client) => ask(client, 15, 5, { groups })],
    [
      'each group whose offsets are asked for',
      (client) => ask(client, 9, 8, { groups: groups.map((groupId) => ({ groupId, topics: [] })) }),
    ],
    ['each group that is deleted', (client) => ask(client, 42, 2, { groupsNames: groups })],
    [
      'each time that is looked for',
      async (client) => {
        await ask(client, 19, 5, { topics: [{ name: 't', numPartitions: 300, replicationFactor: 3 }] });
        const partitions = times(300, (partitionIndex) => ({ partitionIndex, timestamp: 5 }));
        return ask(client, 2, 7, { topics: [{ name: 't', partitions }] });
      },
    ],
    [
      'a tenth for each name of another kind',
      (client) => ask(client, 3, 9, { topics: times(3_000, (i) => ({ name: `n${i}` })) }),
    ],
  ])('%s, and the connection is muted for it', async (name, request) => {
    const answer = await request(await clientOf(name.replaceAll(' ', '-'), limits));
    expect(answer.throttleTimeMs).toBeGreaterThan(0);
  });

  it('is nothing extra for a name that is repeated but handled once', async () => {
    const client = await clientOf('repeats', limits);
    const { results, throttleTimeMs } = await ask(client, 42, 2, { groupsNames: times(300, () => 'g') });
    expect(results).toHaveLength(1);
    expect(throttleTimeMs).toBe(0);
  });

  it('is every log that DescribeLogDirs reports, named or not', async () => {
    const client = await clientOf('logs', { requestsPerSecondMax: 30, partitionMutationsPer5MinutesMax: Infinity });
    await ask(client, 19, 5, { topics: [{ name: 't', numPartitions: 100, replicationFactor: 3 }] });
    expect((await ask(client, 35, 4, { topics: null })).throttleTimeMs).toBe(0);
    await ask(client, 37, 1, { topics: [{ name: 't', count: 1_000, assignments: null }], timeoutMs: 5_000 });
    expect((await ask(client, 35, 4, { topics: null })).throttleTimeMs).toBeGreaterThan(0);
  });

  it('is every partition that a fetch session remembers', async () => {
    const client = await clientOf('sessions', { requestsPerSecondMax: 30 });
    await ask(client, 19, 5, { topics: [{ name: 't', numPartitions: 1, replicationFactor: 3 }] });
    const partitions = times(300, (partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 }));
    const first = await ask(client, 1, 11, { sessionId: 0, sessionEpoch: 0, topics: [{ topic: 't', partitions }] });
    expect(first.throttleTimeMs).toBe(0);
    const next = await ask(client, 1, 11, { sessionId: first.sessionId, sessionEpoch: 1, topics: [] });
    expect(next.throttleTimeMs).toBeGreaterThan(0);
  });
});

it('a Fetch does not wait while other Fetches of its cluster wait at as many partitions as allowed', async () => {
  // One cluster may have half of them.
  const small = await doorBench({ awaitedPartitionsMax: 10 });
  try {
    const tenant = await small.tenant('acme');
    const [first, second] = [await small.client(tenant), await small.client(tenant)];
    await ask(first, 19, 5, { topics: [{ name: 't', numPartitions: 4, replicationFactor: 3 }] });
    const fetch = (count: number, fetchOffset: number): object => {
      const partitions = times(count, (partition) => ({ partition, fetchOffset, partitionMaxBytes: 1_000 }));
      return {
        maxWaitMs: 30_000,
        minBytes: 1,
        maxBytes: 1_000,
        sessionEpoch: -1,
        topics: [{ topic: 't', partitions }],
      };
    };
    const recordsOf = ({ responses }: ResponseOf<1>): number =>
      responses.flatMap(({ partitions }) => partitions).filter(({ records }) => (records?.length ?? 0) > 0).length;
    const records = encodeBatch([{ key: null, value: Buffer.from('a'), timestampMs: 1 }]);
    const produce = { acks: 1, timeoutMs: 1_000, topicData: [{ name: 't', partitionData: [{ index: 0, records }] }] };
    const waiting = ask(first, 1, 11, fetch(4, 0));
    expect(recordsOf(await ask(second, 1, 11, fetch(2, 0)))).toBe(0);
    await ask(second, 0, 9, produce);
    expect(recordsOf(await waiting)).toBe(1);
    // There is room again.
    const next = ask(second, 1, 11, fetch(1, 1));
    await ask(first, 0, 9, produce);
    expect(recordsOf(await next)).toBe(1);
  } finally {
    await small.close();
  }
});

it('DescribeConfigs of many topics is built over several turns and is complete', async () => {
  const limits = {
    topicMutationsPerSecondMax: 1_000_000,
    partitionMutationsPer5MinutesMax: Infinity,
    partitionsMax: Infinity,
  };
  const client = await clientOf('configs', limits);
  const topics = times(2_000, (i) => ({ name: `t${i}`, numPartitions: 1, replicationFactor: 3 }));
  const made = await ask(client, 19, 5, { topics, timeoutMs: 30_000 });
  expect(made.topics.every((topic) => topic.errorCode === errorCode.none)).toBe(true);
  const resources = topics.map(({ name }) => ({ resourceType: 2, resourceName: name, configurationKeys: null }));
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  const answer = ask(client, 32, 4, { resources });
  count();
  const { results } = await answer;
  isOver = true;
  expect(results.map(({ resourceName }) => resourceName)).toEqual(topics.map(({ name }) => name));
  expect(results.every(({ configs }) => configs.length === results[0]!.configs.length)).toBe(true);
  expect(turns).toBeGreaterThan(3);
});

it('DescribeLogDirs of many logs asks for all before the first answer, and is complete however many ask at once', async () => {
  const limits = { partitionMutationsPer5MinutesMax: Infinity, partitionsMax: Infinity };
  const client = await clientOf('sizes', limits);
  const topics = times(4, (i) => ({ name: `t${i}`, numPartitions: 3_000, replicationFactor: 3 }));
  await ask(client, 19, 5, { topics, timeoutMs: 30_000 });
  const { engine } = bench;
  const partitionRequest = engine.partitionRequest.bind(engine);
  let asked = 0;
  let answerAll = (): void => undefined;
  const isAllAsked = new Promise<void>((resolve) => (answerAll = resolve));
  engine.partitionRequest = async (key, request) => {
    if (++asked === 2) answerAll();
    await isAllAsked;
    return partitionRequest(key, request);
  };
  const whole = await ask(client, 35, 4, { topics: null });
  engine.partitionRequest = partitionRequest;
  const answers = [whole, ...(await Promise.all(times(4, () => ask(client, 35, 4, { topics: null }))))];
  for (const { results } of answers) {
    expect(results[0]!.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual(
      topics.map(({ name, numPartitions }) => [name, numPartitions]),
    );
  }
});
