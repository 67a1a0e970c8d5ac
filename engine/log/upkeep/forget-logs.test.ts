import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../ports.ts';
import type { LogStore, PartitionLog } from '../log.ts';
import { logPk } from '../rows/log-state.ts';
import { batchOf, segmentsDirectory, topicA, topicB, World } from '../log-fixture.suite.ts';

async function filled(world: World, store: LogStore, count: number): Promise<PartitionLog[]> {
  const logs: PartitionLog[] = [];
  for (let p = 0; p < count; p++) logs.push(await world.open(store, 1, {}, topicA, p));
  await Promise.all(logs.map((log) => world.append(log, batchOf(['a']))));
  return logs;
}

describe('deleted topics', () => {
  it('are removed together: a few transactions for hundreds of logs, and other logs stay', async () => {
    const world = new World();
    const store = await world.startSession();
    const logs = await filled(world, store, 300);
    const other = await world.open(store, 1, {}, topicB);
    await world.append(other, batchOf(['kept']));
    await world.run(store.rollUp());
    await Promise.all(logs.slice(0, 150).map((log) => world.append(log, batchOf(['in memory']))));
    let transactions = 0;
    world.faults = ({ op }) => {
      if (op === 'transact') transactions++;
      return undefined;
    };
    await world.run(store.forget(logs));
    expect(transactions).toBeLessThan(15);
    expect(store.status()).toMatchObject({ openLogs: 1, unrolledBytes: 0 });
    expect(await world.files()).toMatchObject([{ segments: 1 }]);
    expect(await world.values(other)).toEqual(['kept']);
    await world.run(store.forget([other]));
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
    expect((await world.rows.range('FILE')).rows).toEqual([]);
    expect(world.fatal).toEqual([]);
  });

  it('are forgotten by the next attempt if the store went away half way', async () => {
    const world = new World({ storeRetryTotalMsMax: 100 });
    const store = await world.startSession();
    const logs = await filled(world, store, 120);
    await world.run(store.rollUp());
    let transactions = 0;
    world.faults = ({ op }) => {
      if (op === 'transact' && ++transactions > 2) throw new StoreUnavailable('away');
      return undefined;
    };
    await expect(world.run(store.forget(logs))).rejects.toMatchObject({ code: 'store-unavailable' });
    const { openLogs } = store.status();
    expect(openLogs).toBeGreaterThan(0);
    expect(openLogs).toBeLessThan(120);
    world.faults = () => undefined;
    await world.run(store.forget(logs));
    expect(store.status()).toMatchObject({ openLogs: 0 });
    expect(world.disk.list(segmentsDirectory)).toEqual([]);
    expect(world.fatal).toEqual([]);
  });

  it('are forgotten together with what a release has published meanwhile', async () => {
    const world = new World();
    const store = await world.startSession();
    const [log] = await filled(world, store, 1);
    await world.run(Promise.all([store.forget([log!]), store.release([log!])]));
    expect((await world.rows.range(logPk(topicA, 0))).rows).toEqual([]);
    expect(await world.files()).toEqual([]);
    expect(world.fatal).toEqual([]);
  });

  it('may be forgotten twice', async () => {
    const world = new World();
    const store = await world.startSession();
    const [log] = await filled(world, store, 1);
    await world.run(log!.deleteRecords(1));
    await world.run(Promise.all([store.forget([log!]), store.forget([log!])]));
    expect((await world.rows.range(logPk(topicA, 0))).rows).toEqual([]);
    expect(world.fatal).toEqual([]);
  });
});
