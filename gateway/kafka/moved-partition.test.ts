/** A partition whose owner is unknown is answered with an error code in every version, never by closing the connection. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type RequestOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make } from '../../engine/protocol/make.ts';
import { servedVersions } from '../../engine/protocol/versions.ts';
import { encodeBatch } from '../../engine/records/encode.ts';
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
  const moved = { errorCode: errorCode.notLeaderOrFollower, logStartOffset: -1 };
  bench.engine.append = (append) =>
    append.done({ ...moved, baseOffset: -1, logAppendTimeMs: -1, errorMessage: 'no owner in time' });
  bench.engine.fetch = async (partitions) =>
    partitions.map((asked) => ({ ...moved, ...asked, highWatermark: -1, lastStableOffset: -1, records: [] }));
});
afterAll(() => bench.close());

function versions(key: 0 | 1): number[] {
  const { min, max } = servedVersions.get(key)!;
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}

it.each(versions(0))('Produce v%i', async (version) => {
  const records = encodeBatch([{ key: null, value: Buffer.from('v'), timestampMs: 0 }]);
  const topicData = [{ name: 't', topicId, partitionData: [{ index: 0, records }] }];
  const request = make(apiByKey.get(0)!.request, { acks: -1, topicData } as never) as RequestOf<0>;
  const { responses } = await client.ask(0, version, request);
  expect(responses[0]!.partitionResponses[0]!.errorCode).toBe(errorCode.notLeaderOrFollower);
});

it.each(versions(1))('Fetch v%i', async (version) => {
  const topics = [{ topic: 't', topicId, partitions: [{ partition: 0, fetchOffset: 0 }] }];
  const request = make(apiByKey.get(1)!.request, { topics, maxBytes: 1000 } as never) as RequestOf<1>;
  const { responses } = await client.ask(1, version, request);
  expect(responses[0]!.partitions[0]!.errorCode).toBe(errorCode.notLeaderOrFollower);
});
