/** Every version of every API that ApiVersions offers gets an answer that can be decoded. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { apis } from './apis.ts';
import { type DoorBench, doorBench, type RawClient, type Tenant } from './door.suite.ts';

let bench: DoorBench;
let acme: Tenant;
let client: RawClient;

beforeAll(async () => {
  bench = await doorBench();
  const unlimited = { topicMutationsPerSecondMax: 100_000, partitionMutationsPer5MinutesMax: 100_000 };
  acme = await bench.tenant('acme', unlimited);
  client = await bench.client(acme);
  const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }];
  await client.ask(19, 5, make(apiByKey.get(19)!.request, { topics } as never) as RequestOf<19>);
});
afterAll(() => bench.close());

/** Per API: the fields, present in all versions, that a request needs to pass the first checks. */
function partOf(key: ApiKey, version: number): object {
  const partition = { partitionIndex: 0 };
  switch (key) {
    case 0:
      return { acks: -1, topicData: [{ name: 't', partitionData: [{ index: 0 }, { index: 9 }] }] };
    case 1:
      return { topics: [{ topic: 't', partitions: [{ partition: 0 }, { partition: 9 }] }] };
    case 2:
      return {
        replicaId: -1,
        topics: [{ name: 't', partitions: [{ ...partition, timestamp: -1 }, { partitionIndex: 9 }] }],
      };
    case 3:
      return { topics: [{ name: 't' }, { name: 'made' }], includeTopicAuthorizedOperations: version >= 8 };
    case 8:
      return {
        groupId: 'g',
        topics: [
          {
            name: 't',
            partitions: [
              { ...partition, committedMetadata: '' },
              { partitionIndex: 9, committedMetadata: '' },
            ],
          },
        ],
      };
    case 9:
      return version < 8
        ? { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] }
        : {
            groups: [
              { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] },
              { groupId: 'none', topics: null },
            ],
          };
    case 10:
      return version < 4 ? { key: 'g' } : { coordinatorKeys: ['g'] };
    case 11: {
      const protocols = [{ name: 'range', metadata: Buffer.alloc(10) }];
      return { groupId: `join-${version}`, sessionTimeoutMs: 10_000, protocolType: 'consumer', protocols };
    }
    case 13:
      return version < 3
        ? { groupId: 'g', memberId: 'm' }
        : { groupId: 'g', members: [{ memberId: 'm', groupInstanceId: null }] };
    case 15:
      return { groups: ['g', 'none'] };
    case 18:
      return version < 3 ? {} : { clientSoftwareName: 'raw', clientSoftwareVersion: '1' };
    case 19:
      return { topics: [{ name: `made-${version}`, numPartitions: 1, replicationFactor: 1 }, { name: 't' }] };
    case 20:
      return version < 6
        ? { topicNames: [`made-${version}`, 'none'] }
        : { topics: [{ name: 'made-6' }, { name: 'none' }] };
    case 21:
      return { topics: [{ name: 't', partitions: [{ ...partition, offset: 0 }, { partitionIndex: 9 }] }] };
    case 22:
      return { transactionalId: null };
    case 23:
      return { topics: [{ topic: 't', partitions: [{ partition: 0 }, { partition: 9 }] }] };
    case 32:
      return {
        resources: [
          { resourceType: 2, resourceName: 't', configurationKeys: null },
          { resourceType: 4, resourceName: '1', configurationKeys: null },
        ],
        includeSynonyms: true,
      };
    case 33:
    case 44:
      return {
        resources: [
          { resourceType: 2, resourceName: 't', configs: [{ name: 'retention.ms', value: '9' }] },
          { resourceType: 4, resourceName: '1' },
        ],
      };
    case 37:
      return {
        topics: [
          { name: 't', count: 2 + version, assignments: null },
          { name: 'none', count: 3, assignments: null },
        ],
      };
    case 42:
      return { groupsNames: ['none'] };
    case 47:
      return { groupId: 'g', topics: [{ name: 't', partitions: [partition] }] };
    default:
      return {};
  }
}

describe('served versions', () => {
  it('are those of the handlers', () => {
    const handled = [...apis.values()].map(({ key, from, to }) => ({ key, min: from, max: to }));
    const offered = [...servedVersions.values()].map(({ key, min, max }) => ({ key, min, max }));
    expect(handled).toEqual(offered);
  });

  it.each([...servedVersions.values()].map(({ key, min, max }) => [apiByKey.get(key)!.name, key, min, max] as const))(
    '%s is answered in every version',
    async (_name, key, min, max) => {
      for (let version = min; version <= max; version++) {
        const request = make(apiByKey.get(key)!.request, partOf(key, version) as never) as RequestOf<ApiKey>;
        await client.ask(key, version, request);
      }
      expect(bench.logged).toEqual([]);
    },
  );

  it('joins a member of a version without the second join step', async () => {
    const protocols = [{ name: 'range', metadata: Buffer.alloc(10) }];
    const part = { groupId: 'old', sessionTimeoutMs: 10_000, protocolType: 'consumer', protocols };
    const joined = await client.ask(11, 1, make(apiByKey.get(11)!.request, part as never) as RequestOf<11>);
    expect(joined).toMatchObject({ errorCode: errorCode.none, generationId: 1, protocolName: 'range' });
    expect(joined.leader).toBe(joined.memberId);
  });
});
