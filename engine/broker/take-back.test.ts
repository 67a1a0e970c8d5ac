import { describe, expect, it } from 'vitest';
import { StoreCatalogue } from '../catalogue.ts';
import { decodePlacement, encodePlacement, placementKey } from '../controller/rows/placement.ts';
import { encodeShard, shardCount, shardKey } from '../controller/rows/shard.ts';
import { encodeTopic, topicKey } from '../controller/rows/topic.ts';
import { manualClock } from '../kernel/manual-clock.ts';
import { seededRandom } from '../kernel/random.ts';
import { uuidOf } from '../kernel/uuid.ts';
import { shardOf } from '../placement/shard.ts';
import { memoryStore } from '../store-memory.ts';
import { TakeBack } from './take-back.ts';

const shard = shardOf('c', shardCount);
const topicId = uuidOf(seededRandom(1));
const place = (brokerId: number, leaderEpoch: number) => ({ brokerId, leaderEpoch, reason: 'created', movedAtMs: 0 });

async function setUp() {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const put = (epochs: readonly [number, number][]) =>
    store.transact([
      {
        op: 'put',
        key: placementKey(shard, topicId),
        value: encodePlacement({ topicId, partitions: epochs.map(([broker, epoch]) => place(broker, epoch)) }),
      },
    ]);
  const topic = { name: 'c.t', topicId, clusterId: 'c', partitions: 3, configs: {}, createdAtMs: 0 };
  await store.transact([{ op: 'put', key: topicKey(shard, 'c.t'), value: encodeTopic(topic) }]);
  await put([
    [1, 4],
    [1, 4],
    [2, 0],
  ]);
  const catalogue = new StoreCatalogue(store, clock);
  await catalogue.start();
  const own = (controllerId: string) =>
    store.transact([{ op: 'put', key: shardKey(0), value: encodeShard({ controllerId, epoch: 1 }) }]);
  await own('a');
  const gone = new Set<string>();
  const serving = new Set<number>();
  let isFenced = false;
  const takeBack = new TakeBack({
    brokerId: 1,
    store,
    catalogue,
    clock,
    isOpen: (_topicId, partition) => serving.has(partition),
    isControllerGone: (id) => gone.has(id),
    guard: () => [{ op: 'check', key: { pk: 'x', sk: 'x' }, if: isFenced ? { exists: true } : { absent: true } }],
  });
  const epochs = async () =>
    decodePlacement((await store.get(placementKey(shard, topicId)))!).partitions.map(
      ({ brokerId, leaderEpoch }) => `${brokerId}@${leaderEpoch}`,
    );
  return { clock, store, put, own, gone, serving, takeBack, epochs, fence: () => (isFenced = true) };
}

const given = [0, 1].map((partition) => ({ topicId, partition, leaderEpoch: 4 }));

describe('logs that were released', () => {
  it('are taken back at a higher epoch if no move follows, but not if they were moved', async () => {
    const { clock, put, takeBack, epochs } = await setUp();
    takeBack.watch(given, true);
    await put([
      [1, 4],
      [3, 5],
      [2, 0],
    ]);
    await clock.advance(4_900);
    expect(await epochs()).toEqual(['1@4', '3@5', '2@0']);
    await clock.advance(200);
    expect(await epochs()).toEqual(['1@5', '3@5', '2@0']);
    await clock.advance(60_000);
    expect(await epochs()).toEqual(['1@5', '3@5', '2@0']);
  });

  it('are taken back at once when the mover has ended, or another controller keeps the fleet', async () => {
    const ended = await setUp();
    ended.takeBack.watch(given, true);
    await ended.clock.advance(1_000);
    expect(await ended.epochs()).toEqual(['1@4', '1@4', '2@0']);
    ended.gone.add('a');
    await ended.clock.advance(300);
    expect(await ended.epochs()).toEqual(['1@5', '1@5', '2@0']);
    const changed = await setUp();
    changed.takeBack.watch(given, true);
    await changed.own('b');
    await changed.clock.advance(300);
    expect(await changed.epochs()).toEqual(['1@5', '1@5', '2@0']);
  });

  it('are taken back at once when their release failed', async () => {
    const { clock, takeBack, serving, epochs } = await setUp();
    serving.add(1);
    takeBack.watch(given, false);
    await clock.settle();
    expect(await epochs()).toEqual(['1@5', '1@4', '2@0']);
  });

  it('keep their epoch while they serve, because their release failed before it began', async () => {
    const { clock, takeBack, serving, epochs } = await setUp();
    serving.add(0);
    takeBack.watch(given, true);
    await clock.advance(60_000);
    expect(await epochs()).toEqual(['1@4', '1@5', '2@0']);
  });

  it('stay released when the session is fenced, and when the broker stops', async () => {
    const fenced = await setUp();
    fenced.takeBack.watch(given, true);
    fenced.fence();
    await fenced.clock.advance(60_000);
    expect(await fenced.epochs()).toEqual(['1@4', '1@4', '2@0']);
    const stopped = await setUp();
    stopped.takeBack.watch(given, true);
    stopped.takeBack.stop();
    await stopped.clock.advance(60_000);
    expect(await stopped.epochs()).toEqual(['1@4', '1@4', '2@0']);
  });
});
