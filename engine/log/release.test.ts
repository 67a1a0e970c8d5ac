/** Logs that are to be released while the segment store behind a network does not answer. */
import { describe, expect, it } from 'vitest';
import { sleep } from '../kernel/clock.ts';
import { SegmentsUnavailable } from '../ports.ts';
import { batchOf, segmentsDirectory, World } from './log-fixture.suite.ts';

const big = 'x'.repeat(600);

function remote() {
  const world = new World({ releaseBeginMsMax: 2000, releasePauseMsMax: 300, copiedBytesMax: 500, mergeBytesMax: 0 });
  let waiting: (() => void)[] = [];
  const store = {
    /** Holds requests until `answer`. */
    isMute: false,
    isAway: false,
    takesMs: 0,
    answer(): void {
      const due = waiting;
      waiting = [];
      store.isMute = false;
      for (const go of due) go();
    },
  };
  world.reach = async (what) => {
    if (store.isAway) throw new SegmentsUnavailable(`${what}: refused`);
    if (store.takesMs > 0) await sleep(world.clock, store.takesMs);
    if (store.isMute) await new Promise<void>((go) => waiting.push(go));
  };
  const expectNoOrphans = async (): Promise<void> => {
    const rows = (await world.files()).map(({ fileId }) => `${fileId}.seg`);
    expect(world.disk.list(segmentsDirectory)).toEqual(rows.sort());
  };
  return { world, store, expectNoOrphans };
}

describe('a release', () => {
  it('is given up after a pause when the store does not answer, and what it had sent is used all the same', async () => {
    const { world, store, expectNoOrphans } = remote();
    const session = await world.startSession();
    const log = await world.open(session);
    await world.append(log, batchOf(['a']));
    store.isMute = true;
    await expect(world.run(session.release([log]))).rejects.toThrow('longer than 300 ms');
    expect(log.isOpen).toBe(false);
    expect(await world.open(session, 2)).toBe(log);
    expect((await world.append(log, batchOf(['b']))).errorCode).toBe(0);
    store.answer();
    await world.clock.advance(100);
    // The put that came late was a roll-up.
    expect(session.status().unrolledBytes).toBe(batchOf(['b']).length);
    expect(await world.values(log)).toEqual(['a', 'b']);
    await world.run(session.release([log]));
    const next = await world.open(session, 3);
    expect(next).not.toBe(log);
    expect(await world.values(next)).toEqual(['a', 'b']);
    expect(next.endOfEpoch(1)).toEqual({ leaderEpoch: 1, endOffset: 1 });
    await expectNoOrphans();
    expect(world.fatal).toEqual([]);
  });

  it('stops no log while it prepares, and is refused when the store is away, mute or slow', async () => {
    const { world, store, expectNoOrphans } = remote();
    const session = await world.startSession();
    const log = await world.open(session);
    await world.append(log, batchOf([big]));
    store.isAway = true;
    await expect(world.run(session.prepareRelease([log]))).rejects.toThrow('put: refused');
    store.isAway = false;
    store.isMute = true;
    await expect(world.run(session.prepareRelease([log]))).rejects.toThrow('longer than 2000 ms');
    store.answer();
    await world.clock.advance(100);
    expect(log.isOpen).toBe(true);
    expect((await world.append(log, batchOf(['b']))).errorCode).toBe(0);
    store.takesMs = 400;
    await expect(world.run(session.prepareRelease([log]))).rejects.toThrow('takes 400 ms');
    store.takesMs = 0;
    await world.run(session.prepareRelease([log]));
    expect(session.status().unrolledBytes).toBe(0);
    await expectNoOrphans();
    // Nothing is left to write, and the next owner would have to read.
    store.isAway = true;
    await expect(world.run(session.prepareRelease([log]))).rejects.toThrow('get: refused');
    expect(log.isOpen).toBe(true);
    expect(world.fatal).toEqual([]);
  });

  it('does not begin when its turn comes too late', async () => {
    const { world, store } = remote();
    const session = await world.startSession();
    const log = await world.open(session);
    await world.append(log, batchOf(['a']));
    await world.run(session.rollUp());
    await world.append(log, batchOf(['b']));
    await world.run(session.rollUp());
    store.isMute = true;
    // Removes the first segment's file, and waits for the store.
    const cutting = log.deleteRecords(1);
    await world.clock.advance(10);
    await expect(world.run(session.release([log]))).rejects.toThrow('longer than 2000 ms');
    expect(log.isOpen).toBe(true);
    store.answer();
    await world.run(cutting);
    await world.clock.advance(100);
    expect(log.isOpen).toBe(true);
    await world.run(session.release([log]));
    expect(world.fatal).toEqual([]);
  });
});
