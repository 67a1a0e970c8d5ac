import { expect, it } from 'vitest';
import type { SegmentStore } from '../../ports.ts';
import { directorySegments } from './directory-segments.ts';
import { batchOf, segmentsDirectory, World } from '../log-fixture.suite.ts';
import type { LocatedSegment } from '../log.ts';
import { type SegmentCursor, SegmentReader } from './segment-reader.ts';

const batchesPerSegment = 40;

/** Two segments that are large enough for an index, of logs of one record per batch. */
async function indexedSegments(world: World): Promise<LocatedSegment[]> {
  const store = await world.startSession();
  const logs = [await world.open(store), await world.open(store, world.sessionEpoch, {}, undefined, 1)];
  for (const log of logs) {
    for (let i = 0; i < batchesPerSegment; i++) await world.append(log, batchOf([`${i}`.padEnd(100, '.')]));
  }
  await world.run(store.rollUp());
  return logs.map((log) => log.locate(0, 1)[0]!);
}

/** Counts the reads of each segment's index. */
function countingIndexReads(store: SegmentStore, counts: Map<number, number>): SegmentStore {
  return {
    ...store,
    open(fileId) {
      const file = store.open(fileId);
      return {
        sizeBytes: () => file.sizeBytes(),
        close: () => file.close(),
        read(target, position) {
          counts.set(position, (counts.get(position) ?? 0) + 1);
          return file.read(target, position);
        },
      };
    },
  };
}

function cursorOf(row: LocatedSegment): SegmentCursor {
  return { row, recentUntilMs: -Infinity, cursorOffset: row.baseOffset, cursorPosition: 0 };
}

it('an index that many readers fetch at once takes its cache room once', async () => {
  const world = new World({ syncReadBytesMax: 0 });
  const [first, second] = await indexedSegments(world);
  const counts = new Map<number, number>();
  const segments = countingIndexReads(directorySegments(world.disk, segmentsDirectory), counts);
  // Room for both indexes, and no more.
  const indexCacheBytesMax = first!.indexBytes + second!.indexBytes;
  const reader = new SegmentReader({
    segments,
    clock: world.clock,
    settings: { ...world.settings, indexCacheBytesMax },
  });
  const read = (row: LocatedSegment): Promise<Buffer> =>
    Promise.resolve(reader.read(cursorOf(row), batchesPerSegment / 2, 500, true, () => row.leaderEpoch));
  await world.run(Promise.all(Array.from({ length: 10 }, () => read(first!))));
  const before = counts.get(first!.indexPosition);
  await world.run(read(second!));
  await world.run(read(first!));
  expect(before).toBeGreaterThan(1);
  expect(counts.get(first!.indexPosition)).toBe(before);
  expect(counts.get(second!.indexPosition)).toBe(1);
});
