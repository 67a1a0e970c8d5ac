/**
 * Random schedules of crashes, hangs and store faults over a controller and its fleet. While they last, epochs only grow
 * and no broker's log is recovered alive (the fleet asserts it); when they stop, everything is served again.
 */
import { expect, it } from 'vitest';
import { manualClock } from '../kernel/manual-clock.ts';
import { below, seededRandom } from '../kernel/random.ts';
import { StoreThrottled, StoreUnavailable } from '../ports.ts';
import { memoryStore, type StoreFaults } from '../store-memory.ts';
import { createController } from './controller.ts';
import { testFleet } from './fleet-in-test.suite.ts';
import { decodePlacement } from './rows/placement.ts';
import { shardPk } from './rows/shard.ts';

const brokers = 6;
const topics = 5;
const partitions = 12;

async function runSchedule(seed: number): Promise<string> {
  const random = seededRandom(seed);
  const clock = manualClock();
  const store = memoryStore({ clock });
  const fleet = testFleet(store, clock);
  let faulty = false;
  const faults: StoreFaults = () => {
    if (!faulty) return undefined;
    const dice = below(random, 100);
    if (dice < 6) throw new StoreUnavailable('dice');
    if (dice < 10) throw new StoreThrottled('dice');
    if (dice < 16) return { replyLost: true };
    if (dice < 30) return { delayMs: below(random, 40), replyDelayMs: below(random, 40) };
    return undefined;
  };
  const lossy: StoreFaults = (operation) => {
    const fault = faults(operation);
    return operation.op === 'transact' ? fault : fault?.replyLost ? undefined : fault;
  };
  const controller = createController({
    store: store.connect(lossy),
    clock,
    random,
    fleet,
    brokerRequest: fleet.request,
    recover: (session, version) => fleet.recover(session, version),
    slots: Array.from({ length: brokers }, (_, i) => ({
      brokerId: i + 1,
      zone: 'abc'[i % 3]!,
      volume: '/v',
      address: '/a',
    })),
    isGone: (pid) => fleet.isGone(pid),
    settings: { brakeMs: 2000, restartPauseMsMax: 1000, releaseWaitMsMax: 3000 },
  });
  const started = controller.start();
  await clock.advance(500);
  await started;
  for (let i = 0; i < topics; i++) {
    await controller.createTopic({ name: `c${i}.t`, clusterId: `c${i}`, partitions, configs: {} });
  }

  const epochs = new Map<string, { epoch: number; brokerId: number }>();
  const look = async (): Promise<string[]> => {
    const owners: string[] = [];
    for (let shard = 0; shard < 64; shard++) {
      for (const row of (await store.range(shardPk(shard), { from: 'PLACE#', to: 'PLACE$' })).rows) {
        for (const [i, { leaderEpoch, brokerId }] of decodePlacement(row).partitions.entries()) {
          const key = `${row.sk} ${i}`;
          const last = epochs.get(key);
          if (last) expect(leaderEpoch).toBeGreaterThanOrEqual(last.epoch);
          if (last && last.brokerId !== brokerId) expect(leaderEpoch).toBeGreaterThan(last.epoch);
          epochs.set(key, { epoch: leaderEpoch, brokerId });
          owners.push(`${brokerId}@${leaderEpoch}`);
        }
      }
    }
    return owners;
  };

  const planned: Promise<unknown>[] = [];
  for (let step = 0; step < 30; step++) {
    faulty = below(random, 3) > 0;
    const brokerId = 1 + below(random, brokers);
    const action = below(random, 10);
    if (action < 3) fleet.crash(brokerId);
    else if (action < 5 && controller.brokers()[brokerId - 1]!.state === 'serving') fleet.hang(brokerId);
    else if (action === 5) planned.push(controller.restartBroker(brokerId).catch(() => undefined));
    else if (action === 6) fleet.deaf.add(brokerId);
    else if (action === 7) fleet.deaf.clear();
    await clock.advance(below(random, 400));
    await look();
  }
  faulty = false;
  fleet.deaf.clear();
  await clock.advance(30_000);
  await Promise.all(planned);
  await clock.advance(62_000);

  expect(controller.ready()).toBe(true);
  expect(controller.brokers().map((broker) => broker.state)).toEqual(Array.from({ length: brokers }, () => 'serving'));
  expect(fleet.recovered.length).toBeGreaterThan(3);
  const owners = await look();
  expect(owners).toHaveLength(topics * partitions);
  const counts = controller.brokers().map((broker) => broker.partitions);
  expect(counts.reduce((a, b) => a + b)).toBe(topics * partitions);
  const stopping = controller.stop();
  await clock.advance(100);
  await stopping;
  return owners.join(' ');
}

it('recovers under any schedule of faults, the same way for the same seed', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    try {
      await runSchedule(seed);
    } catch (cause) {
      throw new Error(`seed ${seed}`, { cause });
    }
  }
  expect(await runSchedule(3)).toBe(await runSchedule(3));
  // The limit only guards against hanging: the test takes eight seconds of one core, and cores are shared.
}, 120_000);
