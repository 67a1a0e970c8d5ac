/** Changes of a topic while another client changes it too, through real client connections. */
import { expect, it, onTestFinished } from 'vitest';
import { apiByKey, type ApiKey, type RequestOf, type ResponseOf } from '../../engine/protocol/apis.ts';
import { errorCode } from '../../engine/protocol/error-codes.ts';
import { make, type Part } from '../../engine/protocol/make.ts';
import { doorBench, type RawClient } from './door.suite.ts';

function ask<K extends ApiKey>(client: RawClient, key: K, part: Part<RequestOf<K>>): Promise<ResponseOf<K>> {
  const version = Math.min(apiByKey.get(key)!.max, key === 3 ? 12 : Infinity);
  return client.ask(key, version, make(apiByKey.get(key)!.request, part as never) as RequestOf<K>);
}

it('a topic that is deleted by its id is that one, not a later one of the same name', async () => {
  const bench = await doorBench();
  onTestFinished(() => bench.close());
  const tenant = await bench.tenant('acme');
  const [own, other] = [await bench.client(tenant), await bench.client(tenant)];
  const orders = { topics: [{ name: 'orders', numPartitions: 1, replicationFactor: -1 }], timeoutMs: 30_000 };
  const { topicId } = (await ask(own, 19, orders)).topics[0]!;
  const { engine } = bench;
  const remove = engine.deleteTopic.bind(engine);
  let isFirst = true;
  engine.deleteTopic = async (...asked) => {
    if (isFirst) {
      isFirst = false;
      await ask(other, 20, { topics: [{ name: 'orders' }], timeoutMs: 30_000 });
      await ask(other, 19, orders);
    }
    return remove(...asked);
  };
  const { responses } = await ask(own, 20, { topics: [{ name: null, topicId }], timeoutMs: 30_000 });
  expect(responses).toMatchObject([{ name: null, topicId, errorCode: errorCode.unknownTopicId }]);
  const { topics } = await ask(own, 3, { topics: null });
  expect(topics.map(({ name }) => name)).toEqual(['orders']);
  expect(topics[0]!.topicId).not.toBe(topicId);
});

it.each([
  ['APPEND', { configOperation: 2, value: '0:1' }, { configOperation: 2, value: '1:2' }, '1:2,0:1'],
  ['SUBTRACT', { configOperation: 3, value: '0:1' }, { configOperation: 0, value: '0:1,1:2' }, '1:2'],
])('%s changes the list as it is then, not as it was before another change', async (_, asked, meanwhile, left) => {
  const bench = await doorBench();
  onTestFinished(() => bench.close());
  const tenant = await bench.tenant('acme');
  const [own, other] = [await bench.client(tenant), await bench.client(tenant)];
  await ask(own, 19, { topics: [{ name: 'orders', numPartitions: 1, replicationFactor: -1 }], timeoutMs: 30_000 });
  const alter = (client: RawClient, change: object): Promise<ResponseOf<44>> => {
    const configs = [{ name: 'leader.replication.throttled.replicas', ...change }];
    return ask(client, 44, { resources: [{ resourceType: 2, resourceName: 'orders', configs }] });
  };
  const { engine } = bench;
  const alterNow = engine.alterConfigs.bind(engine);
  let isFirst = true;
  engine.alterConfigs = async (...changes) => {
    if (isFirst) {
      isFirst = false;
      await alter(other, meanwhile);
    }
    return alterNow(...changes);
  };
  expect((await alter(own, asked)).responses).toMatchObject([{ errorCode: errorCode.none }]);
  const [topic] = engine.catalogue.ofCluster(tenant.clusterId);
  expect(topic!.configs['leader.replication.throttled.replicas']).toBe(left);
});
