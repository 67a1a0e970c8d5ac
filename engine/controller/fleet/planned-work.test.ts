/** Planned work on brokers that serve: drains, restarts, shutdown. */
import { describe, expect, it } from 'vitest';
import { byNumber, expectEven, states, world } from '../controller-in-test.suite.ts';

describe('planned work', () => {
  it('drains a broker by releases, and keeps it empty', async () => {
    const { control, during, fill, owners, fleet } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    expect(await during(controller.drainBroker(1))).toBe(0);
    expect([...(await owners()).keys()].sort(byNumber)).toEqual([2, 3]);
    expect(states(controller)[0]).toBe('draining');
    await fill(controller, 0);
    await during(controller.createTopic({ name: 'c9.t', clusterId: 'c9', partitions: 6, configs: {} }));
    expect((await owners()).has(1)).toBe(false);
    expect(fleet.kills).toEqual([]);
  });

  it('keeps a drained broker empty over its restarts, until the drain is cancelled', async () => {
    const { control, during, fill, owners, clock } = world();
    const first = control();
    await during(first.start());
    await fill(first);
    await during(first.drainBroker(1));
    await during(first.stop());
    const next = control();
    await during(next.start());
    expect(states(next)[0]).toBe('draining');
    await during(next.createTopic({ name: 'c9.t', clusterId: 'c9', partitions: 6, configs: {} }));
    await clock.advance(30_000);
    expect((await owners()).has(1)).toBe(false);
    await during(next.undrainBroker(1));
    await clock.advance(1000);
    expect((await owners()).get(1)).toBeGreaterThan(20);
  });

  it('restarts a broker without a recovery', async () => {
    const { control, during, fill, owners, fleet, clock } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    await during(controller.restartBroker(2));
    await clock.advance(1000);
    expect(fleet.recovered).toEqual([]);
    expect(controller.brokers()[1]).toMatchObject({ state: 'serving', sessionEpoch: 2 });
    expectEven(await owners());
  });

  it('empties every broker before it ends when all are restarted, even the first', async () => {
    const { control, during, fleet, owners, fill } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    const held: (number | undefined)[] = [];
    const stop = fleet.stop.bind(fleet);
    fleet.stop = async (brokerId, graceMs) => {
      held.push((await owners()).get(brokerId));
      await stop(brokerId, graceMs);
    };
    await during(controller.restartBrokers());
    expect(held).toEqual([undefined, undefined, undefined]);
    expect(controller.brokers().map(({ sessionEpoch }) => sessionEpoch)).toEqual([2, 2, 2]);
    expectEven(await owners());
  });

  it('moves nothing off a broker to restart before the next process has loaded', async () => {
    const { control, during, fill, owners, fleet, clock, kinds } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    let load: () => void = () => undefined;
    const loaded = new Promise<void>((resolve) => (load = resolve));
    fleet.standby = (brokerId) => (brokerId === 2 ? loaded : Promise.resolve());
    const restarted = controller.restartBroker(2);
    await clock.advance(1000);
    expect((await owners()).get(2)).toBe(24);
    expect(kinds(controller)).not.toContain('broker-draining');
    load();
    await during(restarted);
    expect(controller.brokers()[1]).toMatchObject({ state: 'serving', sessionEpoch: 2 });
    expect(fleet.recovered).toEqual([]);
  });

  it('ends a process that the system is still starting', async () => {
    const { control, during, fleet, clock } = world();
    const controller = control();
    await during(controller.start());
    const start = fleet.start.bind(fleet);
    let made: () => void = () => undefined;
    const making = new Promise<void>((resolve) => (made = resolve));
    fleet.start = async (slot) => {
      await making;
      await start(slot);
    };
    fleet.crash(2);
    await clock.advance(1000);
    const restarted = controller.restartBroker(2);
    await clock.advance(1000);
    fleet.start = start;
    made();
    await during(restarted);
    // The process that was starting ended before the next one began: the fleet refuses two processes of one slot.
    expect(fleet.starts).toEqual([1, 2, 3, 2, 2]);
    expect(controller.brokers()[1]).toMatchObject({ state: 'serving' });
  });

  it('restarts a broker as often as it is asked to, without a growing pause', async () => {
    const { control, during, clock } = world();
    const controller = control();
    await during(controller.start());
    const tookMs: number[] = [];
    for (let round = 0; round < 8; round++) {
      const beganMs = clock.monotonicMs();
      await during(controller.restartBroker(2));
      tookMs.push(clock.monotonicMs() - beganMs);
    }
    expect(controller.brokers()[1]).toMatchObject({ state: 'serving', sessionEpoch: 9 });
    expect(Math.max(...tookMs)).toBeLessThanOrEqual(2 * tookMs[0]!);
  });

  it('treats an owner that does not answer a release as dead', async () => {
    const { control, during, fill, owners, fleet, clock } = world();
    const controller = control(undefined, { releaseWaitMsMax: 2000 });
    await during(controller.start());
    await fill(controller);
    fleet.deaf.add(1);
    const draining = controller.drainBroker(1);
    await clock.advance(3000);
    await during(draining);
    expect(fleet.kills).toEqual([1]);
    expect((await owners()).has(1)).toBe(false);
  });

  it.each(['drain', 'restart'] as const)(
    'puts a %s off while its broker cannot release, and leaves it alone',
    async (act) => {
      const { control, during, fill, owners, fleet, clock, kinds } = world();
      const controller = control(undefined, { releaseWaitMsMax: 2000 });
      await during(controller.start());
      await fill(controller);
      fleet.unable.add(1);
      let isDone = false;
      const asked: Promise<unknown> = act === 'drain' ? controller.drainBroker(1) : controller.restartBroker(1);
      void asked.then(() => (isDone = true));
      await clock.advance(50_000);
      expect(isDone).toBe(false);
      expect(kinds(controller).filter((kind) => kind === 'moves-put-off')).toHaveLength(1);
      expect([fleet.kills, fleet.starts, (await owners()).get(1)]).toEqual([[], [1, 2, 3], 24]);
      // Other work goes on meanwhile.
      expect(await during(controller.drainBroker(2))).toBe(0);
      fleet.unable.delete(1);
      await during(asked);
      expect(fleet.kills).toEqual([]);
      expect(controller.brokers()[0]).toMatchObject(act === 'drain' ? { partitions: 0 } : { sessionEpoch: 2 });
    },
  );

  it('ends a drain that is put off when it is taken back', async () => {
    const { control, during, fill, owners, fleet, clock } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.unable.add(1);
    const draining = controller.drainBroker(1);
    await clock.advance(5000);
    await during(controller.undrainBroker(1));
    await expect(during(draining)).rejects.toThrow('something else');
    fleet.unable.delete(1);
    await clock.advance(10_000);
    expectEven(await owners());
  });

  it('returns a partition at a higher epoch when its target dies between release and write', async () => {
    const { control, during, fill, fleet, clock, placements } = world();
    const controller = control();
    await during(controller.start());
    await fill(controller);
    fleet.onRelease = () => {
      fleet.onRelease = () => undefined;
      fleet.crash(2);
      fleet.crash(3);
      return new Promise<void>((resolve) => clock.after(8, resolve));
    };
    const draining = controller.drainBroker(1);
    await clock.advance(5000);
    await during(draining);
    const epochs = (await placements()).flatMap((row) => row.partitions.map((p) => p.leaderEpoch));
    expect(Math.max(...epochs)).toBeGreaterThan(1);
    expect(states(controller)).toEqual(['draining', 'serving', 'serving']);
    expect(fleet.kills).toEqual([]);
  });

  it('stops by closing every session', async () => {
    const { control, during, store, fleet } = world();
    const controller = control();
    await during(controller.start());
    await during(controller.stop());
    const { rows } = await store.range('BROKER');
    expect(rows.map((row) => JSON.parse(row.value).state)).toEqual(['closed', 'closed', 'closed']);
    expect((await store.range('LEASE')).rows.some((row) => row.sk.startsWith('controller'))).toBe(false);
    expect(fleet.starts).toHaveLength(3);
    await expect(controller.deleteTopic('c.t')).rejects.toMatchObject({ code: 'shutting-down' });
  });
});
