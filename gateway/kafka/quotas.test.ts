/** Refusals by limits on counts, through a real client connection. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make, type Part } from '../../engine/protocol/make.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
beforeAll(async () => {
  bench = await doorBench();
});
afterAll(() => bench.close());

function ask<K extends ApiKey>(
  client: RawClient,
  key: K,
  version: number,
  part: Part<RequestOf<K>>,
): Promise<ResponseOf<K>> {
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

const topic = (name: string, numPartitions: number): object => ({ name, numPartitions, replicationFactor: -1 });

describe('quotas', () => {
  it('refuses partitions over the limit and accepts those that fit', async () => {
    const client = await bench.client(await bench.tenant('few-partitions', { partitionsMax: 3 }));
    const made = await ask(client, 19, 7, { topics: [topic('a', 2), topic('b', 2), topic('c', 1)] });
    const codes = made.topics.map((each) => each.errorCode);
    expect(codes).toEqual([errorCode.none, errorCode.policyViolation, errorCode.none]);
    const grown = await ask(client, 37, 3, { topics: [{ name: 'a', count: 4, assignments: null }] });
    expect(grown.results[0]!.errorCode).toBe(errorCode.policyViolation);
  });

  describe('rate of topic changes: ten at once, then one a second', () => {
    const limits = { topicMutationsPerSecondMax: 1 };
    const topics = Array.from({ length: 60 }, (_, i) => topic(`t${i}`, 1));
    const { none, throttlingQuotaExceeded } = errorCode;

    it.each([
      ['what would wait longer than anybody may', { quotaWaitMsMax: 0 }, 30_000],
      ['what has no turn in the time that the client gives', { quotaWaitMsMax: 60_000 }, 50],
    ])('charges each once, and puts off %s', async (_name, settings, timeoutMs) => {
      const hasty = await doorBench({}, settings);
      try {
        const client = await hasty.client(await hasty.tenant('hasty', limits));
        const made = await ask(client, 19, 7, { topics, timeoutMs });
        const codes = made.topics.map((each) => each.errorCode);
        expect(codes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => none));
        expect(codes.at(-1)).toBe(throttlingQuotaExceeded);
        expect(made.throttleTimeMs).toBeGreaterThan(0);
      } finally {
        await hasty.close();
      }
    });

    it('does not hold Metadata back for topics that are created on first use: they appear one by one', async () => {
      const hasty = await doorBench({}, { quotaWaitMsMax: 0 });
      try {
        const client = await hasty.client(await hasty.tenant('hasty', limits));
        const names = Array.from({ length: 60 }, (_, i) => ({ name: `t${i}` }));
        const told = await ask(client, 3, 12, { topics: names, allowAutoTopicCreation: true });
        const codes = told.topics.map((each) => each.errorCode);
        expect(codes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => none));
        expect(codes.at(-1)).toBe(errorCode.leaderNotAvailable);
        expect(told.throttleTimeMs).toBe(0);
      } finally {
        await hasty.close();
      }
    });
  });

  it('meters the time for which a connection is not read: once for all partitions of a request', async () => {
    const tenant = await bench.tenant('slowed', { ingressBytesPerSecondMax: 10_000 });
    const client = await bench.client(tenant);
    await ask(client, 19, 7, { topics: [topic('t', 3)] });
    const records = Buffer.from(encodeBatch([{ key: null, value: Buffer.alloc(10_000), timestampMs: 1 }]));
    const partitionData = [0, 1, 2].map((index) => ({ index, records }));
    const { throttleTimeMs } = await ask(client, 0, 9, {
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{ name: 't', partitionData }],
    });
    expect(throttleTimeMs).toBeGreaterThan(0);
    const { throttledMs } = bench.tenancy.usage(tenant.clusterId);
    const { ingressBytesPerSecondMax: heldMs = 0, ...others } = throttledMs;
    expect(others).toEqual({});
    // What the client is told is rounded up.
    expect(Math.abs(throttleTimeMs - heldMs)).toBeLessThanOrEqual(1);
  });

  it('does not hold back the requests of groups, and holds back others for them', async () => {
    const client = await bench.client(await bench.tenant('busy-groups', { requestsPerSecondMax: 5 }));
    for (let i = 0; i < 40; i++) {
      const { throttleTimeMs } = await ask(client, 10, 6, { keyType: 0, coordinatorKeys: ['g'] });
      expect(throttleTimeMs).toBe(0);
    }
    const { throttleTimeMs } = await ask(client, 3, 12, { topics: [] });
    expect(throttleTimeMs).toBeGreaterThan(0);
  });

  it('refuses a group over the limit and keeps existing ones', async () => {
    const client = await bench.client(await bench.tenant('few-groups', { groupsMax: 2 }));
    await ask(client, 19, 7, { topics: [topic('t', 1)] });
    const commit = async (groupId: string): Promise<number> => {
      const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }];
      const answer = await ask(client, 8, 9, { groupId, topics: [{ name: 't', partitions }] });
      return answer.topics[0]!.partitions[0]!.errorCode;
    };
    expect([await commit('a'), await commit('b')]).toEqual([errorCode.none, errorCode.none]);
    expect(await commit('c')).toBe(errorCode.groupMaxSizeReached);
    const join = await ask(client, 11, 9, { groupId: 'd', sessionTimeoutMs: 10_000, protocolType: 'consumer' });
    expect(join.errorCode).toBe(errorCode.groupMaxSizeReached);
    expect(await commit('a')).toBe(errorCode.none);
  });

  it('refuses what is no topic, config or replica set of ours', async () => {
    const client = await bench.client(await bench.tenant('strict'));
    const made = await ask(client, 19, 7, {
      topics: [
        { ...topic('a', 1), configs: [{ name: 'max.compaction.lag.ms', value: '1000' }] },
        { ...topic('b', 1), configs: [{ name: 'no.such.config', value: '1' }] },
        { ...topic('c', -1), assignments: [{ partitionIndex: 0, brokerIds: [4] }] },
        { ...topic('d', 1), replicationFactor: 4 },
        topic('no/name', 1),
        topic('e', 0),
        topic('twice', 1),
        topic('twice', 1),
      ],
    });
    expect(made.topics.map(({ name, errorCode: code }) => [name, code])).toEqual([
      ['a', errorCode.invalidConfig],
      ['b', errorCode.invalidConfig],
      ['c', errorCode.invalidReplicaAssignment],
      ['d', errorCode.invalidReplicationFactor],
      ['no/name', errorCode.invalidTopicException],
      ['e', errorCode.invalidPartitions],
      ['twice', errorCode.invalidRequest],
    ]);
  });

  it('checks without making when asked to', async () => {
    const client = await bench.client(await bench.tenant('careful'));
    const checked = await ask(client, 19, 7, { topics: [topic('a', 1)], validateOnly: true });
    expect(checked.topics[0]).toMatchObject({ errorCode: errorCode.none, numPartitions: 1, replicationFactor: 3 });
    const tooMany = await ask(client, 19, 7, { topics: [topic('a', 8_001)], validateOnly: true });
    expect(tooMany.topics[0]).toMatchObject({ errorCode: errorCode.invalidPartitions });
    expect((await ask(client, 3, 12, { topics: null })).topics).toEqual([]);
  });

  it('shows configs with their source, sets and deletes them', async () => {
    const client = await bench.client(await bench.tenant('configs'));
    await ask(client, 19, 7, { topics: [topic('t', 1)] });
    const retention = async (): Promise<object> => {
      const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: ['retention.ms'] }];
      return (await ask(client, 32, 4, { resources })).results[0]!.configs[0]!;
    };
    const alter = async (configOperation: number, value: string | null): Promise<number> => {
      const resources = [
        { resourceType: 2, resourceName: 't', configs: [{ name: 'retention.ms', configOperation, value }] },
      ];
      return (await ask(client, 44, 1, { resources })).responses[0]!.errorCode;
    };
    expect(await retention()).toMatchObject({ value: '604800000', configSource: 5 });
    expect(await alter(0, '60000')).toBe(errorCode.none);
    expect(await retention()).toMatchObject({ value: '60000', configSource: 1 });
    expect(await alter(2, '1')).toBe(errorCode.invalidConfig);
    expect(await alter(0, 'soon')).toBe(errorCode.invalidConfig);
    expect(await alter(1, null)).toBe(errorCode.none);
    expect(await retention()).toMatchObject({ value: '604800000', configSource: 5 });
    const broker = {
      resources: [{ resourceType: 4, resourceName: '1', configs: [{ name: 'log.retention.ms', value: '1' }] }],
    };
    expect((await ask(client, 44, 1, broker)).responses[0]!.errorCode).toBe(errorCode.policyViolation);
  });
});
