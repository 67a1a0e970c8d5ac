import { describe, expect, it } from 'vitest';
import { StoreCatalogue } from './catalogue.ts';
import { brokerSessionKey, encodeBrokerSession } from './controller/rows/broker-session.ts';
import { encodePlacement, placementKey, type PlacementRow } from './controller/rows/placement.ts';
import { encodeTopic, topicKey, type TopicRow } from './controller/rows/topic.ts';
import { seededRandom } from './kernel/random.ts';
import { uuidOf, uuidText } from './kernel/uuid.ts';
import { VirtualClock } from './link/virtual-clock.suite.ts';
import { type StoreOp, StoreUnavailable } from './ports.ts';
import { memoryStore, type StoreFaults } from './store-memory.ts';

const random = seededRandom(3);

function topicOf(name: string, clusterId = 'c1', partitions = 2): TopicRow {
  return { name, topicId: uuidOf(random), clusterId, partitions, configs: {}, createdAtMs: 1 };
}

function placementOf(topic: TopicRow, owners: readonly number[], leaderEpoch = 0): PlacementRow {
  return {
    topicId: topic.topicId,
    partitions: owners.map((brokerId) => ({ brokerId, leaderEpoch, reason: 'created', movedAtMs: 5 })),
  };
}

const putTopic = (topic: TopicRow, shard = 7): StoreOp => ({
  op: 'put',
  key: topicKey(shard, topic.name),
  value: encodeTopic(topic),
});
const putPlacement = (placement: PlacementRow, shard = 7): StoreOp => ({
  op: 'put',
  key: placementKey(shard, placement.topicId),
  value: encodePlacement(placement),
});

async function started(faults?: StoreFaults) {
  const clock = new VirtualClock();
  const store = memoryStore({ clock });
  const catalogue = new StoreCatalogue(store.connect(faults), clock);
  const changed: string[] = [];
  catalogue.onPlacement((topicId) => changed.push(catalogue.byId(topicId)?.name ?? 'gone'));
  const ready = catalogue.start();
  return { clock, store, catalogue, changed, ready };
}

const owners = (catalogue: StoreCatalogue, name: string): (number | undefined)[] =>
  catalogue.byName(name)?.partitions.map((each) => each.brokerId) ?? [];

describe('the catalogue', () => {
  it('starts with the contents of the store and follows its changes', async () => {
    const clock = new VirtualClock();
    const store = memoryStore({ clock });
    const orders = topicOf('c1.orders');
    await store.transact([putTopic(orders), putPlacement(placementOf(orders, [1, 2]))]);
    const catalogue = new StoreCatalogue(store, clock);
    await catalogue.start();
    expect(catalogue.byId(orders.topicId)).toMatchObject({ name: 'c1.orders', clusterId: 'c1' });
    expect(owners(catalogue, 'c1.orders')).toEqual([1, 2]);
    await store.transact([putPlacement(placementOf(orders, [3, 2], 1))]);
    await clock.settle();
    expect(owners(catalogue, 'c1.orders')).toEqual([3, 2]);
    expect(catalogue.byName('c1.orders')!.partitions[0]).toMatchObject({ index: 0, leaderEpoch: 1, movedAtMs: 5 });
  });

  it('shows a topic without owners until its placement arrives, in either order', async () => {
    const { store, clock, catalogue, ready } = await started();
    await ready;
    const a = topicOf('c1.a');
    const b = topicOf('c1.b');
    await store.transact([putTopic(a), putPlacement(placementOf(b, [2, 2]))]);
    await clock.settle();
    expect(owners(catalogue, 'c1.a')).toEqual([-1, -1]);
    expect(catalogue.byName('c1.b')).toBeUndefined();
    await store.transact([putTopic(b), putPlacement(placementOf(a, [1, 3]))]);
    await clock.settle();
    expect(owners(catalogue, 'c1.a')).toEqual([1, 3]);
    expect(owners(catalogue, 'c1.b')).toEqual([2, 2]);
  });

  it('lists a cluster in name order, and only that cluster', async () => {
    const { store, clock, catalogue, ready } = await started();
    await ready;
    for (const name of ['c1.b', 'c1.a', 'c1:offsets']) await store.transact([putTopic(topicOf(name))]);
    await store.transact([putTopic(topicOf('c2.x', 'c2'), 9)]);
    await clock.settle();
    expect([...catalogue.ofCluster('c1')].map((topic) => topic.name)).toEqual(['c1.a', 'c1.b', 'c1:offsets']);
    await store.transact([{ op: 'delete', key: topicKey(7, 'c1.a') }]);
    await clock.settle();
    expect([...catalogue.ofCluster('c1')].map((topic) => topic.name)).toEqual(['c1.b', 'c1:offsets']);
    expect([...catalogue.ofCluster('c3')]).toEqual([]);
  });

  it('forgets deleted topics, and distinguishes a recreated topic from the old one', async () => {
    const { store, clock, catalogue, changed, ready } = await started();
    await ready;
    const old = topicOf('c1.a');
    await store.transact([putTopic(old), putPlacement(placementOf(old, [1, 1]))]);
    await clock.settle();
    const again = topicOf('c1.a', 'c1', 3);
    await store.transact([putTopic(again), { op: 'delete', key: placementKey(7, old.topicId) }]);
    await clock.settle();
    expect(catalogue.byId(old.topicId)).toBeUndefined();
    expect(catalogue.byName('c1.a')!.topicId).toBe(again.topicId);
    expect(owners(catalogue, 'c1.a')).toEqual([-1, -1, -1]);
    await store.transact([{ op: 'delete', key: topicKey(7, 'c1.a') }]);
    await clock.settle();
    expect(catalogue.byName('c1.a')).toBeUndefined();
    expect(changed.at(-1)).toBe('gone');
  });

  it('knows the brokers', async () => {
    const { store, clock, catalogue, ready } = await started();
    await ready;
    const changed: number[] = [];
    catalogue.onBroker((brokerId) => changed.push(brokerId));
    const session = {
      brokerId: 4,
      epoch: 1,
      state: 'serving' as const,
      zone: 'a',
      volume: '/v',
      address: '/s',
      pid: 9,
    };
    await store.transact([{ op: 'put', key: brokerSessionKey(4), value: encodeBrokerSession(session) }]);
    await clock.settle();
    expect(catalogue.broker(4)).toEqual(session);
    expect([...catalogue.brokers()]).toEqual([session]);
    await store.transact([{ op: 'delete', key: brokerSessionKey(4) }]);
    await clock.settle();
    expect(catalogue.broker(4)).toBeUndefined();
    expect(changed).toEqual([4, 4]);
  });

  it('rereads after a gap what was changed, added and removed meanwhile', async () => {
    let isLosing = false;
    const { store, clock, catalogue, ready } = await started((operation) => {
      if (operation.op === 'deliver' && isLosing) throw new StoreUnavailable('cut off');
      return undefined;
    });
    await ready;
    const [kept, gone, born] = ['c1.kept', 'c1.gone', 'c1.born'].map((name) => topicOf(name));
    await store.transact([putTopic(kept!), putTopic(gone!)]);
    await clock.settle();
    isLosing = true;
    await store.transact([{ op: 'delete', key: topicKey(7, 'c1.gone') }, putTopic(born!)]);
    await store.transact([putPlacement(placementOf(kept!, [2, 3], 4))]);
    await clock.advance(100);
    expect(catalogue.byName('c1.gone')).toBeDefined();
    isLosing = false;
    await clock.advance(100);
    expect(catalogue.byName('c1.gone')).toBeUndefined();
    expect(catalogue.byName('c1.born')).toBeDefined();
    expect(owners(catalogue, 'c1.kept')).toEqual([2, 3]);
  });

  it('retries its reads', async () => {
    let failures = 100;
    const { clock, catalogue, store, ready } = await started((operation) => {
      if (operation.op === 'range' && failures-- > 0) throw new StoreUnavailable('down');
      return undefined;
    });
    let isReady = false;
    void ready.then(() => (isReady = true));
    const topic = topicOf('c1.a');
    await store.transact([putTopic(topic)]);
    await clock.advance(50);
    expect(isReady).toBe(false);
    await clock.advance(1000);
    expect(isReady).toBe(true);
    expect(catalogue.byName('c1.a')).toBeDefined();
  });

  it('never goes back to a lower leader epoch', async () => {
    const { store, clock, catalogue, ready } = await started();
    await ready;
    const topic = topicOf('c1.a');
    await store.transact([putTopic(topic), putPlacement(placementOf(topic, [1, 1], 5))]);
    await store.transact([putPlacement(placementOf(topic, [2, 2], 4))]);
    await clock.settle();
    expect(catalogue.byName('c1.a')!.partitions.map((each) => each.leaderEpoch)).toEqual([5, 5]);
  });

  it('keeps serving when a row cannot be read', async () => {
    const { store, clock, catalogue, ready } = await started();
    await ready;
    const topic = topicOf('c1.good');
    await store.transact([{ op: 'put', key: topicKey(7, 'c1.bad'), value: '{"topicId":7}' }, putTopic(topic)]);
    await clock.settle();
    expect(catalogue.byName('c1.good')).toBeDefined();
    expect(catalogue.byName('c1.bad')).toBeUndefined();
    expect(catalogue.unreadableRows).toBe(1);
  });

  it('stops with close', async () => {
    const { store, clock, catalogue, changed, ready } = await started();
    await ready;
    catalogue.close();
    const topic = topicOf(`c1.${uuidText(uuidOf(random))}`);
    await store.transact([putTopic(topic)]);
    await clock.settle();
    expect(changed).toEqual([]);
  });
});
