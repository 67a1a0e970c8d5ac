import { describe, expect, it } from 'vitest';
import type { Uuid } from '../../kernel/uuid.ts';
import { byNumber, states, world } from '../controller-in-test.suite.ts';
import type { PlacementRow } from '../rows/placement.ts';

function expectAllOwned(rows: readonly PlacementRow[], by: readonly number[]): void {
  for (const { partitions } of rows) for (const { brokerId } of partitions) expect(by).toContain(brokerId);
}

describe('the size of the fleet', () => {
  const scale = { brokersMin: 3, brokersMax: 9, targetShare: 0.6, inShareMax: 0.5, inAfterMs: 10_000 };
  const mib = 1024 * 1024;

  /** Every broker that is still there reports this load. */
  const carry = (fleet: ReturnType<typeof world>['fleet'], topicId: Uuid, mibPerSecond: number): void => {
    fleet.traffic.set(
      1,
      Array.from({ length: 30 }, (_, partition) => ({
        topicId,
        partition,
        bytesIn: (mibPerSecond * mib) / 30,
        bytesOut: 0,
        requests: 10,
      })),
    );
  };

  it('follows the load, drains a broker before it stops it, and survives restarts', async () => {
    const { control, during, fleet, clock, placements, owners, kinds } = world(9);
    const controller = control(undefined, { scale });
    await during(controller.start());
    expect(states(controller)).toEqual(['serving', 'serving', 'serving']);
    await during(controller.createTopic({ name: 'c.t', clusterId: 'c', partitions: 30, configs: {} }));
    const { topicId } = (await placements())[0]!;
    carry(fleet, topicId, 900);
    await clock.advance(40_000);
    expect(states(controller)).toEqual(Array.from({ length: 9 }, () => 'serving'));
    const counts = [...(await owners()).values()];
    expect(counts).toHaveLength(9);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(controller.scaling()).toMatchObject({ brokers: 9, override: null, dimension: 'bytes-in' });
    await during(controller.stop());

    const next = control(undefined, { scale });
    await during(next.start());
    expect(states(next)).toHaveLength(9);
    carry(fleet, topicId, 10);
    await clock.advance(100_000);
    expect(states(next)).toEqual(['serving', 'serving', 'serving']);
    expectAllOwned(await placements(), [1, 2, 3]);
    expect(kinds(next).filter((kind) => kind === 'fleet-scales-in')).toHaveLength(2);
    expect(kinds(next)).not.toContain('broker-dead');
  });

  it('is what an operator sets until told to follow the load again', async () => {
    const { control, during, clock } = world(9);
    const controller = control(undefined, { scale });
    await during(controller.start());
    expect(await during(controller.scaleFleet(5))).toMatchObject({ brokers: 6, override: 5 });
    await clock.advance(5000);
    expect(states(controller)).toHaveLength(6);
    await clock.advance(50_000);
    expect(states(controller)).toHaveLength(6);
    await during(controller.scaleFleet(undefined));
    await clock.advance(30_000);
    expect(states(controller)).toHaveLength(3);
  });

  it('keeps a draining broker that is wanted again before it is empty', async () => {
    const { control, during, fleet, clock, fill } = world(6);
    const controller = control(undefined, { scale });
    await during(controller.start());
    await during(controller.scaleFleet(6));
    await fill(controller);
    await clock.advance(30_000);
    let release: () => void = () => undefined;
    fleet.onRelease = () => new Promise<void>((resolve) => (release = resolve));
    await during(controller.scaleFleet(3));
    await clock.advance(100);
    await during(controller.scaleFleet(6));
    fleet.onRelease = () => undefined;
    release();
    await clock.advance(60_000);
    expect(states(controller)).toEqual(Array.from({ length: 6 }, () => 'serving'));
    expect(fleet.starts.filter((brokerId) => brokerId > 3)).toHaveLength(3);
  });
});

describe('a zone', () => {
  it('is evacuated and stays empty over a restart, until it is restored', async () => {
    const { control, during, clock, owners, fill } = world(6);
    const controller = control();
    await during(controller.start());
    await fill(controller);
    expect(await during(controller.evacuateZone('b'))).toBe(0);
    expect([...(await owners()).keys()].sort(byNumber)).toEqual([1, 3, 4, 6]);
    await expect(controller.evacuateZone('x')).rejects.toMatchObject({ code: 'not-found' });
    await during(controller.stop());
    const next = control();
    await during(next.start());
    await during(next.createTopic({ name: 'c.new', clusterId: 'c', partitions: 12, configs: {} }));
    await clock.advance(30_000);
    expect([...(await owners()).keys()].sort(byNumber)).toEqual([1, 3, 4, 6]);
    await during(next.restoreZone('b'));
    expect([...(await owners()).keys()].sort(byNumber)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('loads that brokers report', () => {
  it('decide what moves and where new partitions go', async () => {
    const { control, during, fleet, clock, placements, owners } = world();
    const controller = control(undefined, { balanceIntervalMs: 20_000 });
    await during(controller.start());
    await during(controller.createTopic({ name: 'c.t', clusterId: 'c', partitions: 30, configs: {} }));
    const [row] = await placements();
    const mine = row!.partitions.flatMap(({ brokerId }, partition) => (brokerId === 1 ? [partition] : []));
    // Broker 1 carries all of the bytes, in ten partitions of equal load.
    const mib = 1024 * 1024;
    fleet.traffic.set(
      1,
      mine.map((partition) => ({ topicId: row!.topicId, partition, bytesIn: 10 * mib, bytesOut: 0, requests: 10 })),
    );
    await clock.advance(60_000);
    const after = (await placements())[0]!.partitions;
    const busyOn = (brokerId: number) => mine.filter((partition) => after[partition]!.brokerId === brokerId).length;
    expect([busyOn(1), busyOn(2), busyOn(3)].sort(byNumber)).toEqual([3, 3, 4]);
    // Only the busy partitions have moved.
    expect((await owners()).get(1)).toBe(busyOn(1));
    for (const [partition, { reason }] of after.entries()) if (reason === 'balance') expect(mine).toContain(partition);
  });

  it('count as idle when the broker that reported them has left the fleet', async () => {
    const { control, during, fleet, clock, placements } = world(6);
    const scale = { brokersMin: 3, brokersMax: 6, targetShare: 0.6, inShareMax: 0.5, inAfterMs: 900_000 };
    const controller = control(undefined, { scale });
    await during(controller.start());
    await during(controller.scaleFleet(6));
    await during(controller.createTopic({ name: 'c.t', clusterId: 'c', partitions: 30, configs: {} }));
    const { topicId, partitions } = (await placements())[0]!;
    const partition = partitions.findIndex(({ brokerId }) => brokerId === 6);
    // A load is forgotten when its requests are few enough; so few to begin with are soon.
    fleet.traffic.set(6, [{ topicId, partition, bytesIn: 500 * 1024 * 1024, bytesOut: 0, requests: 0.01 }]);
    await clock.advance(10_000);
    expect(controller.scaling()?.shares['bytes-in']).toBeGreaterThan(0);
    // Its clients leave with it, so no other broker reports the partition.
    fleet.traffic.clear();
    await during(controller.scaleFleet(3));
    await clock.advance(240_000);
    expect(states(controller)).toHaveLength(3);
    expect(controller.scaling()?.shares['bytes-in']).toBe(0);
  });
});
