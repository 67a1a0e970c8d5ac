/** Where a log begins and ends, as a fetch tells it, when errors and moves come between. */
import { describe, expect, it } from 'vitest';
import type { FetchedPartition, FetchOptions, FetchPartition } from '../engine.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { batchOf, keyOf, topicId, type World, world } from './scripted-broker.suite.ts';
import { routingDefaults } from './settings.ts';

const batchBytes = batchOf(1).length;

function at(partition: number, offset: number): FetchPartition {
  return { topicId, partition, offset, maxBytes: 1_000_000, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
}

interface Reading {
  result: FetchedPartition[] | undefined;
}

function read(w: World, partitions: FetchPartition[], options: Partial<FetchOptions> = {}): Reading {
  const reading: Reading = { result: undefined };
  void w.routing
    .fetch(partitions, { maxWaitMs: 500, minBytes: 1, maxBytes: 10_000_000, ...options })
    .then((result) => (reading.result = result));
  return reading;
}

/** Straight into the log of the owner, as another gateway's producer would. */
function write(w: World, partition: number, ...ids: number[]): void {
  for (const id of ids) w.logs.append(keyOf(topicId, partition), batchOf(id), 0, false);
}

describe('a fetch', () => {
  it('reports the log bounds that came with its records, even if an error follows', async () => {
    const w = await world([1, 2]);
    write(w, 0, 1, 2);
    const reading = read(w, [at(0, 0), at(1, 0)], { minBytes: batchBytes * 3, maxWaitMs: 9000 });
    await w.clock.advance(50);
    w.catalogue.removeTopic('c1.orders');
    await w.clock.advance(routingDefaults.unknownTopicMsMax + 2 * routingDefaults.tickMs);
    const [first, second] = reading.result!;
    expect(first!.records.reduce((bytes, each) => bytes + each.length, 0)).toBe(batchBytes * 2);
    expect(first).toMatchObject({ errorCode: 0, highWatermark: 2, logStartOffset: 0 });
    expect(second!.errorCode).toBe(errorCode.unknownTopicId);
  });

  it('knows the start of a moved log from its former owner while the next one is silent', async () => {
    const w = await world([1, 2]);
    write(w, 0, 1, 2, 3);
    const first = read(w, [at(0, 0)]);
    await w.clock.advance(20);
    expect(first.result![0]).toMatchObject({ highWatermark: 3, logStartOffset: 0 });
    const waiting = read(w, [at(0, 3)], { maxWaitMs: 200 });
    await w.clock.advance(10);
    w.logs.startOffset = 2;
    w.broker(2).isSilent = true;
    // It is released first, and those who wait there are sent away.
    w.logs.owners.set(keyOf(topicId, 0), { brokerId: 2, epoch: 1 });
    w.broker(1).wake();
    await w.clock.advance(5);
    w.catalogue.place('c1.orders', 0, 2, 1);
    await w.clock.advance(300);
    expect(waiting.result![0]).toMatchObject({ errorCode: 0, highWatermark: 3, logStartOffset: 2 });
  });

  it('reports a known deletion even if it joins an earlier poll', async () => {
    const w = await world([1]);
    const [owner] = w.brokers;
    write(w, 0, 1, 2, 3);
    read(w, [at(0, 3)], { maxWaitMs: 0 });
    await w.clock.advance(20);
    // On its way for long, as from a slow disk.
    owner!.fetchMs = 500;
    read(w, [at(0, 0)], { maxWaitMs: 9000 });
    await w.clock.advance(300);
    owner!.fetchMs = 0;
    w.logs.startOffset = 2;
    const other = read(w, [at(0, 2)]);
    await w.clock.advance(20);
    expect(other.result![0]).toMatchObject({ errorCode: 0, logStartOffset: 2 });
    owner!.fetchFault = () => errorCode.offsetOutOfRange;
    const late = read(w, [at(0, 0)], { maxWaitMs: 9000 });
    await w.clock.advance(300);
    expect(late.result![0]).toMatchObject({ errorCode: errorCode.offsetOutOfRange, records: [] });
  });
});
