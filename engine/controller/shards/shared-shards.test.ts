/** Several controllers over one store and one fleet: which one owns what; if two believe they own it, only one acts. */
import { describe, expect, it } from 'vitest';
import { sharedWorld as world, spec } from '../controllers-in-test.suite.ts';
import { decodeBrokerSession, encodeBrokerSession } from '../rows/broker-session.ts';

describe('controllers that share an installation', () => {
  it('share the shards evenly, and one of them keeps the fleet', async () => {
    const { clock, join, sharesOf, fleet } = await world();
    const first = await join();
    await clock.advance(3000);
    expect(await sharesOf(first)).toEqual([64]);
    const [second, third] = [await join(), await join()];
    await clock.advance(3000);
    expect((await sharesOf(first, second, third)).toSorted((a, b) => a - b)).toEqual([21, 21, 22]);
    for (const { controller } of [first, second, third]) {
      expect(controller.ready()).toBe(true);
      expect(controller.controllers().filter(({ keepsFleet }) => keepsFleet)).toMatchObject([
        { controllerId: first.controller.controllerId, alive: true },
      ]);
    }
    expect(fleet.starts).toEqual([1, 2, 3]);
  });

  it('take over from a dead one, with its brokers, within a lease', async () => {
    const { clock, join, sharesOf, fleet, during, places } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    for (let i = 0; i < 8; i++) await during(second.controller.createTopic(spec(`c${i}`, 't')));
    first.isAway = true;
    // No controller keeps the fleet at the moment.
    fleet.crash(2);
    await clock.advance(2300);
    expect(await sharesOf(second)).toEqual([64]);
    await clock.advance(1000);
    expect(fleet.recovered).toEqual(['2@1']);
    expect(fleet.starts).toEqual([1, 2, 3, 2]);
    expect(second.controller.brokers().map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
    expect((await places()).every(({ brokerId }) => brokerId > 0)).toBe(true);
  });

  it('recognise brokers that only another one was started with, and look after them when it is gone', async () => {
    const { clock, join, sharesOf, fleet, during, places, store } = await world();
    const few = await join(3);
    await clock.advance(3000);
    // It takes over, and starts two more.
    few.isAway = true;
    const many = await join(5);
    await clock.advance(4000);
    expect(fleet.starts).toEqual([1, 2, 3, 4, 5]);
    few.isAway = false;
    await clock.advance(2000);
    expect(await sharesOf(few, many)).toEqual([32, 32]);
    for (let i = 0; i < 8; i++) await during(many.controller.createTopic(spec(`c${i}`, 't')));
    expect((await places()).filter(({ brokerId }) => brokerId > 3).length).toBeGreaterThan(6);
    // When a broker arrives, each controller looks for partitions without an owner.
    fleet.crash(1);
    await clock.advance(2000);
    expect((await places()).filter(({ reason, leaderEpoch }) => reason === 'created' && leaderEpoch > 0)).toEqual([]);
    many.isAway = true;
    fleet.crash(4);
    await clock.advance(20_000);
    // The extra broker is recovered first, and removed once all is well: this controller is set to a fleet of three.
    expect(fleet.recovered).toContain('4@1');
    expect(new Set((await places()).map(({ brokerId }) => brokerId))).toEqual(new Set([1, 2, 3]));
    const states = (await store.range('BROKER')).rows.map((row) => JSON.parse(row.value).state);
    expect(states).toEqual(['serving', 'serving', 'serving', 'closed', 'closed']);
  });

  it('give the partitions of a broker whose death nobody saw to other brokers, not to its next process', async () => {
    const { clock, join, fleet, during, places } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    for (let i = 0; i < 8; i++) await during(second.controller.createTopic(spec(`c${i}`, 't')));
    first.isAway = true;
    fleet.crash(2);
    // Its slot has no session for half a minute.
    fleet.broken.add(2);
    await clock.advance(4000);
    expect(fleet.recovered).toEqual(['2@1']);
    expect((await places()).filter(({ brokerId }) => brokerId === 2)).toEqual([]);
  });

  it('settle a broker that died right after its adoption, while another is still being recovered', async () => {
    const { clock, join, fleet } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    first.isAway = true;
    fleet.crash(1);
    let isRecovering = false;
    fleet.onRecover = async ({ brokerId }) => {
      if (brokerId !== 1) return;
      isRecovering = true;
      await new Promise<void>((resolve) => clock.after(1000, resolve));
    };
    while (!isRecovering) await clock.advance(10);
    fleet.crash(2);
    await clock.advance(500);
    // Broker 2 is recovered before the recovery of broker 1 ends: neither waits for the other.
    expect(fleet.recovered).toEqual(['2@1']);
    await clock.advance(3000);
    expect(fleet.recovered).toEqual(['2@1', '1@1']);
    expect(second.controller.brokers().map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
  });

  it('take charge of a broker whose controller died before it had a session, whenever it opens one', async () => {
    const { clock, join, fleet, slots } = await world();
    const { controller } = await join();
    await clock.advance(3000);
    const endStray = fleet.stray(slots[1]!);
    // It is faster than the replacement.
    fleet.broken.add(2);
    fleet.crash(2);
    await clock.advance(2000);
    fleet.broken.clear();
    endStray();
    await clock.advance(1000);
    expect(fleet.recovered).toEqual(['2@1', '2@2']);
    expect(controller.brokers().map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
  });

  it('start nothing beside a serving broker that a dead controller had started', async () => {
    const { clock, join, fleet, slots } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    first.isAway = true;
    void fleet.stop(2, 0);
    fleet.crash(1);
    let isRecovering = false;
    fleet.onRecover = async () => {
      isRecovering = true;
      await new Promise<void>((resolve) => clock.after(1000, resolve));
    };
    while (!isRecovering) await clock.advance(10);
    await clock.advance(100);
    fleet.stray(slots[1]!);
    await clock.advance(3000);
    expect(fleet.starts).toEqual([1, 2, 3, 1]);
    expect(fleet.kills).toEqual([]);
    expect(second.controller.brokers().map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
  });

  it('do not count a dead one as alive because they did not look for a while', async () => {
    const { clock, join, sharesOf, during, store } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    first.isAway = true;
    while ((await sharesOf(second))[0] !== 64) await clock.advance(10);
    // Before it has removed the lease of the dead one.
    second.isAway = true;
    await clock.advance(1000);
    second.isAway = false;
    await clock.advance(100);
    expect(await sharesOf(first, second)).toEqual([0, 64]);
    await during(second.controller.stop());
    const states = (await store.range('BROKER')).rows.map((row) => JSON.parse(row.value).state);
    expect(states).toEqual(['closed', 'closed', 'closed']);
  });

  it('hand over when they stop, and the last one ends the brokers', async () => {
    const { clock, join, sharesOf, during, store, fleet } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    await during(first.controller.stop(), 500);
    expect(await sharesOf(first, second)).toEqual([0, 64]);
    await clock.advance(500);
    expect(second.controller.ready()).toBe(true);
    expect(second.controller.brokers().map(({ sessionEpoch }) => sessionEpoch)).toEqual([1, 1, 1]);
    await during(second.controller.stop());
    expect((await store.range('BROKER')).rows.map((row) => JSON.parse(row.value).state)).toEqual([
      'closed',
      'closed',
      'closed',
    ]);
    expect(fleet.kills).toEqual([]);
  });

  it('that leave together end the brokers as well', async () => {
    const { clock, join, during, store } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    await during(Promise.all([first.controller.stop(), second.controller.stop()]));
    const states = (await store.range('BROKER')).rows.map((row) => JSON.parse(row.value).state);
    expect(states).toEqual(['closed', 'closed', 'closed']);
  });

  it('each move their own partitions once when a broker dies', async () => {
    const { clock, join, during, fleet, places } = await world();
    const [first, second] = [await join(), await join()];
    await clock.advance(5000);
    for (let i = 0; i < 12; i++) await during(first.controller.createTopic(spec(`c${i}`, 't')));
    const before = await places();
    const seen: number[] = [];
    fleet.onCleanUp = async () => {
      seen.push((await places()).filter(({ brokerId }) => brokerId === 3).length);
    };
    fleet.crash(3);
    await clock.advance(400);
    // All of them had another owner before the slot could open its next session.
    expect(seen).toEqual([0]);
    for (const [i, { leaderEpoch }] of (await places()).entries()) {
      expect(leaderEpoch).toBeGreaterThanOrEqual(before[i]!.brokerId === 3 ? 1 : 0);
    }
    const moved = [first, second].flatMap(({ controller }) =>
      controller.events().filter(({ kind, reason }) => kind === 'partitions-moved' && reason === 'broker-dead'),
    );
    expect(moved.reduce((sum, { detail }) => sum + Number(detail['partitions']), 0)).toBe(24);
    expect(fleet.recovered).toEqual(['3@1']);
  });

  it('take nothing from a broker that serves again by the time their write arrives', async () => {
    const { clock, join, visit, during, fleet, places } = await world();
    const [first, second] = [await join(), await join()];
    const gateway = await visit();
    await clock.advance(5000);
    const topics = Array.from({ length: 12 }, (_, i) => `c${i}`);
    for (const cluster of topics) await during(gateway.createTopic(spec(cluster, 't')));
    second.placementDelayMs = 6000;
    fleet.crash(3);
    // The keeper waits a moment for the others, and starts the slot with what is left to it.
    await clock.advance(3000);
    const left = (await places()).filter(({ brokerId }) => brokerId === 3);
    expect(left.length).toBeGreaterThan(0);
    // Its plan is still in flight when the second controller takes the fleet over and the rows change.
    first.isAway = true;
    await clock.advance(2500);
    expect(second.controller.brokers().map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
    for (const cluster of topics) await during(gateway.createPartitions(`${cluster}.t`, 7));
    await clock.advance(2000);
    expect((await places()).filter(({ brokerId }) => brokerId === 3)).toEqual(expect.arrayContaining(left));
  });

  it('change nothing that they no longer own after they were stopped for a while', async () => {
    const { clock, join, during, fleet, places, sharesOf } = await world();
    const first = await join();
    await clock.advance(3000);
    const second = await join();
    await clock.advance(2000);
    for (let i = 0; i < 12; i++) await during(second.controller.createTopic(spec(`c${i}`, 't')));
    first.isAway = true;
    await clock.advance(3000);
    expect(await sharesOf(first, second)).toEqual([0, 64]);
    fleet.crash(1);
    await clock.advance(20);
    const before = await places();
    first.isAway = false;
    await clock.advance(10);
    // It still believes that it holds half of the shards and the fleet.
    await clock.advance(5000);
    expect((await sharesOf(first, second)).toSorted((a, b) => a - b)).toEqual([32, 32]);
    for (const [i, { leaderEpoch }] of (await places()).entries()) {
      expect(leaderEpoch).toBeGreaterThanOrEqual(before[i]!.leaderEpoch);
    }
    expect(fleet.recovered).toEqual(['1@1']);
    expect(second.controller.brokers().map(({ state }) => state)).toEqual(['serving', 'serving', 'serving']);
  });
});

describe('a gateway without a controller in it', () => {
  it('creates, changes and deletes topics, whether or not a controller is alive', async () => {
    const { clock, join, visit, during, fleet, places } = await world();
    const first = await join();
    await clock.advance(3000);
    const gateway = await visit();
    await during(gateway.createTopic(spec('c', 't')));
    await clock.advance(100);
    // The owner has learned of it, and moves it.
    fleet.crash(2);
    await clock.advance(2000);
    const moved = first.controller.events().filter(({ reason }) => reason === 'broker-dead');
    expect(moved.map(({ detail }) => detail['partitions'])).toEqual([2]);
    first.isAway = true;
    await clock.advance(5000);
    await during(gateway.createTopic(spec('d', 't')));
    await during(gateway.createPartitions('d.t', 9));
    await during(gateway.alterConfigs('d.t', () => ({ 'retention.ms': '1' })));
    await expect(during(gateway.createTopic(spec('d', 't')))).rejects.toMatchObject({ code: 'already-exists' });
    await expect(during(gateway.deleteTopic('d.other'))).rejects.toMatchObject({ code: 'not-found' });
    await during(gateway.deleteTopic('c.t'));
    expect(await places()).toHaveLength(9);
    expect(new Set([await during(gateway.allocateProducerId()), await during(gateway.allocateProducerId())]).size).toBe(
      2,
    );
  });

  it('reads only the topic it changes, however many the shard has', async () => {
    const { clock, join, visit, during } = await world();
    await join();
    await clock.advance(3000);
    const ranges: string[] = [];
    const gateway = await visit(new Set(), ranges);
    for (let i = 0; i < 5; i++) await during(gateway.createTopic(spec('c', `t${i}`)));
    await clock.advance(100);
    ranges.length = 0;
    await during(gateway.createTopic(spec('c', 'new')));
    await during(gateway.createPartitions('c.t1', 9));
    await during(gateway.alterConfigs('c.t2', () => ({ 'retention.ms': '1' })));
    await during(gateway.deleteTopic('c.t3'));
    await expect(during(gateway.createTopic(spec('c', 't4')))).rejects.toMatchObject({ code: 'already-exists' });
    expect(ranges.filter((pk) => pk.startsWith('SHARD#'))).toEqual([]);
  });

  it('places nothing on a broker whose session changed while it decided', async () => {
    const { clock, join, visit, during, store, places } = await world();
    await join();
    await clock.advance(3000);
    const gateway = await visit();
    const key = { pk: 'BROKER', sk: '2' };
    const row = (await store.get(key))!;
    // Between the gateway's look at the brokers and its write.
    const creating = gateway.createTopic(spec('c', 't'), async () => [
      { op: 'check', key: { pk: 'none', sk: 'none' }, if: { absent: true } },
    ]);
    const value = encodeBrokerSession({ ...decodeBrokerSession(row), state: 'draining' });
    await store.transact([{ op: 'put', key, value }]);
    await during(creating);
    expect((await places()).filter(({ brokerId }) => brokerId === 2)).toEqual([]);
  });
});

describe('what operators want of the fleet', () => {
  const owned = async ({ places }: Awaited<ReturnType<typeof world>>, brokerId: number): Promise<number> =>
    (await places()).filter((place) => place.brokerId === brokerId).length;

  /** The first of two controllers keeps the fleet; the gateway has created this many topics. */
  const twoAndGateway = async (topics: number) => {
    const all = await world();
    const first = await all.join();
    await all.clock.advance(3000);
    await all.join();
    const gateway = await all.visit();
    await all.during(gateway.start());
    await all.clock.advance(2000);
    for (let i = 0; i < topics; i++) await all.during(gateway.createTopic(spec(`c${i}`, 't')));
    return { all, first, gateway };
  };

  it('is done by the controller that keeps it, whoever was asked', async () => {
    const all = await world();
    const { clock, join, visit, during, fleet } = all;
    await join();
    await clock.advance(3000);
    const second = await join();
    const gateway = await visit();
    await during(gateway.start());
    await clock.advance(2000);
    for (let i = 0; i < 8; i++) await during(gateway.createTopic(spec(`c${i}`, 't')));

    expect(await during(gateway.drainBroker(1))).toBe(0);
    expect(await owned(all, 1)).toBe(0);
    expect(gateway.brokers()[0]).toMatchObject({ state: 'draining', wish: 'drain' });
    // Neither of the two processes that create topics places one there.
    await during(gateway.createTopic(spec('v', 't')));
    await during(second.controller.createTopic(spec('w', 't')));
    expect(await owned(all, 1)).toBe(0);
    await during(second.controller.undrainBroker(1));
    await clock.advance(1000);
    expect(await owned(all, 1)).toBeGreaterThan(0);
    expect(gateway.brokers()[0]).toMatchObject({ state: 'serving' });

    await during(second.controller.restartBrokers());
    expect(fleet.starts).toEqual([1, 2, 3, 1, 2, 3]);
    await during(gateway.restartBroker(2));
    await during(gateway.replaceBroker(3));
    expect(second.controller.brokers().map(({ sessionEpoch }) => sessionEpoch)).toEqual([2, 3, 3]);
    expect(fleet.kills).toEqual([3]);
    await expect(during(gateway.restartBroker(9))).rejects.toMatchObject({ code: 'not-found' });

    expect(await during(gateway.evacuateZone('b'))).toBe(0);
    expect(await owned(all, 2)).toBe(0);
    expect(second.controller.scaling()).toMatchObject({ evacuatedZones: ['b'] });
    await during(second.controller.restoreZone('b'));
    expect(await owned(all, 2)).toBeGreaterThan(0);
    expect(await during(gateway.scaleFleet(2))).toMatchObject({ brokers: 3, override: 2 });
    expect(await during(second.controller.scaleFleet(undefined))).toMatchObject({ brokers: 3, override: null });
    expect(gateway.scaling()).toMatchObject({ brokers: 3, override: null });
  });

  it('is continued when the controller that keeps it dies half way', async () => {
    const { all, first, gateway } = await twoAndGateway(12);
    const { clock, join, during, fleet } = all;
    let releases = 0;
    fleet.onRelease = () => {
      // The drain has begun, and its request is never answered.
      if (++releases === 1) first.isAway = true;
      return undefined;
    };
    const draining = gateway.drainBroker(2);
    await clock.advance(100);
    expect(first.isAway).toBe(true);
    expect(await owned(all, 2)).toBeGreaterThan(0);
    expect(await during(draining)).toBe(0);
    expect(await owned(all, 2)).toBe(0);

    // A restart too: the broker ends under one controller, and another sees it serve again.
    const third = await join();
    await clock.advance(2000);
    const restarting = gateway.restartBroker(2);
    await clock.advance(20);
    first.isAway = false;
    await during(restarting);
    expect(gateway.brokers()[1]!.sessionEpoch).toBe(2);
    expect(gateway.brokers()[1]).not.toHaveProperty('wish');
    expect(third.controller.brokers()[1]).toMatchObject({ state: 'serving' });
  });

  it('fills a broker whose drain was cancelled while nobody kept the fleet, as soon as a controller does', async () => {
    const { all, first, gateway } = await twoAndGateway(8);
    const { clock, during } = all;
    expect(await during(gateway.drainBroker(1))).toBe(0);
    // The partitions that moved may move again.
    await clock.advance(60_000);
    first.isAway = true;
    await during(gateway.undrainBroker(1));
    await clock.advance(100);
    expect(await owned(all, 1)).toBe(0);
    // The second is the keeper when the first one's lease has lapsed. Its own pace would be every 15 s.
    await clock.advance(4000);
    expect(await owned(all, 1)).toBeGreaterThan(0);
  });

  it('writes what the owner has released, even if its shard changed hands meanwhile', async () => {
    const { all, gateway } = await twoAndGateway(12);
    const { during, fleet, store } = all;
    const left: number[] = [];
    fleet.onRelease = async () => {
      left.push(await owned(all, 1));
      if (left.length > 1) return;
      // The other one, unknown to the mover, holds every shard but the one by which the mover keeps the fleet.
      const [kept, ...rows] = (await store.range('SHARD')).rows.map((row) => ({ row, shard: JSON.parse(row.value) }));
      const other = rows.find(({ shard }) => shard.controllerId !== kept!.shard.controllerId)!.shard.controllerId;
      await store.transact(
        rows.map(({ row: { pk, sk, version }, shard }) => {
          const value = JSON.stringify({ ...shard, controllerId: other, epoch: shard.epoch + 1 });
          return { op: 'put', key: { pk, sk }, value, if: { version } };
        }),
      );
    };
    expect(await during(gateway.drainBroker(1))).toBe(0);
    // All that the owner was asked for in the first place has moved by the next time that it is asked.
    expect(left).toEqual([24, 0]);
  });

  it('is stored while no controller is alive, and the caller is told so', async () => {
    const all = await world();
    const { clock, join, visit, during } = all;
    const first = await join();
    await clock.advance(3000);
    const gateway = await visit();
    await during(gateway.start());
    for (let i = 0; i < 4; i++) await during(gateway.createTopic(spec(`c${i}`, 't')));
    first.isAway = true;
    await clock.advance(5000);
    await expect(during(gateway.drainBroker(3))).rejects.toMatchObject({ code: 'fleet-unkept', retryable: false });
    expect(gateway.brokers()[2]).toMatchObject({ state: 'draining', wish: 'drain' });
    expect(await owned(all, 3)).toBeGreaterThan(0);
    await join();
    await clock.advance(8000);
    expect(await owned(all, 3)).toBe(0);
  });
});
