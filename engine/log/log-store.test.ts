import { describe, expect, it } from 'vitest';
import { batchOf, World } from './log-fixture.suite.ts';

describe('log store', () => {
  it('appends, reads, closes and opens again', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    const first = await world.append(log, batchOf(['a', 'b']));
    const second = await world.append(log, batchOf(['c']));
    expect([first.errorCode, first.baseOffset, second.baseOffset]).toEqual([0, 0, 2]);
    expect(log.highWatermark).toBe(3);
    expect(await world.values(log)).toEqual(['a', 'b', 'c']);
    expect(await world.values(log, 1)).toEqual(['b', 'c']);
    await world.run(store.close());
    expect(world.disk.exists(world.walDirectory)).toBe(false);
    const again = await world.open(await world.startSession());
    expect(again.highWatermark).toBe(3);
    expect(await world.values(again)).toEqual(['a', 'b', 'c']);
    expect((await world.append(again, batchOf(['d']))).baseOffset).toBe(3);
    expect(await world.values(again)).toEqual(['a', 'b', 'c', 'd']);
    expect(world.fatal).toEqual([]);
  });

  it('recovers what was acknowledged before a power loss', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    for (let i = 0; i < 50; i++) await world.append(log, batchOf([`v${i}`.padEnd(100, '.')]));
    world.crash('none');
    const recovery = await world.recover();
    expect(recovery.logs).toEqual([{ topicId: log.topicId, partition: 0, endOffset: 50, batches: 50 }]);
    expect(world.disk.exists(world.walDirectory)).toBe(false);
    const again = await world.open(await world.startSession());
    expect((await world.values(again)).map((v) => v.replaceAll('.', ''))).toEqual(
      Array.from({ length: 50 }, (_, i) => `v${i}`),
    );
  });
});
