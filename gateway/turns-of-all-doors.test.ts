/** The doors of one gateway share each turn: who waits at one of them waits for the work of all. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiByKey, type RequestOf } from '../engine/protocol/apis.ts';
import { make } from '../engine/protocol/make.ts';
import { type Bench, httpBench } from './http/door-bench.suite.ts';
import { RawClient } from './kafka/door.suite.ts';
import { type KafkaDoor, startKafkaDoor } from './kafka/listener.ts';

let bench: Bench;
let kafka: KafkaDoor;
beforeAll(async () => {
  bench = await httpBench('node', {}, { clusterTurnMsMax: 0.2 });
  kafka = await startKafkaDoor({ context: bench.context, host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await kafka.close(0);
  await bench.close();
});

it('a Kafka request is answered before the many HTTP requests that another cluster has sent', async () => {
  const greedy = await bench.tenant('greedy', { requestsPerSecondMax: Infinity });
  const modest = await bench.tenant('modest');
  await greedy.call('POST', '/v1/topics', { json: { name: 't', partitions: 1 } });
  const records = Array.from({ length: 200 }, (_, i) => ({ value: { i, text: 'x'.repeat(20) } }));
  const client = await RawClient.connect(kafka.port);
  await client.login(modest);
  const metadata = make(apiByKey.get(3)!.request, { topics: [] }) as RequestOf<3>;
  // The greedy one is not alone.
  await client.ask(3, 9, metadata);
  const answered: string[] = [];
  const asked: Promise<unknown>[] = [];
  const ask = (): Promise<void> =>
    greedy.call('POST', '/v1/topics/t/records', { json: { records } }).then(({ status }) => {
      expect(status).toBe(200);
      answered.push('greedy');
    });
  for (let i = 0; i < 80; i++) asked.push(ask());
  // The first is answered: all connections are open.
  await Promise.race(asked);
  asked.push(client.ask(3, 9, metadata).then(() => answered.push('modest')));
  await Promise.all(asked);
  client.end();
  expect(answered).toHaveLength(81);
  expect(answered.indexOf('modest')).toBeLessThan(60);
});
