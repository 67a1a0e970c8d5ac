import { afterAll, beforeAll, expect, it } from 'vitest';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { decodeBatch } from '../../engine/records/decode.ts';
import { type DoorBench, doorBench } from '../../gateway/kafka/door.suite.ts';
import { oneAfterAnother } from './one-after-another.ts';

let bench: DoorBench;
beforeAll(async () => {
  bench = await doorBench();
});
afterAll(() => bench.close());

it('loses nothing when a refused record was stored after all, with others behind it', async () => {
  const tenant = await bench.tenant('acme');
  const producer = bench.kafka(tenant).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const inTurn = oneAfterAnother();
  const send = (value: string) =>
    inTurn(() => producer.send({ topic: 't', acks: -1, messages: [{ value, partition: 0 }] }));
  await send('first');

  const append = bench.engine.append.bind(bench.engine);
  bench.engine.append = (each) => {
    bench.engine.append = append;
    const done: typeof each.done = (result) => each.done({ ...result, errorCode: errorCode.requestTimedOut });
    append({ ...each, done });
  };
  await Promise.all(['refused', 'behind it'].map(send));
  await producer.disconnect();

  const { topicId } = [...bench.engine.catalogue.ofCluster(tenant.clusterId)][0]!;
  const asked = { topicId, partition: 0, offset: 0, maxBytes: 1e6, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
  const [fetched] = await bench.engine.fetch([asked], { maxWaitMs: 0, minBytes: 1, maxBytes: 1e6 });
  const stored = await Promise.all(fetched!.records.map((batch) => decodeBatch(Buffer.from(batch))));
  expect(stored.flat().map(({ value }) => String(value))).toEqual(['first', 'refused', 'behind it']);
});
