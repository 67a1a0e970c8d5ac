/**
 * The memory of a batch is reused once the batch has left the tail. Tests overwrite memory that is given back, so a reader
 * whose view was forgotten finds garbage.
 */
import { describe, expect, it } from 'vitest';
import { framePool, SharedFrame } from '../../kernel/frame-pool.ts';
import { below, seededRandom } from '../../kernel/random.ts';
import { isIntactBatch, validateBatch, type BatchHeader } from '../../records/batch.ts';
import { batchOf, World } from '../log-fixture.suite.ts';

describe('memory of appended batches', () => {
  it('is returned by the roll-up of batches that nobody read', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    // Without what other test files of this process have left, from which the batch would be taken.
    framePool.trim();
    framePool.trim();
    await world.append(log, batchOf(['a'.repeat(5000)]));
    expect(framePool.keptBytes).toBeLessThan(5000);
    await world.run(store.rollUp());
    expect(framePool.keptBytes).toBeGreaterThanOrEqual(5000);
    expect(await world.values(log)).toEqual(['a'.repeat(5000)]);
  });

  it('is returned when all batches of a frame have left, not before', async () => {
    const world = new World();
    const store = await world.startSession();
    const logs = [await world.open(store), await world.open(store, world.sessionEpoch, {}, undefined, 1)];
    const batches = [batchOf(['x'.repeat(3000)]), batchOf(['y'.repeat(3000)])];
    const frame = framePool.gather(batches);
    const shared = new SharedFrame(frame);
    let at = 0;
    for (const [i, { length }] of batches.entries()) {
      shared.hold();
      const batch = frame.subarray(at, (at += length));
      logs[i]!.append(batch, validateBatch(batch) as BatchHeader, world.clock.wallMs(), () => undefined, shared);
    }
    shared.drop();
    await world.clock.settle();
    await world.run(store.release([logs[0]!]));
    expect(frame[0]).not.toBe(0xdb);
    expect(await world.values(logs[1]!)).toEqual(['y'.repeat(3000)]);
    const { batches: read } = await world.read(logs[1]!, 0);
    await world.run(store.rollUp());
    expect(isIntactBatch(Buffer.from(read[0]!), 0)).toBe(true);
  });

  it.each([1, 2, 3, 4, 5, 6])('stays valid for every reader that was given it (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const world = new World({ rollUpBytes: 3000 }, { slow: seededRandom(seed + 100) });
    const store = await world.startSession();
    const log = await world.open(store);
    const held: { view: Uint8Array; copy: Buffer }[] = [];
    const times: Promise<unknown>[] = [];
    for (let step = 0; step < 150; step++) {
      world.send(log, batchOf([`${step}`.padEnd(below(random, 900), '-')], 1_700_000_000_000 + step));
      if (below(random, 3) === 0) await world.clock.settle();
      if (below(random, 6) === 0) await world.clock.advance(below(random, 12));
      if (below(random, 4) === 0 && log.highWatermark > 0) {
        const from = Math.max(0, log.highWatermark - 1 - below(random, 4));
        const { batches } = await world.read(log, from);
        for (const view of batches) held.push({ view, copy: Buffer.from(view) });
      }
      if (below(random, 10) === 0) {
        const asked = Math.max(0, log.highWatermark - 1);
        times.push(
          log
            .offsetForTimestamp(1_700_000_000_000 + asked)
            .then(({ offset }) => expect(offset === -1 || offset === asked).toBe(true)),
        );
      }
    }
    await world.run(Promise.all(times));
    expect(held.length).toBeGreaterThan(10);
    for (const { view, copy } of held) expect(copy.equals(view)).toBe(true);
    expect(world.fatal).toEqual([]);
  });
});
