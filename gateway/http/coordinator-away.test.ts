/** Groups whose coordinator is unavailable are reported as such, never as groups that are empty or have no lag. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CoordinatorApi } from '../../engine/engine.ts';
import { type CoordinatorShape, coordinatorShapes } from '../../engine/link/coordinator-shapes.ts';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { type Bench, type BenchTenant, httpBench } from './door-bench.suite.ts';

let bench: Bench;
let acme: BenchTenant;

beforeEach(async () => {
  bench = await httpBench('node');
  acme = await bench.tenant('acme');
  await acme.call('POST', '/v1/topics/t', { body: '1' });
  const groupId = `${acme.clusterId}.g`;
  const partitions = [{ partitionIndex: 0, committedOffset: 0 }];
  const commit = make(apiByKey.get(8)!.request, {
    groupId,
    generationIdOrMemberEpoch: -1,
    topics: [{ name: `${acme.clusterId}.t`, partitions }],
  } as never) as RequestOf<8>;
  const client = { clientId: '', clientHost: '', version: 9 };
  await bench.engine.coordinatorRequest(8, { clusterId: acme.clusterId, groupId }, commit, client);
});
afterEach(() => bench.close());

/** From now on the coordinator answers requests of this API with COORDINATOR_NOT_AVAILABLE. */
function away(refused: CoordinatorApi): void {
  const ask = bench.engine.coordinatorRequest.bind(bench.engine);
  bench.engine.coordinatorRequest = async (key, target, request, client) => {
    if (key !== refused) return ask(key, target, request, client);
    // The table pairs each key with the shape of its messages; the compiler cannot follow it.
    const shape: CoordinatorShape<typeof key> = coordinatorShapes[key];
    return shape.failure(request, errorCode.coordinatorNotAvailable);
  };
}

const unavailable = {
  status: 503,
  code: 'owner-unavailable',
  detail: "the coordinator of group 'g' is not available at the moment",
  kafka_error: 'COORDINATOR_NOT_AVAILABLE',
};

test('a group is shown with its lag while all of its data is available', async () => {
  expect((await acme.call('GET', '/v1/groups/g')).json).toMatchObject({ group: 'g', offsets: [{ topic: 't' }] });
});

test.each([
  ['its members', 15],
  ['its offsets', 9],
] as const)('a group is unavailable when %s cannot be asked for', async (_what, key) => {
  away(key);
  expect((await acme.call('GET', '/v1/groups/g')).json).toMatchObject(unavailable);
});

test('deleting a group whose coordinator is away answers that it is unavailable', async () => {
  away(42);
  expect((await acme.call('DELETE', '/v1/groups/g')).json).toMatchObject(unavailable);
});

test('a list of groups is complete or refused', async () => {
  const list = bench.engine.listGroups.bind(bench.engine);
  bench.engine.listGroups = async (...asked) => ({
    ...(await list(...asked)),
    errorCode: errorCode.coordinatorNotAvailable,
  });
  expect((await acme.call('GET', '/v1/groups')).json).toMatchObject({
    ...unavailable,
    detail: 'the coordinators of some groups are not available at the moment',
  });
});
