/** A controller over an in-memory store, a manual clock and a fleet without processes; and the placements that it made. */
import { expect } from 'vitest';
import { type ManualClock, manualClock } from '../kernel/manual-clock.ts';
import { seededRandom } from '../kernel/random.ts';
import { memoryStore, type StoreFaults } from '../store-memory.ts';
import { type Controller, createController } from './controller.ts';
import { testFleet } from './fleet-in-test.suite.ts';
import { decodePlacement, type PlacementRow } from './rows/placement.ts';
import { shardPk } from './rows/shard.ts';
import type { ControllerSettings } from './settings.ts';

const slots = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    brokerId: i + 1,
    zone: 'abc'[i % 3]!,
    volume: `/v/${i + 1}`,
    address: `/s/${i + 1}`,
  }));

/** Runs an act while time moves, so what it waits for can happen. */
export function movingTime(clock: ManualClock): <T>(act: Promise<T>, msMax?: number) => Promise<T> {
  return async (act, msMax = 60_000) => {
    let done = false;
    act.then(
      () => (done = true),
      () => (done = true),
    );
    for (let ms = 0; !done && ms < msMax; ms += 10) await clock.advance(10);
    expect(done).toBe(true);
    return act;
  };
}

export function world(brokers = 3) {
  const clock = manualClock();
  const store = memoryStore({ clock });
  const fleet = testFleet(store, clock);
  let seed = 1;
  const control = (faults?: StoreFaults, settings: Partial<ControllerSettings> = {}) => {
    return createController({
      store: store.connect(faults),
      clock,
      random: seededRandom(seed++),
      fleet,
      brokerRequest: fleet.request,
      beginRecovery: (session) => fleet.beginRecovery(session),
      recover: (session, version, known) => fleet.recover(session, version, known),
      slots: slots(brokers),
      isGone: (pid) => fleet.isGone(pid),
      settings,
    });
  };
  const during = movingTime(clock);
  const placements = async (): Promise<PlacementRow[]> => {
    const all: PlacementRow[] = [];
    for (let shard = 0; shard < 64; shard++) {
      const { rows } = await store.range(shardPk(shard), { from: 'PLACE#', to: 'PLACE$' });
      for (const row of rows) all.push(decodePlacement(row));
    }
    return all;
  };
  const owners = async (): Promise<Map<number, number>> => {
    const counts = new Map<number, number>();
    for (const { partitions } of await placements()) {
      for (const { brokerId } of partitions) counts.set(brokerId, (counts.get(brokerId) ?? 0) + 1);
    }
    return counts;
  };
  const fill = async (controller: Controller, topics = 12, partitions = 6) => {
    for (let i = 0; i < topics; i++) {
      const spec = { name: `c${i % 4}.t${i}`, clusterId: `c${i % 4}`, partitions, configs: {} };
      await during(controller.createTopic(spec));
    }
  };
  const kinds = (controller: Controller) => controller.events().map((event) => event.kind);
  return { clock, store, fleet, control, during, placements, owners, fill, kinds };
}

export const byNumber = (a: number, b: number) => a - b;

export const states = (controller: Controller) => controller.brokers().map((broker) => broker.state);

/** The partitions that `fill` made are shared evenly by three brokers. */
export function expectEven(owners: ReadonlyMap<number, number>): void {
  expect(owners.size).toBe(3);
  expect([...owners.values()].reduce((a, b) => a + b)).toBe(72);
  expect(Math.max(...owners.values())).toBeLessThanOrEqual(26);
}
