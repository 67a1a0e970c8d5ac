import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sleep } from '../../kernel/clock.ts';
import { baseOffset, batchCrc, batchesIn, batchField, batchSizeBytes, lastOffset } from '../../records/batch.ts';
import { decodeBatch, recompressBatch } from '../../records/decode.ts';
import { encodeBatch } from '../../records/encode.ts';
import { batchOf, World } from '../log-fixture.suite.ts';
import type { LogRead, PartitionLog } from '../log.ts';

function spans(read: LogRead): [number, number][] {
  const out: [number, number][] = [];
  for (const bytes of read.batches)
    for (const at of batchesIn(bytes)) out.push([baseOffset(bytes, at), lastOffset(bytes, at)]);
  return out;
}

/** Batches of 1 to 3 records and very different sizes over three segments and a tail. */
async function longLog(world: World): Promise<{ log: PartitionLog; sizes: number[]; bases: number[]; end: number }> {
  const store = await world.startSession();
  const log = await world.open(store, 1, { 'retention.ms': '-1' });
  const sizes: number[] = [];
  const bases: number[] = [];
  let end = 0;
  for (let i = 0; i < 40; i++) {
    const values = Array.from({ length: 1 + (i % 3) }, (_, n) => `${i}.${n}`.padEnd(i % 7 === 0 ? 900 : 30, '.'));
    const batch = batchOf(values, 1000 + i * 10);
    sizes.push(batch.length);
    bases.push(end);
    await world.append(log, batch);
    end += values.length;
    if (i % 12 === 11) await world.run(store.rollUp());
  }
  return { log, sizes, bases, end };
}

describe('reads', () => {
  it('return whole batches from any offset within any limit, across segments and tail', async () => {
    for (const syncReadBytesMax of [0, 1 << 20]) {
      const world = new World({ syncReadBytesMax, openFilesMax: 2, indexCacheBytesMax: 100 });
      const { log, sizes, bases, end } = await longLog(world);
      await fc.assert(
        fc.asyncProperty(fc.nat(end - 1), fc.nat(3000), fc.boolean(), async (offset, maxBytes, minOneBatch) => {
          const read = await world.read(log, offset, maxBytes, minOneBatch);
          const first = bases.findLastIndex((base) => base <= offset);
          const got = spans(read);
          expect(read.errorCode).toBe(0);
          expect(read.bytes).toBe(read.batches.reduce((sum, bytes) => sum + bytes.length, 0));
          if (got.length === 0) {
            expect(minOneBatch).toBe(false);
            expect(sizes[first]).toBeGreaterThan(maxBytes);
            return;
          }
          expect(got.map(([base]) => base)).toEqual(bases.slice(first, first + got.length));
          expect(read.bytes <= maxBytes || got.length === 1).toBe(true);
        }),
        { numRuns: 300 },
      );
    }
  });

  it('answer in the same turn from the tail and from recent segments', async () => {
    const world = new World();
    const { log, end } = await longLog(world);
    expect(log.read(end - 1, 1000, true)).not.toBeInstanceOf(Promise);
    expect(log.read(0, 1000, true)).not.toBeInstanceOf(Promise);
    await world.clock.advance(world.settings.recentSegmentMs);
    expect(log.read(0, 1000, true)).toBeInstanceOf(Promise);
    expect(log.read(end - 1, 1000, true)).not.toBeInstanceOf(Promise);
  });

  it('answer in the same turn from an old segment whose last read was quick, but not after a slow one', async () => {
    let latencyMs = 0;
    const world: World = new World(
      {},
      {
        latency: () => (latencyMs > 0 ? sleep(world.clock, latencyMs) : Promise.resolve()),
      },
    );
    const { log } = await longLog(world);
    await world.clock.advance(world.settings.recentSegmentMs);
    for (latencyMs of [world.settings.syncReadMsMax + 1, 0]) {
      expect(log.read(0, 1000, true)).toBeInstanceOf(Promise);
      await world.read(log, 0);
    }
    expect(log.read(0, 1000, true)).not.toBeInstanceOf(Promise);
    await world.clock.advance(world.settings.recentSegmentMs);
    expect(log.read(0, 1000, true)).toBeInstanceOf(Promise);
  });

  it('refuse offsets outside the log and return nothing above the high watermark', async () => {
    const world = new World();
    const log = await world.open(await world.startSession());
    await world.append(log, batchOf(['a']));
    world.mayAck = false;
    world.send(log, batchOf(['b', 'c']));
    await world.clock.settle();
    expect([log.highWatermark, log.endOffset, log.lastStableOffset]).toEqual([1, 3, 1]);
    for (const offset of [1, 2, 3]) expect(log.read(offset, 1000, true)).toMatchObject({ errorCode: 0, bytes: 0 });
    expect(log.read(-1, 1000, true)).toMatchObject({ errorCode: 1 });
    expect(log.read(4, 1000, true)).toMatchObject({ errorCode: 1 });
    expect(log.readableBytes(0, 1e6)).toBeGreaterThan(60);
    expect(log.readableBytes(1, 1e6)).toBe(0);
  });

  it('answer with an error code when a segment cannot be read, and serve the rest', async () => {
    const world = new World({ syncReadBytesMax: 0 });
    const { log, end } = await longLog(world);
    world.disk.plan({ on: 'read', error: 'io' });
    expect(await world.read(log, 0)).toMatchObject({ errorCode: 56 });
    expect(await world.read(log, end - 1)).toMatchObject({ errorCode: 0 });
    expect(await world.values(log)).toHaveLength(end);
  });

  it('wake once when the log passes the offset, and when it closes', async () => {
    const world = new World({ waitersPerLogMax: 3 });
    const store = await world.startSession();
    const log = await world.open(store);
    const woken: string[] = [];
    log.waitFor(0, () => woken.push('at 0'));
    log.waitFor(1, () => woken.push('at 1'));
    log.waitFor(0, () => woken.push('cancelled'))!.cancel();
    log.waitFor(5, () => woken.push('at 5'));
    expect(log.waitFor(5, () => woken.push('one too many'))).toBeUndefined();
    await world.append(log, batchOf(['a']));
    expect(woken).toEqual(['at 0']);
    await world.append(log, batchOf(['b']));
    expect(woken).toEqual(['at 0', 'at 1']);
    log.waitFor(0, () => woken.push('passed already'));
    await world.clock.settle();
    expect(woken).toEqual(['at 0', 'at 1', 'passed already']);
    await world.run(store.release([log]));
    expect(woken).toEqual(['at 0', 'at 1', 'passed already', 'at 5']);
  });
});

/** Its header promises a later record than it holds. */
function liarOf(batch: Buffer, maxTimestamp: number): Buffer {
  batch.writeBigInt64BE(BigInt(maxTimestamp), batchField.maxTimestamp);
  batch.writeInt32BE(batchCrc(batch, 0) | 0, batchField.crc);
  return batch;
}

describe('offsets by time', () => {
  it('name the first record at or after the time', async () => {
    const world = new World();
    const { log, bases, end } = await longLog(world);
    const timestamps: number[] = [];
    for (const [i, base] of bases.entries()) {
      const next = bases[i + 1] ?? end;
      for (let n = 0; n < next - base; n++) timestamps.push(1000 + i * 10 + n);
    }
    for (let time = 995; time < 1410; time += 3) {
      const offset = timestamps.findIndex((timestamp) => timestamp >= time);
      const found = await world.run(log.offsetForTimestamp(time));
      expect(found).toEqual(
        offset < 0
          ? { offset: -1, timestamp: -1, leaderEpoch: -1 }
          : { offset, timestamp: timestamps[offset], leaderEpoch: 1 },
      );
    }
    const max = Math.max(...timestamps);
    expect(await world.run(log.offsetOfMaxTimestamp())).toMatchObject({
      offset: timestamps.indexOf(max),
      timestamp: max,
    });
  });

  it.each([
    ['without a time is the first of those that have none', [[-1, -1], [-1]], 0],
    ['without a time is named in a batch that begins before 1970', [[-9], [-50, -1, -9, -1]], 2],
    [
      'before 1970 is none',
      [
        [-50, -7, -9],
        [-3, -20],
      ],
      -1,
    ],
    ['without a time is not named beside one that has a time', [[-1], [0]], 1],
  ])('the latest record %s', async (_of, batches, offset) => {
    for (const isRolledUp of [false, true]) {
      const world = new World();
      const store = await world.startSession();
      const log = await world.open(store);
      for (const times of batches) {
        const records = times.map((timestampMs) => ({ key: null, value: Buffer.from('v'), timestampMs }));
        await world.append(log, encodeBatch(records));
      }
      if (isRolledUp) await world.run(store.rollUp());
      const latest = await world.run(log.offsetOfMaxTimestamp());
      expect(latest).toMatchObject({ offset, timestamp: Math.max(-1, ...batches.flat()) });
    }
  });

  it('use the header of a batch whose records cannot be read', async () => {
    const world = new World();
    const log = await world.open(await world.startSession(), 1);
    await world.append(log, batchOf(['a'], 100));
    const broken = batchOf(['b', 'c'], 200);
    broken.fill(0xff, batchField.records);
    broken.writeInt32BE(batchCrc(broken, 0) | 0, batchField.crc);
    await world.append(log, broken);
    expect(await world.run(log.offsetForTimestamp(150))).toMatchObject({ offset: 1, timestamp: 201 });
    expect(await world.run(log.offsetOfMaxTimestamp())).toMatchObject({ offset: 1, timestamp: 201 });
  });

  it('check eight headers that promise later records than their batches hold, then believe the next', async () => {
    const world = new World();
    const log = await world.open(await world.startSession(), 1);
    const liar = (timestampMs: number): Buffer => liarOf(batchOf(['x'], timestampMs), 1000);
    for (let i = 0; i < 8; i++) await world.append(log, liar(100 + i));
    await world.append(log, batchOf(['honest'], 900));
    expect(await world.run(log.offsetForTimestamp(500))).toMatchObject({ offset: 8, timestamp: 900 });
    await world.append(log, liar(200));
    expect(await world.run(log.offsetForTimestamp(950))).toMatchObject({ offset: 9, timestamp: 1000 });
    // The first segment holds the largest timestamp: finding it does not read the whole log.
    expect(await world.run(log.offsetOfMaxTimestamp())).toMatchObject({ offset: 0, timestamp: 100 });
  });

  it('find the largest time among the records that are not deleted, wherever the log starts', async () => {
    for (const rolledUp of [0, 2, 4]) {
      for (let start = 0; start <= 8; start++) {
        const world = new World();
        const store = await world.startSession();
        const log = await world.open(store, 1, { 'retention.ms': '-1' });
        // Clocks that go back: the records deleted first have the latest timestamps.
        const times = [900, 800, 700, 600].flatMap((first) => [first, first + 1]);
        for (let i = 0; i < 4; i++) {
          await world.append(log, batchOf(['a', 'b'], times[i * 2]!));
          if (i + 1 === rolledUp) await world.run(store.rollUp());
        }
        await world.run(log.deleteRecords(start));
        const max = Math.max(-1, ...times.slice(start));
        const offset = times.findIndex((time, i) => i >= start && time === max);
        expect(await world.run(log.offsetOfMaxTimestamp())).toMatchObject({ offset, timestamp: max });
      }
    }
  });

  it('are found even if a merge removes the file during the search', async () => {
    const latency = (): Promise<void> => sleep(world.clock, 3);
    const world: World = new World({ syncReadBytesMax: 0, readBytesMax: 64 * 1024 }, { latency });
    const store = await world.startSession();
    const log = await world.open(store, 1, { 'retention.ms': '-1' });
    const append = async (batch: Buffer): Promise<void> => {
      const outcomes = world.send(log, batch);
      while (outcomes.length === 0) await world.clock.advance(1);
    };
    const fileIds = async (): Promise<string[]> => (await world.files()).map(({ fileId }) => fileId);
    // A segment that the search reads first, for a long time and in vain, and that is too large to be merged.
    await append(liarOf(batchOf(['x'.repeat(60_000)], 100), 1000));
    for (let i = 1; i < 12; i++) await append(batchOf(['x'.repeat(60_000)], 100));
    await world.run(store.rollUp());
    await append(batchOf(['small'], 500));
    await world.run(store.rollUp());
    const [, small] = await fileIds();
    await append(batchOf(['enough to be merged'.padEnd(500)], 600));
    const found = log.offsetForTimestamp(400);
    await world.run(store.rollUp());
    expect(await fileIds()).not.toContain(small);
    expect(await world.run(found)).toMatchObject({ offset: 12, timestamp: 500 });
  });

  it('look inside compressed batches, skip deleted records, and honour LogAppendTime', async () => {
    const world = new World();
    const store = await world.startSession();
    const log = await world.open(store, 1);
    await world.append(log, await recompressBatch(batchOf(['a', 'b', 'c'], 100), 1));
    expect(await world.run(log.offsetForTimestamp(101))).toMatchObject({ offset: 1, timestamp: 101 });
    await world.run(log.deleteRecords(2));
    expect(await world.run(log.offsetForTimestamp(0))).toMatchObject({ offset: 2, timestamp: 102 });
    log.setConfigs({ 'message.timestamp.type': 'LogAppendTime' });
    const nowMs = world.clock.wallMs();
    expect(await world.append(log, batchOf(['d', 'e'], 1))).toMatchObject({ logAppendTimeMs: nowMs, baseOffset: 3 });
    expect(await world.run(log.offsetOfMaxTimestamp())).toMatchObject({ offset: 3, timestamp: nowMs });
    const read = await world.read(log, 3);
    const bytes = Buffer.from(read.batches[0]!);
    expect((await decodeBatch(bytes.subarray(0, batchSizeBytes(bytes, 0)))).map((r) => r.timestampMs)).toEqual([
      nowMs,
      nowMs,
    ]);
    const empty = await world.open(store, 1, {}, 'an-empty-topic!!');
    expect(await world.run(empty.offsetOfMaxTimestamp())).toMatchObject({ offset: -1 });
  });
});
