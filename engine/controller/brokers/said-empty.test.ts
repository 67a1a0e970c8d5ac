/**
 * An operator who is told that a broker or a zone is empty may remove its volume. These tests hand over shards, delay change
 * feeds and create topics while the controller counts partitions.
 */
import { describe, expect, it } from 'vitest';
import { sharedWorld, spec } from '../controllers-in-test.suite.ts';
import { shardOf } from '../../placement/shard.ts';
import { shardCount, shardPk } from '../rows/shard.ts';

type Shared = Awaited<ReturnType<typeof sharedWorld>>;

const clusters = Array.from({ length: 12 }, (_, i) => `c${i}`);
const pkOf = (cluster: string): string => shardPk(shardOf(cluster, shardCount));

async function owned({ places }: Shared, brokerId: number): Promise<number> {
  return (await places()).filter((place) => place.brokerId === brokerId).length;
}

/** The first of two controllers keeps the fleet. */
async function two() {
  const all = await sharedWorld();
  const first = await all.join();
  await all.clock.advance(3000);
  const second = await all.join();
  await all.clock.advance(2000);
  return { all, first, second };
}

describe('a broker is said to be empty', () => {
  it('once the rows of shards that were just handed over say so, however slowly they are read', async () => {
    const { all, first, second } = await two();
    const { clock, during } = all;
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 't')));
    await clock.advance(500);
    const before = first.controller.brokers().map(({ partitions }) => partitions);
    first.shardReadMs = 700;
    await during(second.controller.stop(), 500);
    while (!first.controller.events().some(({ reason }) => reason === 'handed over')) await clock.advance(10);
    // The shards are held but not read yet: until then, what the feed has reported of them counts.
    expect(first.controller.brokers().map(({ partitions }) => partitions)).toEqual(before);
    expect(await during(first.controller.drainBroker(1))).toBe(0);
    expect(await owned(all, 1)).toBe(0);
  });

  it('once the rows of a shard that was handed over after the last plan say so', async () => {
    const { all, first, second } = await two();
    const { clock, during, fleet } = all;
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 't')));
    await clock.advance(500);
    // The keeper has not heard of these partitions, and gets their shards while the first ones move.
    for (const cluster of clusters) first.unheard.add(pkOf(cluster));
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 'unheard')));
    let isLeaving = false;
    fleet.onRelease = async () => {
      if (isLeaving) return;
      isLeaving = true;
      first.shardReadMs = 300;
      void second.controller.stop().catch(() => undefined);
      await new Promise<void>((resolve) => clock.after(400, resolve));
    };
    const draining = first.controller.drainBroker(1);
    await clock.advance(3000);
    expect(await during(draining)).toBe(0);
    expect(await owned(all, 1)).toBe(0);
  });

  it('once the rows of other shards say so, whatever the change feed says', async () => {
    const { all, first, second } = await two();
    const { clock, during } = all;
    for (const cluster of clusters) first.unheard.add(pkOf(cluster));
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 't')));
    const draining = first.controller.drainBroker(1);
    await clock.advance(500);
    expect(await owned(all, 1)).toBeGreaterThan(0);
    first.unheard.clear();
    expect(await during(draining)).toBe(0);
    expect(await owned(all, 1)).toBe(0);
  });

  it('and what is left is reported while the change feed is silent', async () => {
    const { all, first, second } = await two();
    const { during } = all;
    for (const cluster of clusters) first.unheard.add(pkOf(cluster));
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 't')));
    const left = await during(first.controller.drainBroker(1));
    expect(left).toBeGreaterThan(0);
    expect(await owned(all, 1)).toBe(left);
  });

  it('and gets no topic from a gateway that has not heard of it', async () => {
    const { all, first } = await two();
    const { during, visit } = all;
    const gateway = await visit(new Set(['FLEET']));
    await during(gateway.start());
    expect(await during(first.controller.drainBroker(1))).toBe(0);
    await during(gateway.createTopic(spec('c1', 't')));
    await during(gateway.createPartitions('c1.t', 12).catch((failure: unknown) => failure));
    expect(await owned(all, 1)).toBe(0);
    expect((await all.places()).length).toBeGreaterThan(0);
  });

  it('and gets no partition of a dead broker from a controller that has not heard of it', async () => {
    const { all, first, second } = await two();
    const { clock, during, fleet } = all;
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 't')));
    await clock.advance(500);
    second.unheard.add('FLEET');
    expect(await during(first.controller.drainBroker(1))).toBe(0);
    fleet.crash(3);
    await clock.advance(3000);
    expect(await owned(all, 1)).toBe(0);
    const moved = second.controller.events().filter(({ reason }) => reason === 'broker-dead');
    expect(moved.length).toBeGreaterThan(0);
  });
});

describe('a zone is said to be empty', () => {
  it('once the rows of a shard that was just handed over say so', async () => {
    const { all, first, second } = await two();
    const { clock, during } = all;
    first.unheard.add(pkOf('c1'));
    await during(second.controller.createTopic(spec('c1', 't')));
    first.shardReadMs = 700;
    await during(second.controller.stop(), 500);
    while (!first.controller.events().some(({ reason }) => reason === 'handed over')) await clock.advance(10);
    expect(await during(first.controller.evacuateZone('b'))).toBe(0);
    expect(await owned(all, 2)).toBe(0);
  });

  it('once other brokers have the partitions of its dead broker', async () => {
    const { all, first, second } = await two();
    const { clock, during, fleet } = all;
    for (const cluster of clusters) await during(second.controller.createTopic(spec(cluster, 't')));
    await clock.advance(500);
    fleet.onRecover = () => new Promise<void>((resolve) => clock.after(2000, resolve));
    fleet.crash(2);
    await clock.advance(20);
    const evacuated = first.controller.evacuateZone('b');
    await clock.advance(500);
    expect(await owned(all, 2)).toBeGreaterThan(0);
    expect(await during(evacuated)).toBe(0);
    expect(await owned(all, 2)).toBe(0);
  });
});
