import { describe, expect, it } from 'vitest';
import type { TopicEntry } from '../engine.ts';
import type { Uuid } from '../kernel/uuid.ts';
import { batchOf, segmentsDirectory, topicA, World } from '../log/log-fixture.suite.ts';
import { type FollowedCatalogue, Ownership } from './ownership.ts';
import { LogVisits } from './visit-logs.ts';

const hour = 3_600_000;
const partitionCount = 40;

function catalogueOf(
  brokerIdOf: (partition: number) => number,
  listeners: ((topicId: Uuid) => void)[] = [],
): FollowedCatalogue {
  const partitions = Array.from({ length: partitionCount }, (_, index) => ({
    index,
    get brokerId() {
      return brokerIdOf(index);
    },
    leaderEpoch: 5,
    reason: 'created',
    movedAtMs: 0,
  }));
  const configs = { 'retention.ms': `${hour}` };
  const topic: TopicEntry = { name: 'c.t', topicId: topicA, clusterId: 'c', partitions, configs, createdAtMs: 0 };
  return {
    all: () => [topic],
    byId: () => topic,
    byName: () => topic,
    ofCluster: () => [topic],
    refresh: () => undefined,
    onPlacement: (listener) => void listeners.push(listener),
  };
}

describe('visits of logs', () => {
  it('make the owner free the space of logs that get no requests, and only of those', async () => {
    const world = new World({ mergeBytesMax: 0, retentionIntervalMs: 100 * hour });
    const first = await world.startSession();
    for (let partition = 0; partition < partitionCount; partition++) {
      const log = await world.open(first, 1, {}, topicA, partition);
      await world.append(log, batchOf(['old'], world.clock.wallMs()));
    }
    await world.run(first.close());
    expect(world.disk.list(segmentsDirectory)).toHaveLength(1);
    const store = await world.startSession();
    // One of them belongs to another broker.
    const catalogue = catalogueOf((partition) => (partition === 7 ? 2 : 1));
    const ownership = new Ownership(1, store, catalogue, world.clock);
    const settings = { intervalMs: hour, soonMs: hour, logsTogetherMax: 3, pauseMs: 1 };
    const { clock } = world;
    const visits = new LogVisits({ brokerId: 1, catalogue, logs: store, ownership, clock, settings });
    await clock.advance(hour / 2);
    expect([...store.logs()]).toHaveLength(0);
    await clock.advance(hour);
    // Two rounds, because the first one leaves alone what it has not seen before.
    for (let look = 0; look < 2; look++) await world.run(store.applyRetention());
    expect([...store.logs()].map(({ partition }) => partition)).toEqual(
      Array.from({ length: partitionCount }, (_, i) => i).filter((i) => i !== 7),
    );
    for (const log of store.logs()) expect([log.startOffset, log.sizeBytes]).toEqual([1, 0]);
    expect(await world.files()).toMatchObject([{ segments: 1 }]);
    visits.stop();
    expect(world.fatal).toEqual([]);
  });

  it('open the logs that the session began with, and soon after a row change the logs that it gave to this broker', async () => {
    const world = new World();
    const store = await world.startSession();
    const { clock } = world;
    let ours = 10;
    const listeners: ((topicId: Uuid) => void)[] = [];
    const catalogue = catalogueOf((partition) => (partition < ours ? 1 : 2), listeners);
    const ownership = new Ownership(1, store, catalogue, clock);
    const settings = { intervalMs: hour, soonMs: 500, logsTogetherMax: 4, pauseMs: 10 };
    const visits = new LogVisits({ brokerId: 1, catalogue, logs: store, ownership, clock, settings });
    const opened = (): number => [...store.logs()].length;
    await clock.advance(400);
    expect(opened()).toBe(0);
    await clock.advance(200);
    expect(opened()).toBe(10);
    ours = 30;
    for (const listener of listeners) listener(topicA);
    await clock.advance(400);
    // A second change does not delay it.
    for (const listener of listeners) listener(topicA);
    expect(opened()).toBe(10);
    await clock.advance(105);
    expect(opened()).toBe(14);
    // A change during a round is seen by that round or by the next.
    ours = 40;
    for (const listener of listeners) listener(topicA);
    await clock.advance(1000);
    expect(opened()).toBe(40);
    visits.stop();
    ours = 0;
    for (const listener of listeners) listener(topicA);
    await clock.advance(2 * hour);
    expect(opened()).toBe(40);
  });
});
