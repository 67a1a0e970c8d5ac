import fc from 'fast-check';
import { expect, it } from 'vitest';
import { batchHeaderBytes, restamp } from '../records/batch.ts';
import { batchOf } from './scripted-broker.suite.ts';
import { recordBytes, takeBatches } from './fetch-message.ts';
import { type Brought, exactRoomBytesMax, shareRoom } from './share-room.ts';

interface Log {
  readonly sizes: readonly number[];
  readonly maxBytes: number;
  readonly owner: number;
}

/** ReplicaManager.readFromLog: sizes of the batches that are whole, of each partition. */
function asKafka(logs: readonly Log[], maxBytes: number): number[][] {
  let room = maxBytes;
  let mustProgress = true;
  return logs.map(({ sizes, maxBytes: own }) => {
    const first = sizes[0];
    if (first === undefined) return [];
    const limit = Math.min(own, room);
    if (limit < first && !mustProgress) return [];
    const size = Math.min(mustProgress ? Math.max(limit, first) : limit, sum(sizes));
    if (size > 0) mustProgress = false;
    room = Math.max(0, room - size);
    const whole: number[] = [];
    for (const each of sizes)
      if (sum(whole) + each <= size) whole.push(each);
      else break;
    return whole;
  });
}

/** What owners bring: each reads its partitions in their order, within room of its own. */
function bring(logs: readonly Log[], maxBytes: number): Brought[] {
  const owners = new Map<number, { room: number; isFirst: boolean }>();
  return logs.map(({ sizes, maxBytes: own, owner }) => {
    let of = owners.get(owner);
    if (!of) owners.set(owner, (of = { room: exactRoomBytesMax, isFirst: true }));
    const batches = sizes.map((size, offset) => {
      const batch = batchOf(offset, size - batchHeaderBytes);
      restamp(batch, 0, offset, 0);
      return batch;
    });
    const read = takeBatches(batches, Math.min(own, maxBytes, Math.max(of.room, 0)), of.isFirst);
    if (read.length > 0) of.isFirst = false;
    of.room -= recordBytes(read);
    const records = takeBatches(read, own, true);
    const asked = { maxBytes: own, offset: 0 };
    return { asked, records, bytes: recordBytes(records), last: { highWatermark: sizes.length } };
  });
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a + b, 0);
}

const anyLog = fc.record({
  sizes: fc.array(fc.integer({ min: batchHeaderBytes, max: 700 }), { maxLength: 4 }),
  maxBytes: fc.oneof(fc.constant(1 << 20), fc.integer({ min: 0, max: 1_000 })),
  owner: fc.integer({ min: 0, max: 2 }),
});

it('returns from the partitions of several owners what one broker of Apache Kafka would', () => {
  fc.assert(
    fc.property(fc.array(anyLog, { maxLength: 5 }), fc.integer({ min: 0, max: 3_000 }), (logs, maxBytes) => {
      const given = shareRoom(bring(logs, maxBytes), maxBytes);
      expect(given.map((records) => records.map((each) => each.length))).toEqual(asKafka(logs, maxBytes));
    }),
    { numRuns: 500 },
  );
});

it('counts whole batches, and no pieces, if limits are large', () => {
  const [a, b] = [batchOf(0, 200_000), batchOf(1, 10)];
  const cut = { asked: { maxBytes: 300_000, offset: 0 }, records: [a], bytes: a.length, last: { highWatermark: 9 } };
  const small = { asked: { maxBytes: 300_000, offset: 0 }, records: [b], bytes: b.length, last: { highWatermark: 1 } };
  expect(shareRoom([cut, small], 300_000)).toEqual([[a], [b]]);
});
