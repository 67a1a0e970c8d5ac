import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { batchOf, topicA, World } from '../log-fixture.suite.ts';
import { type HoldsProducers, ProducerRoom, producerShare } from './producer-room.ts';

describe('producerShare', () => {
  it('fills the room, takes only from the largest, and from none if all fit', () => {
    const counts = fc.array(fc.nat(50), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(counts, fc.nat(1000), (all, room) => {
        const share = producerShare(all, room);
        const total = all.reduce((sum, count) => sum + count, 0);
        if (total <= room) {
          expect(share).toBe(Infinity);
          return;
        }
        const kept = (of: number): number => all.reduce((sum, count) => sum + Math.min(count, of), 0);
        expect(kept(share)).toBeLessThanOrEqual(room);
        expect(kept(share + 1)).toBeGreaterThan(room);
      }),
    );
  });
});

class Holder implements HoldsProducers {
  producerCount = 0;
  trimProducers(producersMax: number): void {
    this.producerCount = Math.min(this.producerCount, producersMax);
  }
}

describe('ProducerRoom', () => {
  it('bounds the producers of all logs, and spares logs that have few', () => {
    const holders = Array.from({ length: 20 }, () => new Holder());
    const room = new ProducerRoom(() => holders, { producersPerLogMax: 1_000, producersMax: 2_000 });
    const add = (holder: Holder): void => {
      if (holder.producerCount < room.perLogMax) holder.producerCount++;
      room.added(1);
    };
    for (let i = 0; i < 10; i++) add(holders[0]!);
    for (let round = 0; round < 5_000; round++) for (const holder of holders.slice(1)) add(holder);
    const all = holders.reduce((sum, { producerCount }) => sum + producerCount, 0);
    expect(all).toBeLessThanOrEqual(2_000 * 1.01);
    expect(all).toBeGreaterThan(1_900);
    expect(holders[0]!.producerCount).toBe(10);
    // A producer that is forgotten frees its room.
    holders.splice(2);
    for (let i = 0; i < 2_000; i++) add(holders[1]!);
    expect(holders[1]!.producerCount).toBe(1_000);
  });
});

describe('producers of many logs', () => {
  const of = (producerId: number, sequence: number): Buffer =>
    batchOf([`${producerId} ${sequence}`], 0, { producerId, producerEpoch: 0, baseSequence: sequence });

  it.each(['while they are written', 'by whom they are opened again, with all that was rolled up'])(
    'are forgotten in the logs that have the most, %s',
    async (when) => {
      const settings = { producersMax: 200, producersPerLogMax: 1_000 };
      const isLater = when !== 'while they are written';
      const world = new World(isLater ? {} : settings);
      let store = await world.startSession();
      const open = (partition: number) => world.open(store, world.sessionEpoch + 5, {}, topicA, partition);
      let logs = [await open(0), await open(1), await open(2)];
      for (let id = 1; id <= 10; id++) await world.append(logs[0]!, of(id, 0));
      for (const log of logs.slice(1)) for (let id = 1; id <= 300; id++) await world.append(log, of(id, 0));
      if (isLater) {
        await world.run(store.close());
        world.settings = { ...world.settings, ...settings };
        store = await world.startSession();
        logs = [await open(0), await open(1), await open(2)];
      }
      // Its first batch is a repeat if the producer is known, and new if it is forgotten.
      const isKnown = async (log: number, id: number): Promise<boolean> => {
        const { endOffset } = logs[log]!;
        return (await world.append(logs[log]!, of(id, 0))).baseOffset < endOffset;
      };
      for (let id = 1; id <= 10; id++) expect(await isKnown(0, id)).toBe(true);
      for (const log of [1, 2]) {
        expect(await isKnown(log, 300)).toBe(true);
        expect(await isKnown(log, 1)).toBe(false);
      }
    },
  );
});
