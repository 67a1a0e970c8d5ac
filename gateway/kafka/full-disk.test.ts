/** When a coordinator's disk is full or its write has an unknown outcome, group clients get codes that they retry. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CoordinatorApi } from '../../engine/engine.ts';
import { type CoordinatorShape, coordinatorShapes } from '../../engine/link/coordinator-shapes.ts';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { errorCode, unsureCode, volumeFullCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { type DoorBench, doorBench, type RawClient } from './door.suite.ts';

let bench: DoorBench;
let client: RawClient;
let topicId = '';
let code: number = volumeFullCode;

beforeAll(async () => {
  bench = await doorBench();
  const acme = await bench.tenant('acme');
  client = await bench.client(acme);
  const topics = [{ name: 't', numPartitions: 1, replicationFactor: 1 }];
  await client.ask(19, 5, make(apiByKey.get(19)!.request, { topics } as never) as RequestOf<19>);
  topicId = [...bench.engine.catalogue.ofCluster(acme.clusterId)][0]!.topicId;
  bench.engine.coordinatorRequest = async (key, _target, request) => {
    const shape: CoordinatorShape<typeof key> = coordinatorShapes[key];
    return shape.failure(request, code);
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
  code = volumeFullCode;
  expect(await codesOf(key, version, fields)).toEqual(new Set([errorCode.coordinatorNotAvailable]));
  code = unsureCode;
  expect(await codesOf(key, version, fields)).toEqual(new Set([errorCode.notCoordinator]));
});

async function codesOf(key: CoordinatorApi, version: number, fields: object): Promise<ReadonlySet<number>> {
  const more = 'partitions' in fields ? { topics: [{ name: 't', topicId, partitions: fields.partitions }] } : {};
  const unknown = key === 13 && version < 3 ? { members: [] } : {};
  const request = make(apiByKey.get(key)!.request, { ...fields, ...more, ...unknown } as never) as RequestOf<
    typeof key
  >;
  const response = await client.ask(key, version, request);
  const shape: CoordinatorShape<typeof key> = coordinatorShapes[key];
  const codes = shape.codes(response);
  expect(codes.length).toBeGreaterThan(0);
  return new Set(codes);
}
