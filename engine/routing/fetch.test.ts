import { describe, expect, it } from 'vitest';
import { Cancellation } from '../kernel/cancellation.ts';
import type { FetchedPartition, FetchOptions, FetchPartition } from '../engine.ts';
import type { RequestOf } from '../protocol/apis.ts';
import { errorCode } from '../protocol/error-codes.ts';
import { make } from '../protocol/make.ts';
import { listOffsetsRequest, listOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import { deleteRecordsRequest, deleteRecordsResponse } from '../protocol/messages/21-delete-records.ts';
import { batchOf, idOf, keyOf, topicId, type World, world } from './scripted-broker.suite.ts';
import { routingDefaults } from './settings.ts';

const batchBytes = 69;

function at(partition: number, offset: number, maxBytes = 1_000_000, currentLeaderEpoch = -1): FetchPartition {
  return { topicId, partition, offset, maxBytes, currentLeaderEpoch, lastFetchedEpoch: -1 };
}

interface Reading {
  result: FetchedPartition[] | undefined;
  ids(): number[][];
}

function read(w: World, partitions: FetchPartition[], options: Partial<FetchOptions> = {}): Reading {
  const reading: Reading = {
    result: undefined,
    ids: () => reading.result!.map(({ records }) => records.flatMap((part) => idsIn(part))),
  };
  void w.routing
    .fetch(partitions, { maxWaitMs: 500, minBytes: 1, maxBytes: 10_000_000, ...options })
    .then((result) => (reading.result = result));
  return reading;
}

function idsIn(part: Uint8Array): number[] {
  const ids: number[] = [];
  for (let at = 0; at < part.length; at += batchBytes) ids.push(idOf(part, at));
  return ids;
}

/** Straight into the log of the owner, as another gateway's producer would. */
function write(w: World, partition: number, ...ids: number[]): void {
  for (const id of ids) w.logs.append(keyOf(topicId, partition), batchOf(id), 0, false);
  for (const broker of w.brokers) broker.wake();
}

interface Stored {
  /** Undefined until it is acknowledged. */
  offset: number | undefined;
}

/** Through this gateway. */
function append(w: World, partition: number, id: number): Stored {
  const stored: Stored = { offset: undefined };
  const done = ({ baseOffset }: { readonly baseOffset: number }): void => void (stored.offset = baseOffset);
  w.routing.append({ topicId, partition, records: batchOf(id), idempotent: false, timeoutMs: 1000, done });
  return stored;
}

async function settled(w: World, stored: Stored): Promise<number | undefined> {
  await w.clock.settle();
  return stored.offset;
}

/** As a broker that begins every log where it is asked to. */
function deleted({ name, partitions }: RequestOf<21>['topics'][number]) {
  return {
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => ({
      partitionIndex,
      errorCode: 0,
      lowWatermark: offset,
    })),
  };
}

/** As a broker whose logs go from 2 to 5. */
function bounds({ name, partitions }: RequestOf<2>['topics'][number]) {
  return {
    name,
    partitions: partitions.map(({ partitionIndex, timestamp }) => ({
      partitionIndex,
      errorCode: 0,
      offset: timestamp === -1 ? 5 : 2,
    })),
  };
}

/** Somebody asks broker 1 for bounds of partition 0, and is told them. */
async function askBounds(w: World, timestamps: readonly number[]): Promise<void> {
  w.broker(1).other = (call) => {
    if (call.key === 2) call.respond(make(listOffsetsResponse, { topics: call.request.topics.map(bounds) }));
  };
  const partitions = timestamps.map((timestamp) => ({ partitionIndex: 0, timestamp }));
  void w.routing.partitionRequest(2, make(listOffsetsRequest, { topics: [{ name: 'c1.orders', partitions }] }));
  await w.clock.advance(10);
}

const fetches = (w: World): number => w.brokers.reduce((sum, broker) => sum + broker.count(1), 0);

describe('a fetch', () => {
  it('from several owners answers at once with the available records, in request order', async () => {
    const w = await world([1, 2, 3]);
    write(w, 0, 10, 11);
    write(w, 2, 30);
    const reading = read(w, [at(2, 0), at(0, 1), at(1, 0)]);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[30], [11], []]);
    expect(reading.result!.map((each) => [each.partition, each.errorCode, each.highWatermark])).toEqual([
      [2, 0, 1],
      [0, 0, 2],
      [1, 0, 0],
    ]);
  });

  it('at the tail waits, and is woken by the first records', async () => {
    const w = await world([1, 2]);
    const reading = read(w, [at(0, 0), at(1, 0)]);
    await w.clock.advance(200);
    expect(reading.result).toBeUndefined();
    write(w, 1, 7);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[], [7]]);
  });

  it('ends with nothing when its time is over', async () => {
    const w = await world([1]);
    const reading = read(w, [at(0, 0)]);
    await w.clock.advance(499);
    expect(reading.result).toBeUndefined();
    await w.clock.advance(2);
    expect(reading.ids()).toEqual([[]]);
    expect(reading.result![0]!.errorCode).toBe(0);
  });

  it('does not wait with maxWaitMs 0 or minBytes 0', async () => {
    const w = await world([1]);
    const readings = [read(w, [at(0, 0)], { maxWaitMs: 0 }), read(w, [at(0, 0)], { minBytes: 0 })];
    await w.clock.settle();
    expect(readings.map((each) => each.ids())).toEqual([[[]], [[]]]);
    write(w, 0, 1);
    const again = read(w, [at(0, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    expect(again.ids()).toEqual([[1]]);
  });

  it('gathers until minBytes are there', async () => {
    const w = await world([1, 2]);
    write(w, 0, 1);
    const reading = read(w, [at(0, 0), at(1, 0)], { minBytes: batchBytes * 3 });
    await w.clock.advance(50);
    write(w, 1, 2);
    await w.clock.advance(50);
    expect(reading.result).toBeUndefined();
    write(w, 0, 3);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[1, 3], [2]]);
  });

  it('keeps to its limits, but for the first batch of the first partition with records (KIP-74)', async () => {
    const w = await world([1, 1, 2]);
    write(w, 0, 1, 2, 3);
    write(w, 1, 4, 5);
    write(w, 2, 6);
    const tight = read(w, [at(0, 0, 10), at(1, 0, 10)]);
    await w.clock.settle();
    expect(tight.ids()).toEqual([[1], []]);
    const perPartition = read(w, [at(0, 0, batchBytes * 2), at(1, 0, batchBytes)]);
    await w.clock.settle();
    expect(perPartition.ids()).toEqual([[1, 2], [4]]);
    const total = read(w, [at(2, 0), at(0, 0), at(1, 0)], { maxBytes: batchBytes * 2 });
    await w.clock.settle();
    expect(total.ids()).toEqual([[6], [1], []]);
  });

  it.each([
    [0, 20],
    [20, 0],
  ])('shares its limits out in the order of the request, whoever answers first (%i and %i ms)', async (one, two) => {
    const w = await world([1, 2, 1]);
    write(w, 0, 1, 2, 3);
    write(w, 1, 4, 5);
    write(w, 2, 6);
    w.broker(1).fetchMs = one;
    w.broker(2).fetchMs = two;
    const readings = [
      read(w, [at(0, 0), at(1, 0), at(2, 0)], { maxBytes: batchBytes * 4 }),
      read(w, [at(1, 0), at(0, 0), at(2, 0)], { maxBytes: batchBytes * 4 }),
      // A piece of the second batch would fill the rest.
      read(w, [at(0, 0), at(1, 0)], { maxBytes: batchBytes * 2 - 1 }),
      read(w, [at(0, 0, 1), at(1, 0, 1), at(2, 0)]),
      read(w, [at(0, 3, 1), at(1, 0, 1), at(2, 0)]),
    ];
    await w.clock.advance(50);
    expect(readings.map((each) => each.ids())).toEqual([
      [[1, 2, 3], [4], []],
      [[4, 5], [1, 2], []],
      [[1], []],
      [[1], [], [6]],
      [[], [4], [6]],
    ]);
  });

  it('waits for an owner whose share of the limit is used up, so that it reports errors and the end of every log', async () => {
    const w = await world([1, 2, 2]);
    read(w, [at(0, 0), at(1, 0), at(2, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    write(w, 0, 1, 2);
    write(w, 1, 3);
    w.broker(2).fetchFault = (key) => (key === keyOf(topicId, 2) ? 1 : undefined);
    w.broker(2).fetchMs = 50;
    const reading = read(w, [at(0, 0), at(1, 0), at(2, 9)], { maxBytes: batchBytes, maxWaitMs: 0 });
    await w.clock.advance(60);
    expect(reading.ids()).toEqual([[1], [], []]);
    expect(reading.result!.map((each) => [each.errorCode, each.highWatermark])).toEqual([
      [0, 2],
      [0, 1],
      [1, 0],
    ]);
    // For a while only.
    w.broker(2).isSilent = true;
    const late = read(w, [at(0, 0), at(1, 0)], { maxBytes: batchBytes });
    await w.clock.advance(99);
    expect(late.result).toBeUndefined();
    expect(w.routing.metrics()['fetchLate']).toBe(0);
    await w.clock.advance(2);
    expect(late.ids()).toEqual([[1], []]);
    expect(w.routing.metrics()['fetchLate']).toBe(1);
  });

  it('ends with the records it has when it is cancelled', async () => {
    const w = await world([1]);
    const cancellation = new Cancellation();
    const reading = read(w, [at(0, 0)], { cancellation });
    await w.clock.advance(10);
    cancellation.cancel();
    await w.clock.settle();
    expect(reading.ids()).toEqual([[]]);
    const late = read(w, [at(0, 0)], { cancellation });
    await w.clock.settle();
    expect(late.ids()).toEqual([[]]);
  });

  it('passes an error of a partition on at once', async () => {
    const w = await world([1, 2]);
    w.broker(2).fetchFault = () => 1;
    const reading = read(w, [at(0, 0), at(1, 99)]);
    await w.clock.settle();
    expect(reading.result!.map((each) => each.errorCode)).toEqual([0, 1]);
  });

  it('beyond the known end asks the owner at once, and does not answer with that end', async () => {
    const w = await world([1, 2]);
    read(w, [at(0, 0), at(1, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    for (const id of [1, 2]) w.broker(id).fetchFault = () => 1;
    w.broker(2).isSilent = true;
    const reading = read(w, [at(0, 99), at(1, 4)], { maxWaitMs: 60 });
    await w.clock.advance(1000);
    expect(reading.result).toBeUndefined();
  });

  it.each([4, 1])(
    'does not mistake the silence of a slow owner for the end of the log at offset %i, where it cannot be',
    async (offset) => {
      const w = await world([1]);
      write(w, 0, 1, 2);
      read(w, [at(0, 0)], { maxWaitMs: 0 });
      await w.clock.settle();
      if (offset > 2) w.broker(1).fetchFault = () => 1;
      w.broker(1).fetchMs = 100;
      const reading = read(w, [at(0, offset)], { maxWaitMs: 60 });
      await w.clock.advance(110);
      expect(reading.result!.map((each) => each.errorCode)).toEqual([offset > 2 ? 1 : 0]);
      expect(reading.ids()).toEqual([offset > 2 ? [] : [2]]);
      expect(w.routing.metrics()['fetchLate']).toBe(0);
    },
  );

  it('is fenced by the epoch its reader knows (KIP-320)', async () => {
    const w = await world([1]);
    w.move(0, 2);
    const old = read(w, [at(0, 0, 1000, 0)]);
    const ahead = read(w, [at(0, 0, 1000, 5)]);
    const right = read(w, [at(0, 0, 1000, 1)], { maxWaitMs: 0 });
    await w.clock.settle();
    expect([old, ahead, right].map((each) => each.result![0]!.errorCode)).toEqual([74, 75, 0]);
  });
});

describe('waiting', () => {
  it('is shared: one poll at the broker for all readers of an offset, one buffer for their results', async () => {
    const w = await world([1]);
    read(w, [at(0, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    const readings = Array.from({ length: 50 }, () => read(w, [at(0, 0)]));
    await w.clock.advance(10);
    expect(fetches(w)).toBe(2);
    write(w, 0, 1);
    await w.clock.settle();
    const buffers = new Set(readings.map((each) => each.result![0]!.records[0]));
    expect(buffers.size).toBe(1);
    const next = Array.from({ length: 50 }, () => read(w, [at(0, 1)]));
    await w.clock.advance(10);
    expect(fetches(w)).toBe(3);
    write(w, 0, 2);
    await w.clock.settle();
    expect(next.every((each) => each.ids()[0]![0] === 2)).toBe(true);
  });

  it('is not asked again by the next fetch of the same reader', async () => {
    const w = await world([1, 2, 3]);
    const all = (offsets: number[]): FetchPartition[] => offsets.map((offset, index) => at(index, offset));
    const first = read(w, all([0, 0, 0]));
    await w.clock.advance(10);
    const before = fetches(w);
    write(w, 1, 1);
    await w.clock.settle();
    expect(first.ids()).toEqual([[], [1], []]);
    read(w, all([0, 1, 0]));
    await w.clock.advance(10);
    expect(fetches(w)).toBe(before + 1);
  });

  it('keeps a result that arrives while nobody waits, for the next fetch', async () => {
    const w = await world([1]);
    read(w, [at(0, 0)], { maxWaitMs: 50 });
    await w.clock.advance(60);
    write(w, 0, 1);
    await w.clock.advance(10);
    expect(w.routing.metrics()['tailKeptBytes']).toBe(batchBytes);
    const before = fetches(w);
    const reading = read(w, [at(0, 0)]);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[1]]);
    expect(fetches(w)).toBe(before);
    expect(w.routing.metrics()['tailKeptBytes']).toBe(0);
  });

  it('never reports a lower high watermark than before, even with a kept result', async () => {
    const w = await world([1, 1]);
    const both = [at(0, 0), at(1, 0)];
    read(w, both);
    await w.clock.settle();
    write(w, 0, 1);
    await w.clock.settle();
    // The poll of partition 1 is still asked; its answer comes when nobody waits, and is kept.
    write(w, 1, 2);
    await w.clock.settle();
    write(w, 1, 3);
    const later = read(w, [at(1, 1)], { maxWaitMs: 0 });
    await w.clock.settle();
    expect(later.result![0]!.highWatermark).toBe(2);
    // What was kept is old by that, and is read again.
    for (const maxWaitMs of [0, 500]) {
      const whole = read(w, [at(1, 0)], { maxWaitMs });
      await w.clock.settle();
      expect(whole.ids()).toEqual([[2, 3]]);
      expect(whole.result![0]!.highWatermark).toBe(2);
    }
  });

  it('uses a kept result only while the owner reports no more records, whoever writes', async () => {
    const w = await world([1, 1]);
    const both = [at(0, 0), at(1, 0)];
    read(w, both);
    await w.clock.settle();
    write(w, 0, 1);
    await w.clock.settle();
    write(w, 1, 2);
    await w.clock.settle();
    expect(w.routing.metrics()['tailKeptBytes']).toBe(batchBytes);
    // Another gateway’s append: the question behind what is kept is answered.
    write(w, 1, 3);
    await w.clock.settle();
    const reading = read(w, [at(1, 0)]);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[2, 3]]);
    // Who reads on from there shares no answer that was thrown away.
    const next = read(w, [at(1, 1)]);
    await w.clock.settle();
    expect(next.ids()).toEqual([[3]]);
  });

  it('does not use a kept result if this gateway has stored more, even before an owner reports it', async () => {
    const w = await world([1, 1]);
    read(w, [at(0, 0), at(1, 0)]);
    await w.clock.settle();
    write(w, 0, 1);
    await w.clock.settle();
    write(w, 1, 2);
    await w.clock.settle();
    expect(w.routing.metrics()['tailKeptBytes']).toBe(batchBytes);
    w.broker(1).wakes = false;
    expect(await settled(w, append(w, 1, 3))).toBe(1);
    const reading = read(w, [at(1, 0)]);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[2, 3]]);
  });

  it('forgets a kept result by age and by bytes', async () => {
    const w = await world([1, 1, 1], { keptBytesMax: batchBytes * 2 });
    read(w, [at(0, 0), at(1, 0), at(2, 0)], { maxWaitMs: 50 });
    await w.clock.advance(60);
    for (let index = 0; index < 3; index++) write(w, index, index);
    await w.clock.settle();
    expect(w.routing.metrics()['tailKeptBytes']).toBe(batchBytes * 2);
    await w.clock.advance(1100);
    expect(w.routing.metrics()['tailKeptBytes']).toBe(0);
  });

  it('leaves no poll behind for ever', async () => {
    const w = await world([1], { pollWaitMsMax: 1000 });
    read(w, [at(0, 0)], { maxWaitMs: 50 });
    await w.clock.advance(500);
    expect(w.routing.metrics()['tailOutstanding']).toBe(1);
    await w.clock.advance(600);
    expect(w.routing.metrics()['tailOutstanding']).toBe(0);
  });

  it('continues over the bounded wait of a poll', async () => {
    const w = await world([1], { pollWaitMsMax: 100 });
    const reading = read(w, [at(0, 0)], { maxWaitMs: 1000 });
    await w.clock.advance(950);
    write(w, 0, 1);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[1]]);
  });

  it('follows a partition to its new owner', async () => {
    const w = await world([1]);
    const reading = read(w, [at(0, 0)], { maxWaitMs: 5000 });
    await w.clock.advance(10);
    w.move(0, 2);
    await w.clock.settle();
    write(w, 0, 1);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[1]]);
    expect(w.broker(2).count(1)).toBeGreaterThan(0);
  });

  it('on a deleted topic ends once the topic has been missing for as long as a new one may be', async () => {
    const w = await world([1, 2]);
    const readings = [read(w, [at(0, 0)], { maxWaitMs: 5000 }), read(w, [at(0, 0), at(1, 0)], { maxWaitMs: 5000 })];
    await w.clock.advance(10);
    w.catalogue.removeTopic('c1.orders');
    await w.clock.advance(routingDefaults.unknownTopicMsMax - 1);
    expect(readings.map(({ result }) => result)).toEqual([undefined, undefined]);
    await w.clock.advance(2 * routingDefaults.tickMs);
    for (const { result } of readings) expect(result![0]!.errorCode).toBe(errorCode.unknownTopicId);
  });

  it('does not mistake the silence of an owner that has never answered for the end of its log', async () => {
    const w = await world([1]);
    // It is about to open the log: it says nothing yet.
    w.broker(1).isSilent = true;
    const readings = [read(w, [at(0, 0)]), read(w, [at(0, 0)], { maxWaitMs: 0 })];
    await w.clock.advance(1999);
    expect(readings.map((each) => each.result)).toEqual([undefined, undefined]);
    await w.clock.advance(502);
    for (const { result } of readings) expect(result).toMatchObject([{ errorCode: 6, highWatermark: -1 }]);
  });

  it('waits for the owner’s first answer about a log found by a poll, and no longer', async () => {
    const w = await world([1]);
    let asked = 0;
    w.broker(1).fetchFault = () => (asked++ === 0 ? 6 : undefined);
    const reading = read(w, [at(0, 0)], { maxWaitMs: 0 });
    await w.clock.advance(100);
    expect(reading.result).toMatchObject([{ errorCode: 0, highWatermark: 0, logStartOffset: 0 }]);
  });

  it('waits for a slow owner beyond the time of the fetch, but not with records in hand', async () => {
    const w = await world([1, 2]);
    read(w, [at(0, 0), at(1, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    w.broker(2).isSilent = true;
    const empty = read(w, [at(0, 0), at(1, 0)], { maxWaitMs: 0 });
    await w.clock.advance(1000);
    expect(empty.result).toBeUndefined();
    write(w, 0, 1);
    const full = read(w, [at(0, 0), at(1, 0)], { maxWaitMs: 0 });
    await w.clock.advance(101);
    expect(full.ids()).toEqual([[1], []]);
    expect(full.result![1]).toMatchObject({ errorCode: 0, highWatermark: 0, logStartOffset: 0, isStale: true });
    await w.clock.advance(900);
    expect(empty.result![1]).toMatchObject({ errorCode: 0, highWatermark: 0, isStale: true });
  });

  it('waits for a slow owner with an error of another in hand, so that it does not report that error alone', async () => {
    const w = await world([1, 2]);
    w.broker(1).fetchFault = () => 1;
    w.broker(2).isSilent = true;
    const reading = read(w, [at(0, 99), at(1, 0)], { maxWaitMs: 0 });
    await w.clock.advance(1000);
    expect(reading.result).toBeUndefined();
    w.broker(2).isSilent = false;
    w.network.cut(w.address(2));
    await w.clock.advance(500);
    expect(reading.result!.map((each) => each.errorCode)).toEqual([1, 0]);
  });

  it('reads first if its time might be over before a poll is answered', async () => {
    const w = await world([1]);
    read(w, [at(0, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    const before = fetches(w);
    const reading = read(w, [at(0, 0)], { maxWaitMs: 5 });
    await w.clock.advance(6);
    expect(reading.ids()).toEqual([[]]);
    // The read, and the poll that followed it.
    expect(fetches(w)).toBe(before + 2);
  });

  it('survives the end of a link', async () => {
    const w = await world([1]);
    const reading = read(w, [at(0, 0)], { maxWaitMs: 5000 });
    await w.clock.advance(10);
    w.network.cut(w.address(1));
    await w.clock.advance(100);
    write(w, 0, 1);
    await w.clock.settle();
    expect(reading.ids()).toEqual([[1]]);
  });

  it('ends with NOT_LEADER when a partition has no owner for the hold time', async () => {
    const w = await world([-1, 1]);
    const reading = read(w, [at(0, 0), at(1, 0)], { maxWaitMs: 5000 });
    await w.clock.advance(1900);
    expect(reading.result).toBeUndefined();
    await w.clock.advance(200);
    expect(reading.result!.map((each) => each.errorCode)).toEqual([6, 0]);
  });

  it('reports no end older than one acknowledged while the first read was in flight', async () => {
    const w = await world([1]);
    write(w, 0, 1, 2, 3);
    w.broker(1).fetchMs = 50;
    const first = read(w, [at(0, 3)], { maxWaitMs: 0 });
    await w.clock.advance(10);
    const stored = append(w, 0, 4);
    await w.clock.advance(10);
    expect(stored.offset).toBe(3);
    expect(first.result).toBeUndefined();
    await w.clock.advance(40);
    expect(first.result).toMatchObject([{ errorCode: 0, highWatermark: 4 }]);
    // The owner does not answer: this is what the gateway remembers.
    w.broker(1).isSilent = true;
    const next = read(w, [at(0, 4)], { maxWaitMs: 60 });
    await w.clock.advance(61);
    expect(next.result).toMatchObject([{ errorCode: 0, highWatermark: 4, logStartOffset: 0 }]);
  });

  it('reports no start older than one requested while the first read was in flight', async () => {
    const w = await world([1]);
    write(w, 0, 1, 2, 3);
    w.broker(1).fetchMs = 50;
    w.broker(1).other = (call) => {
      if (call.key === 21) call.respond(make(deleteRecordsResponse, { topics: call.request.topics.map(deleted) }));
    };
    const first = read(w, [at(0, 3)], { maxWaitMs: 0 });
    await w.clock.advance(10);
    const partitions = [{ partitionIndex: 0, offset: 2 }];
    void w.routing.partitionRequest(21, make(deleteRecordsRequest, { topics: [{ name: 'c1.orders', partitions }] }));
    await w.clock.advance(60);
    expect(first.result).toMatchObject([{ errorCode: 0, highWatermark: 3, logStartOffset: 2 }]);
    w.broker(1).isSilent = true;
    const next = read(w, [at(0, 3)], { maxWaitMs: 60 });
    await w.clock.advance(61);
    expect(next.result).toMatchObject([{ errorCode: 0, highWatermark: 3, logStartOffset: 2 }]);
  });

  it('reports no end and no start older than those that ListOffsets has returned', async () => {
    const w = await world([1]);
    write(w, 0, 1, 2, 3);
    const first = read(w, [at(0, 3)], { maxWaitMs: 0 });
    await w.clock.advance(10);
    expect(first.result).toMatchObject([{ highWatermark: 3, logStartOffset: 0 }]);
    await askBounds(w, [-1, -2]);
    w.broker(1).isSilent = true;
    const next = read(w, [at(0, 5)], { maxWaitMs: 60 });
    await w.clock.advance(61);
    expect(next.result).toMatchObject([{ errorCode: 0, highWatermark: 5, logStartOffset: 2 }]);
  });

  it('trusts what was reported for a name only for a while: it may have been another topic', async () => {
    const w = await world([1]);
    write(w, 0, 1, 2, 3);
    const end = async (): Promise<number | undefined> => {
      const reading = read(w, [at(0, 3)], { maxWaitMs: 0 });
      await w.clock.advance(10);
      return reading.result?.[0]?.highWatermark;
    };
    expect(await end()).toBe(3);
    await askBounds(w, [-1]);
    expect(await end()).toBe(5);
    await w.clock.advance(44_000);
    // The same again does not begin the time anew.
    await askBounds(w, [-1]);
    expect(await end()).toBe(5);
    await w.clock.advance(1000);
    expect(await end()).toBe(3);
  });

  it('does not count an acknowledgement as an answer about the log: it reports nothing that no owner has reported', async () => {
    const w = await world([1]);
    w.broker(1).isSilent = true;
    expect(await settled(w, append(w, 0, 1))).toBe(0);
    const reading = read(w, [at(0, 1)], { maxWaitMs: 60 });
    await w.clock.advance(500);
    expect(reading.result).toBeUndefined();
    await w.clock.advance(1800);
    expect(reading.result).toMatchObject([{ errorCode: 6, highWatermark: -1, logStartOffset: -1 }]);
  });

  it('forgets the end of a deleted topic, whatever arrives after its deletion', async () => {
    const w = await world([1]);
    expect(await settled(w, append(w, 0, 1))).toBe(0);
    w.broker(1).replyMs = () => 50;
    const late = append(w, 0, 2);
    await w.clock.advance(10);
    w.catalogue.removeTopic('c1.orders');
    await w.clock.advance(60);
    expect(late.offset).toBe(1);
    w.logs.batches.clear();
    w.catalogue.addTopic('c1.orders', topicId, [1]);
    const reading = read(w, [at(0, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    expect(reading.result).toMatchObject([{ errorCode: 0, highWatermark: 0 }]);
  });

  it('gives up after several short fetches of one reader', async () => {
    const w = await world([1]);
    read(w, [at(0, 0)], { maxWaitMs: 0 });
    await w.clock.settle();
    w.move(0, -1);
    const seen: number[] = [];
    for (let i = 0; i < 6; i++) {
      const reading = read(w, [at(0, 0)], { maxWaitMs: 500 });
      await w.clock.advance(501);
      seen.push(reading.result![0]!.errorCode);
    }
    expect(seen.slice(0, 3)).toEqual([0, 0, 0]);
    expect(seen.at(-1)).toBe(6);
  });

  it('is refused beyond the number of polls', async () => {
    const w = await world([1], { pollsMax: 2 });
    read(w, [at(0, 0)]);
    await w.clock.settle();
    read(w, [at(0, 0)]);
    read(w, [at(0, 1)]);
    await w.clock.settle();
    await expect(w.routing.fetch([at(0, 2)], { maxWaitMs: 100, minBytes: 1, maxBytes: 10 })).rejects.toMatchObject({
      code: 'overloaded',
    });
  });

  it('ends for all when routing closes', async () => {
    const w = await world([1]);
    const reading = read(w, [at(0, 0)]);
    await w.clock.advance(10);
    w.routing.close();
    await w.clock.settle();
    expect(reading.result![0]!.errorCode).toBe(6);
  });
});

it('a reader sees every record once and in order while partitions move and links break', async () => {
  const w = await world([1, 2], { holdMsMax: 1e9 });
  const next = [0, 0];
  const seen: number[][] = [[], []];
  let written = 0;
  for (let round = 0; round < 120; round++) {
    if (round % 3 === 0) write(w, round % 2, written++);
    if (round % 7 === 3) w.move(round % 2, 1 + (round % 3));
    if (round % 11 === 5) w.network.cut(w.address(1 + (round % 3)));
    const reading = read(w, [at(0, next[0]!), at(1, next[1]!)], { maxWaitMs: 20 });
    await w.clock.advance(25);
    for (const [index, ids] of reading.ids().entries()) {
      seen[index]!.push(...ids);
      next[index]! += ids.length;
    }
  }
  const rest = read(w, [at(0, next[0]!), at(1, next[1]!)], { maxWaitMs: 0 });
  await w.clock.advance(100);
  for (const [index, ids] of rest.ids().entries()) seen[index]!.push(...ids);
  expect(seen).toEqual([w.logs.ids(keyOf(topicId, 0)), w.logs.ids(keyOf(topicId, 1))]);
});
