import { describe, expect, it } from 'vitest';
import { manualClock } from '../../kernel/manual-clock.ts';
import { seededRandom } from '../../kernel/random.ts';
import { type StoreOp, StoreUnavailable } from '../../ports.ts';
import { memoryStore, type StoreFaults } from '../../store-memory.ts';
import { type BrokerWish, brokerWishKey } from '../rows/broker-wish.ts';
import { fleetKey } from '../rows/fleet.ts';
import { type FleetReport, fleetReportKey } from '../rows/fleet-report.ts';
import { FleetWish, GuardRefused } from './fleet-wish.ts';

const drain: BrokerWish = { act: 'drain', afterEpoch: 0, isDone: false, left: 0 };
const restart: BrokerWish = { act: 'restart', afterEpoch: 3, isDone: false, left: 0 };
const nothing: BrokerWish = { act: 'none', afterEpoch: 0, isDone: true, left: 0 };

function world() {
  const clock = manualClock();
  const rows = memoryStore({ clock });
  let seed = 0;
  const open = (faults?: StoreFaults): FleetWish => {
    const persistence = { store: rows.connect(faults), clock, random: seededRandom(++seed) };
    return new FleetWish(persistence, { brokers: 3, override: 0, evacuated: [] });
  };
  return { clock, rows, open };
}

/** Two processes that follow the rows. */
async function two() {
  const { clock, rows, open } = world();
  const [one, other] = [open(), open()];
  await Promise.all([one.follow(), other.follow()]);
  return { clock, rows, one, other };
}

describe('the wish for the fleet', () => {
  it('holds the changes of all who write at once', async () => {
    const { clock, one, other } = await two();
    const zones = (zone: string) => (row: FleetWish['row']) => ({ ...row, evacuated: [...row.evacuated, zone].sort() });
    const changed = Promise.all([one.change(zones('a')), other.change(zones('b')), one.change(zones('c'))]);
    await clock.advance(1_000);
    expect(new Set(await changed)).toEqual(new Set([1, 2, 3]));
    for (const wish of [one, other]) {
      expect(wish.row).toEqual({ brokers: 3, override: 0, evacuated: ['a', 'b', 'c'] });
      expect([wish.version, wish.isEvacuated('b'), wish.isEvacuated('d')]).toEqual([3, true, false]);
    }
  });

  it('is written under the guard or not at all', async () => {
    const { one } = await two();
    const guard = (): StoreOp[] => [{ op: 'check', key: { pk: 'SHARDS', sk: '0' }, if: { version: 1 } }];
    await expect(one.change((row) => ({ ...row, brokers: 9 }), guard)).rejects.toThrow(GuardRefused);
    expect([one.row.brokers, one.version, one.isWanted(4)]).toEqual([3, 0, false]);
  });

  it('changes with each wish that leaves a broker empty, so that whoever places partitions knows of it', async () => {
    const { clock, rows, one, other } = await two();
    const [before] = one.unchanged() as [StoreOp];
    await rows.transact([before]);
    await one.ask(new Map([[2, drain]]));
    await expect(rows.transact([before])).rejects.toThrow();
    await clock.settle();
    expect([other.isDraining(2), other.isDraining(1)]).toEqual([true, false]);
    await rows.transact(other.unchanged());
    await other.ask(new Map([[2, nothing]]));
    await clock.settle();
    expect([one.isDraining(2), one.version]).toEqual([false, 1]);
  });
});

describe('the wish for a broker', () => {
  it('is known by the version of its row, and is not written twice while it is under way', async () => {
    const { clock, rows, one, other } = await two();
    expect(
      await one.ask(
        new Map([
          [1, restart],
          [2, restart],
        ]),
      ),
    ).toEqual(
      new Map([
        [1, 1],
        [2, 1],
      ]),
    );
    await clock.settle();
    expect(
      await other.ask(
        new Map([
          [1, restart],
          [2, drain],
        ]),
      ),
    ).toEqual(
      new Map([
        [1, 1],
        [2, 2],
      ]),
    );
    await clock.settle();
    await one.tell(1, 1, { ...restart, isDone: true });
    await clock.settle();
    expect(await other.ask(new Map([[1, restart]]))).toEqual(new Map([[1, 3]]));
    await clock.settle();
    // The outcome of a wish that somebody else has replaced.
    await one.tell(2, 1, { ...restart, isDone: true });
    expect((await rows.get(brokerWishKey(2)))!.version).toBe(2);
    expect(one.ofBroker(2)).toEqual({ wish: drain, version: 2 });
  });

  it('leaves only the first of those that are to be restarted without partitions', async () => {
    const { clock, one, other } = await two();
    await one.ask(new Map([5, 3, 4].map((brokerId) => [brokerId, restart])));
    await clock.settle();
    const draining = (): number[] => [3, 4, 5].filter((brokerId) => other.isDraining(brokerId));
    expect(draining()).toEqual([3]);
    await one.tell(3, 1, { ...nothing });
    await clock.settle();
    expect(draining()).toEqual([4]);
    await one.ask(
      new Map([
        [4, nothing],
        [5, nothing],
      ]),
    );
    await clock.settle();
    expect(draining()).toEqual([]);
  });

  it('is written for more brokers than one transaction takes', async () => {
    const { clock, one, other } = await two();
    const all = Array.from({ length: 150 }, (_, i) => i + 1);
    const versions = await one.ask(new Map(all.map((brokerId) => [brokerId, drain])));
    await clock.settle();
    expect([...versions.values()].every((version) => version === 1)).toBe(true);
    expect(all.every((brokerId) => other.isDraining(brokerId))).toBe(true);
  });
});

function report(seen: number, wanted: Partial<FleetReport['scaling']> = {}): FleetReport {
  const scaling: FleetReport['scaling'] = {
    brokers: 3,
    brokersMin: 3,
    brokersMax: 9,
    override: null,
    evacuatedZones: [],
    decision: 'stay',
    reason: 'the number fits the load',
    dimension: 'requests',
    shares: { requests: 0.501 },
    changedAtMs: 0,
    ...wanted,
  };
  return { seen, acted: seen, left: {}, scaling };
}

it('a report is written when it differs, and another keeper’s is read before it is written over', async () => {
  const { clock, rows, one, other } = await two();
  const version = async (): Promise<number> => (await rows.get(fleetReportKey))!.version;
  for (const seen of [1, 1, 1]) await one.publish(report(seen));
  expect(await version()).toBe(1);
  await other.publish(report(2));
  expect([await version(), other.report?.seen]).toEqual([1, 1]);
  await other.publish(report(2));
  await clock.settle();
  expect([await version(), one.report?.seen]).toEqual([2, 2]);
});

it('what is wanted is taken from the report, when its row cannot be read at a start', async () => {
  const { rows, open } = world();
  const before = open();
  await before.follow();
  await before.change(() => ({ brokers: 6, override: 6, evacuated: ['b'] }));
  await before.publish(report(1, { brokers: 6, override: 6, evacuatedZones: ['b'] }));
  rows.rot(fleetKey, '{"bro');
  const next = open();
  await next.follow();
  expect([next.row, next.isDamaged, next.version]).toEqual([{ brokers: 6, override: 6, evacuated: ['b'] }, true, 1]);
  expect(before.row).toEqual(next.row);
  await next.change((row) => row);
  expect(next.isDamaged).toBe(false);
  const third = open();
  await third.follow();
  expect([third.row, third.isDamaged]).toEqual([next.row, false]);
});

it('what a process missed is read again, for as long as it takes', async () => {
  const { clock, rows, open } = world();
  let isAway = false;
  const deaf = open(() => {
    if (isAway) throw new StoreUnavailable('away');
    return undefined;
  });
  let told = 0;
  const stopListening = deaf.onChange(() => told++);
  const stop = await deaf.follow();
  const writer = open();
  await writer.follow();
  await writer.change((row) => ({ ...row, brokers: 6 }));
  await clock.settle();
  expect([deaf.row.brokers, told]).toEqual([6, 1]);
  isAway = true;
  await writer.change((row) => ({ ...row, brokers: 9 }));
  await clock.advance(60_000);
  isAway = false;
  await clock.advance(1_000);
  expect([deaf.row.brokers, told]).toEqual([9, 2]);
  stopListening();
  await rows.transact([{ op: 'check', key: fleetKey, if: { version: 2 } }]);
  await writer.change((row) => ({ ...row, brokers: 3 }));
  await clock.settle();
  expect([deaf.row.brokers, told]).toEqual([3, 2]);
  stop();
  await writer.change((row) => ({ ...row, brokers: 6 }));
  await clock.settle();
  expect(deaf.row.brokers).toBe(3);
});
