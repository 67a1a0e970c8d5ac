import { describe, expect, it } from 'vitest';
import { logErrorCode } from '../log.ts';
import { batchOf, topicB, World } from '../log-fixture.suite.ts';
import { StoreUnavailable } from '../../ports.ts';
import { validateBatch, type BatchHeader } from '../../records/batch.ts';

describe('group commit', () => {
  it('acknowledges all appends of a turn with one sync, in order', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    const order: number[] = [];
    for (let i = 0; i < 20; i++) {
      const batch = batchOf([`v${i}`]);
      log.append(batch, validateBatch(batch) as BatchHeader, 0, (outcome) => {
        // By then every batch of the commit is visible.
        expect(log.highWatermark).toBe(20);
        order.push(outcome.baseOffset);
      });
    }
    expect(log.highWatermark).toBe(0);
    await world.clock.settle();
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(store.status().commits).toBe(1);
  });

  it('never acknowledges after a failed sync, and reports it once', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store);
    await world.append(log, batchOf(['kept']));
    world.disk.plan({ on: 'datasync', error: 'io' });
    const lost = world.send(log, batchOf(['lost']));
    await world.clock.advance(100);
    const later = world.send(log, batchOf(['later']));
    await world.clock.advance(100);
    expect(lost).toEqual([]);
    expect(later[0]).toMatchObject({ errorCode: 56 });
    expect(world.fatal.map((error) => error.message)).toHaveLength(1);
    expect(log.isOpen).toBe(false);
    world.crash('none');
    await world.recover();
    expect(await world.values(await world.open(await world.startSession()))).toEqual(['kept']);
  });

  it('holds acknowledgements while the lease has lapsed', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    world.mayAck = false;
    const outcomes = world.send(log, batchOf(['a']));
    await world.clock.advance(500);
    expect(outcomes).toEqual([]);
    expect(log.highWatermark).toBe(0);
    world.mayAck = true;
    await world.clock.advance(world.settings.leaseRetryMs);
    expect(outcomes).toMatchObject([{ errorCode: 0, baseOffset: 0 }]);
    expect(log.highWatermark).toBe(1);
  });

  it('acknowledges after the write with page-cache durability', async () => {
    const world = new World({ durability: 'page-cache' });
    const store = await world.startSession();
    const log = await world.open(store);
    world.mayAck = false;
    const outcomes = world.send(log, batchOf(['a']));
    await world.clock.advance(100);
    expect(outcomes).toEqual([]);
    world.mayAck = true;
    await world.clock.advance(100);
    expect(outcomes).toMatchObject([{ errorCode: 0 }]);
    expect(store.status().commits).toBe(0);
    // The death of the process alone: the page cache stays.
    world.crash('all');
    await world.recover();
    expect(await world.values(await world.open(await world.startSession()))).toEqual(['a']);
  });

  it.each([0, 1, 63, 64, 100, 200, 260])(
    'refuses what does not fit (%i bytes written), forgets it, and continues',
    async (afterBytes) => {
      const world = new World({ freeSpaceIntervalMs: 10, walChunkBytesMax: 1 << 20 });
      const store = await world.startSession();
      const log = await world.open(store);
      const producer = { producerId: 9, producerEpoch: 0 };
      await world.append(log, batchOf(['a'], 0, { ...producer, baseSequence: 0 }));
      world.disk.plan({ on: 'write', error: 'full', afterBytes });
      const refused = [
        world.send(log, batchOf(['x1'], 0, { ...producer, baseSequence: 1 })),
        world.send(log, batchOf(['x2'], 0, { ...producer, baseSequence: 2 })),
      ];
      await world.clock.settle();
      expect(refused.flat().map((outcome) => outcome.errorCode)).toEqual([56, 56]);
      expect([log.endOffset, log.highWatermark]).toEqual([1, 1]);
      // Until free space is looked at again, appends are refused early.
      expect((await world.append(log, batchOf(['no']))).errorCode).toBe(logErrorCode.volumeFull);
      expect(store.status().diskFull).toBe(true);
      await world.clock.advance(10);
      // Same sequence, same size as what was refused: neither a repeat nor confused with what the disk still has of it.
      expect(await world.append(log, batchOf(['b1'], 0, { ...producer, baseSequence: 1 }))).toMatchObject({
        errorCode: 0,
        baseOffset: 1,
      });
      expect(await world.values(log)).toEqual(['a', 'b1']);
      world.crash('none');
      await world.recover();
      expect(await world.values(await world.open(await world.startSession()))).toEqual(['a', 'b1']);
      expect(world.fatal).toEqual([]);
    },
  );

  it('refuses early below the free-space floor and serves again when space returns', async () => {
    const world = new World({ freeBytesFloor: 5000, freeSpaceIntervalMs: 10 }, { capacityBytes: 10_000 });
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['a'.repeat(5000)]));
    await world.clock.advance(10);
    const refused = { errorCode: logErrorCode.volumeFull, baseOffset: -1 };
    expect(await world.append(log, batchOf(['b']))).toMatchObject(refused);
    expect(await world.values(log)).toHaveLength(1);
  });

  it('keeps appends waiting above the un-rolled bound, in order, and refuses beyond the bound of waiting', async () => {
    const world = new World({ rollUpBytes: 3000, unrolledBytesMax: 4000, waitingBytesMax: 3000 });
    const store = await world.startSession();
    const log = await world.open(store);
    const sent = Array.from({ length: 20 }, (_, i) => world.send(log, batchOf([`${i}`.padEnd(440, '.')])));
    expect(store.status().waitingAppends).toBeGreaterThan(0);
    const refusedAtOnce = sent.filter((outcomes) => outcomes[0]?.errorCode === 56).length;
    expect(refusedAtOnce).toBeGreaterThan(0);
    await world.clock.advance(100);
    expect(sent.every((outcomes) => outcomes.length === 1)).toBe(true);
    const kept = sent.filter((outcomes) => outcomes[0]!.errorCode === 0);
    expect(kept).toHaveLength(20 - refusedAtOnce);
    expect(kept.map((outcomes) => outcomes[0]!.baseOffset)).toEqual(kept.map((_, i) => i));
    expect(await world.values(log)).toHaveLength(kept.length);
    expect(store.status()).toMatchObject({ waitingAppends: 0 });
  });

  it('refuses batches that wait behind one that does not fit: their producer would begin in the middle', async () => {
    const world = new World({ rollUpBytes: 3000, unrolledBytesMax: 4000, waitingBytesMax: 9000 });
    const store = await world.startSession();
    const log = await world.open(store);
    const producer = { producerId: 9, producerEpoch: 0 };
    const first = batchOf(['1'.padEnd(6000, '.')], 0, { ...producer, baseSequence: 0 });
    const second = batchOf(['2'], 0, { ...producer, baseSequence: 1 });
    const sent = [world.send(log, batchOf(['0'.padEnd(4000, '.')])), world.send(log, first), world.send(log, second)];
    expect(store.status().waitingAppends).toBe(2);
    // The first one gets what room the roll-up makes, so that the second one still waits when the disk is full.
    world.disk.plan({ on: 'write', error: 'full', afterBytes: 100, bytesMin: 6000 });
    await world.clock.advance(100);
    // Of the one in the middle some bytes may lie on the disk.
    const codes = sent.flatMap((outcomes) => outcomes.map(({ errorCode }) => errorCode));
    expect(codes).toEqual([0, logErrorCode.kafkaStorageError, logErrorCode.volumeFull]);
    await world.clock.advance(world.settings.freeSpaceIntervalMs);
    expect(await world.append(log, first)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    const again = world.send(log, second);
    await world.clock.advance(100);
    expect(again).toMatchObject([{ errorCode: 0, baseOffset: 2 }]);
  });

  it('queues no small append after a large one that did not fit', async () => {
    const world = new World({ rollUpBytes: 3000, unrolledBytesMax: 4000, waitingBytesMax: 3000 });
    const log = await world.open(await world.startSession());
    const producer = { producerId: 9, producerEpoch: 0 };
    const first = batchOf(['1'.padEnd(2000, '.')], 0, { ...producer, baseSequence: 0 });
    const second = batchOf(['2'], 0, { ...producer, baseSequence: 1 });
    world.send(log, batchOf(['0'.padEnd(4000, '.')]));
    world.send(log, batchOf(['0'.padEnd(2000, '.')]));
    const refused = [world.send(log, first), world.send(log, second)];
    expect(refused.flat()).toMatchObject([{ errorCode: 56 }, { errorCode: 56 }]);
    await world.clock.advance(100);
    expect(await world.append(log, first)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect(await world.append(log, second)).toMatchObject({ errorCode: 0, baseOffset: 3 });
  });

  it('answers waiting appends of a log before another owner may open it', async () => {
    const world = new World({ rollUpBytes: 3000, unrolledBytesMax: 4000 });
    const store = await world.startSession();
    const full = await world.open(store);
    const leaving = await world.open(store, undefined, {}, topicB);
    let fails = true;
    world.faults = ({ op }) => {
      if (fails && op === 'transact') throw new StoreUnavailable('nothing is rolled up');
      return undefined;
    };
    const kept = world.send(full, batchOf(['0'.padEnd(4000, '.')]));
    const waiting = [world.send(leaving, batchOf(['1'])), world.send(full, batchOf(['2']))];
    await world.clock.advance(100);
    await world.run(store.release([leaving]));
    expect(kept).toMatchObject([{ errorCode: 0 }]);
    expect(waiting).toMatchObject([[{ errorCode: 6 }], []]);
    fails = false;
    await world.clock.advance(10_000);
    expect(waiting[1]).toMatchObject([{ errorCode: 0, baseOffset: 1 }]);
  });
});
