import { describe, expect, test } from 'vitest';
import { directorySegments } from '../segments/directory-segments.ts';
import { loadLog, loadLogEnd } from './load-log.ts';
import { batchOf, segmentsDirectory, topicA, World } from '../log-fixture.suite.ts';
import type { MetadataStore } from '../../ports.ts';
import type { RowContext } from '../rows/change-rows.ts';
import { SegmentReader } from '../segments/segment-reader.ts';

/** Counts the rows that were read through the store. */
interface Counted {
  rows: number;
}

function contextOf(world: World, counted: Counted): RowContext & { readonly reader: SegmentReader } {
  const { clock, random, settings } = world;
  const segments = directorySegments(world.disk, segmentsDirectory);
  const store: MetadataStore = Object.assign(Object.create(world.rows), {
    async range(...question: Parameters<MetadataStore['range']>) {
      const page = await world.rows.range(...question);
      counted.rows += page.rows.length;
      return page;
    },
  });
  const reader = new SegmentReader({ clock, settings, segments });
  return { store, clock, random, settings, segments, reader, guard: () => [], leftovers: new Set(), onRemove() {} };
}

describe('the end of a log', () => {
  test.each([
    ['never written', 0, 0],
    ['of one segment', 1, 0],
    ['of many segments', 5, 0],
    ['whose start moved into it', 5, 3],
    ['of which nothing is left', 4, 4],
  ])('%s is the same as from the whole log', async (_, segments, start) => {
    const world = new World({ mergeBytesMax: 1 });
    const store = await world.startSession();
    const log = await world.open(store);
    for (let i = 0; i < segments; i++) {
      await world.append(log, batchOf(['value'], 1000 + i, { producerId: 7, producerEpoch: 0, baseSequence: i }));
      await world.run(store.rollUp());
    }
    if (start > 0) await world.run(log.deleteRecords(start));
    await world.run(store.applyRetention());
    const counted: Counted = { rows: 0 };
    const context = contextOf(world, counted);
    const whole = await loadLog(context, topicA, 0);
    counted.rows = 0;
    const { last, fold, ...end } = await loadLogEnd(context, topicA, 0);
    expect(counted.rows).toBeLessThanOrEqual(2);
    expect(last).toEqual(whole.segments.at(-1)?.row);
    expect(end).toEqual({ startOffset: whole.startOffset, endOffset: whole.endOffset, foldedTo: whole.foldedTo });
    expect(fold.snapshot()).toEqual(whole.fold.snapshot());
  });
});
