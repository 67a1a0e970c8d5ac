/** A coordinator whose disk is full is told of in a code that clients of groups know and repeat, in every version. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CoordinatorApi } from '../../engine/engine.ts';
import { type CoordinatorShape, coordinatorShapes } from '../../engine/link/coordinator-shapes.ts';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { errorCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
let client: RawClient;
let topicId = '';

beforeAll(async () => {
  bench = await doorBench();
  const acme = await bench.tenant('acme');
  client = await bench.client(acme);
  const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }];
  await client.ask(19, 5, make(apiByKey.get(19)!.request, { topics } as never) as RequestOf<19>);
  topicId = [...bench.engine.catalogue.ofCluster(acme.clusterId)][0]!.topicId;
  bench.engine.coordinatorRequest = async (key, _target, request) => {
    const shape = coordinatorShapes[key] as unknown as CoordinatorShape<typeof key>;
    return shape.failure(request, volumeFullCode);
  };
});
afterAll(() => bench.close());

const asked: Partial<Record<CoordinatorApi, object>> = {
  8: { groupId: 'g', partitions: [{ partitionIndex: 0, committedOffset: 1 }] },
  11: { groupId: 'g', sessionTimeoutMs: 10_000, protocolType: 'consumer', protocols: [{ name: 'range' }] },
  13: { groupId: 'g', members: [{ memberId: 'm' }] },
  14: { groupId: 'g', memberId: 'm', protocolType: 'consumer', protocolName: 'range' },
  42: { groupsNames: ['g'] },
  47: { groupId: 'g', topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] },
};

const cases = Object.entries(asked).flatMap(([name, fields]) => {
  const key = Number(name) as CoordinatorApi;
  const { min, max } = servedVersions.get(key)!;
  return Array.from({ length: max - min + 1 }, (_, i) => ({
    api: apiByKey.get(key)!.name,
    version: min + i,
    key,
    fields,
  }));
});

it.each(cases)('$api v$version', async ({ key, version, fields }) => {
  const more = 'partitions' in fields ? { topics: [{ name: 't', topicId, partitions: fields.partitions }] } : {};
  const unknown = key === 13 && version < 3 ? { members: [] } : {};
  const request = make(apiByKey.get(key)!.request, { ...fields, ...more, ...unknown } as never) as RequestOf<
    typeof key
  >;
  const response = await client.ask(key, version, request);
  const shape = coordinatorShapes[key] as unknown as CoordinatorShape<typeof key>;
  const codes = shape.codes(response);
  expect(codes.length).toBeGreaterThan(0);
  expect(new Set(codes)).toEqual(new Set([errorCode.coordinatorNotAvailable]));
});
