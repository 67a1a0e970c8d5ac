/** One flipped bit anywhere in a segment file: the scrub finds it, and no reader ever receives it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../kernel/crc32c.ts';
import {
  baseOffset,
  batchCrc,
  batchField,
  batchesIn,
  batchHeaderBytes,
  batchPrefixBytes,
} from '../../records/batch.ts';
import { batchOf, segmentsDirectory, topicA, topicB, World } from '../log-fixture.suite.ts';
import { DataCorrupt, type LogStore, type PartitionLog } from '../log.ts';
import { decodeDamage } from '../rows/damage.ts';
import { decodeFooter, segmentFooterBytes, type TableEntry } from './segment-format.ts';
import { type Damage, verifyFile } from './verify-file.ts';

interface Filled {
  readonly world: World;
  readonly store: LogStore;
  readonly logs: readonly PartitionLog[];
  readonly values: readonly (readonly string[])[];
  readonly path: string;
}

/** Two logs with two leader epochs, producers, and several index entries, in one file. */
async function filled(syncReadBytesMax: number, producers = 1): Promise<Filled> {
  const world = new World({ syncReadBytesMax, mergeBytesMax: 700, indexCacheBytesMax: 0, openFilesMax: 1 });
  const values: string[][] = [[], []];
  const append = async (logs: readonly PartitionLog[], from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      for (const [l, log] of logs.entries()) {
        const some = Array.from({ length: 1 + (i % 2) }, (_, n) => `${l}:${i}.${n}`.padEnd(40, '.'));
        const producer = { producerId: 7, producerEpoch: 0, baseSequence: values[l]!.length };
        if (producers > 1) Object.assign(producer, { producerId: 7 + (i % producers), baseSequence: 0 });
        await world.append(log, batchOf(some, 1000 + i, producer));
        values[l]!.push(...some);
      }
    }
  };
  const open = async (store: LogStore): Promise<PartitionLog[]> => [
    await world.open(store),
    await world.open(store, undefined, {}, topicB),
  ];
  const first = await world.startSession();
  await append(await open(first), 0, 4);
  await world.run(first.close());
  const store = await world.startSession();
  const logs = await open(store);
  await append(logs, 4, 9);
  await world.run(store.rollUp());
  const names = world.disk.list(segmentsDirectory);
  expect(names).toHaveLength(1);
  return { world, store, logs, values, path: `${segmentsDirectory}/${names[0]!}` };
}

function bytesOf({ world, path }: Filled): Buffer {
  const file = world.disk.open(path);
  const bytes = Buffer.alloc(file.sizeBytes());
  file.readSync(bytes, 0);
  file.close();
  return bytes;
}

/** A read from any offset returns a prefix of the true records, and an error code if it ends early. */
async function expectTruthOnly({ world, logs, values }: Filled): Promise<void> {
  for (const [l, log] of logs.entries()) {
    for (let offset = log.startOffset; offset < log.highWatermark; offset++) {
      const { errorCode, batches } = await world.read(log, offset, 300);
      // Not an expectation of each of thousands of reads: it would cost more than the read.
      const isTrue = errorCode === 0 ? areFrom(values[l]!, offset, batches) : errorCode === 56 && batches.length === 0;
      if (!isTrue) expect.fail(`log ${l}, offset ${offset}: error ${errorCode}, '${textOf(batches)}'`);
    }
  }
}

const textOf = (batches: readonly Uint8Array[]): string => Buffer.concat(batches).toString('latin1');

/** The record at the offset is among them, and they are as they follow each other in `values`. */
function areFrom(values: readonly string[], offset: number, batches: readonly Uint8Array[]): boolean {
  const found = textOf(batches).match(/\d:\d+\.\d\.*/g) ?? [];
  const at = values.indexOf(found[0] ?? '');
  return at >= 0 && at <= offset && at + found.length > offset && found.every((value, i) => value === values[at + i]);
}

/** Runs with these bits of the file flipped, then flips them back. */
async function expectTruthWithout(made: Filled, bits: readonly number[]): Promise<void> {
  for (const bit of bits) made.world.disk.flipBit(made.path, bit);
  await expectTruthOnly(made);
  for (const bit of bits) made.world.disk.flipBit(made.path, bit);
}

/** Writes it over the file, whose bytes were `before`. */
function overwrite({ world, path }: Filled, before: Buffer, after: Buffer): void {
  for (const [at, byte] of before.entries()) {
    for (let bit = 0; bit < 8; bit++) if (((byte ^ after[at]!) >> bit) & 1) world.disk.flipBit(path, at * 8 + bit);
  }
}

function look(bytes: Buffer): Promise<Damage[]> {
  return verifyFile(
    (position, length) => Promise.resolve(bytes.subarray(position, position + length)),
    bytes.length,
    200,
  );
}

/** The set bits of a big-endian int32, in file order. */
function bitsOf(value: number): number[] {
  return Array.from({ length: 32 }, (_, i) => i).filter((i) => (value >>> (24 - (i & ~7) + (i & 7))) & 1);
}

function tableOf(bytes: Buffer): TableEntry[] {
  const { position, bytes: length } = decodeFooter(bytes.subarray(-segmentFooterBytes))!;
  return JSON.parse(bytes.toString('utf8', position, position + length)) as TableEntry[];
}

describe('a flipped bit', () => {
  it('is found by reading the file, wherever it is', async () => {
    const bytes = bytesOf(await filled(0));
    const look = (): Promise<unknown[]> =>
      verifyFile(async (at, length) => bytes.subarray(at, at + length), bytes.length, 700);
    expect(await look()).toEqual([]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const found = await look();
      if (found.length === 0) throw new Error(`bit ${bit} of ${bytes.length * 8} passes`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  });

  it('names the log and the offsets that are lost', async () => {
    const bytes = bytesOf(await filled(0));
    bytes[8 + 70]! ^= 4;
    const found = await verifyFile(async (at, length) => bytes.subarray(at, at + length), bytes.length, 700);
    const topicId = Buffer.from(topicA, 'latin1').toString('base64url');
    expect(found).toMatchObject([{ topicId, partition: 0, position: 8, fromOffset: 0, toOffset: 13 }]);
  });

  it('is never served, whether the read waits or not', async () => {
    for (const syncReadBytesMax of [0, 1 << 20]) {
      const made = await filled(syncReadBytesMax);
      const bits = bytesOf(made).length * 8;
      await expectTruthOnly(made);
      await fc.assert(
        fc.asyncProperty(fc.nat(bits - 1), async (bit) => {
          await expectTruthWithout(made, [bit]);
        }),
        { numRuns: 60 },
      );
    }
  });

  it('in a length, like any wrong length, puts no reader into an endless loop', async () => {
    for (const syncReadBytesMax of [0, 1 << 20]) {
      const made = await filled(syncReadBytesMax);
      const bytes = bytesOf(made);
      const [first] = tableOf(bytes);
      const starts = batchesIn(bytes.subarray(first!.position, first!.position + first!.bytes));
      for (const at of starts) {
        const bit = (first!.position + at + batchField.batchLength) * 8;
        for (let i = 0; i < 32; i++) await expectTruthWithout(made, [bit + i]);
      }
      // The first batch reaches to every byte behind it, the last ones included, behind which no header fits.
      const lengthAt = first!.position + batchField.batchLength;
      for (let size = batchHeaderBytes; size <= first!.bytes; size++) {
        const changed = bytes.readInt32BE(lengthAt) ^ (size - batchPrefixBytes);
        await expectTruthWithout(
          made,
          bitsOf(changed).map((i) => lengthAt * 8 + i),
        );
      }
    }
  });

  it('in the index costs time, and creates the row that an operator sees', async () => {
    const made = await filled(0);
    const { world, path } = made;
    // The last byte of the first log's: its state snapshot, four bytes of checksum and JSON, comes next.
    const at = bytesOf(made).indexOf('{"producers"') - 5;
    const whole = await world.run(made.logs[0]!.offsetForTimestamp(1006));
    world.disk.flipBit(path, at * 8);
    await expectTruthOnly(made);
    for (let offset = 0; offset < 13; offset++)
      expect((await world.read(made.logs[0]!, offset, 300)).errorCode).toBe(0);
    expect(whole.offset).toBe(8);
    expect(await world.run(made.logs[0]!.offsetForTimestamp(1006))).toEqual(whole);
    await world.clock.advance(50);
    const { rows } = await world.rows.range('DAMAGE');
    expect(rows.map(({ sk, value }) => decodeDamage(sk, value))).toMatchObject([{ what: 'bad index' }]);
  });

  it('in the state snapshot costs nothing: it is rebuilt from the batches', async () => {
    // More producers than the row of the segment has room for.
    const made = await filled(0, 9);
    const { world, store, path } = made;
    const at = bytesOf(made).indexOf('"producers"');
    await world.run(store.close());
    world.disk.flipBit(path, at * 8 + 3);
    const log = await world.open(await world.startSession());
    expect([log.highWatermark, log.epochAt(0), log.epochAt(12)]).toEqual([13, 1, 2]);
    const repeat = batchOf(['0:8.0'.padEnd(40, '.')], 1008, { producerId: 15, producerEpoch: 0, baseSequence: 0 });
    expect(await world.append(log, repeat)).toMatchObject({ errorCode: 0, baseOffset: 12 });
  });

  it('in a small state snapshot is never read: the segment row has the snapshot too', async () => {
    const made = await filled(0);
    const { world, store, path } = made;
    const at = bytesOf(made).indexOf('"producers"');
    await world.run(store.close());
    world.disk.flipBit(path, at * 8 + 3);
    const log = await world.open(await world.startSession());
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: 12 };
    const repeat = batchOf(['0:8.0'.padEnd(40, '.')], 1008, producer);
    expect(await world.append(log, repeat)).toMatchObject({ errorCode: 0, baseOffset: 12 });
  });
});

describe('a file that was written wrong, with checksums that hold', () => {
  it('leads no reader backwards, nor past the end of a segment', async () => {
    for (const syncReadBytesMax of [0, 1 << 20]) {
      const made = await filled(syncReadBytesMax);
      const { world, logs } = made;
      const before = bytesOf(made);
      for (const [l, log] of logs.entries()) {
        await world.run(log.deleteRecords(1));
        const { position, bytes } = tableOf(before)[l]!;
        for (const at of batchesIn(before.subarray(position, position + bytes))) {
          const base = baseOffset(before, position + at);
          for (const delta of [-1, -base - 1, 100, 0x7fff_ffff]) {
            const after = Buffer.from(before);
            after.writeInt32BE(delta, position + at + batchField.lastOffsetDelta);
            after.writeUInt32BE(batchCrc(after, position + at), position + at + batchField.crc);
            overwrite(made, before, after);
            await expectTruthOnly(made);
            for (const find of [() => log.offsetOfMaxTimestamp(), () => log.offsetForTimestamp(1008)]) {
              await world.run(find()).catch((error: unknown) => expect(error).toBeInstanceOf(DataCorrupt));
            }
            expect(await look(after)).toMatchObject([{ fromOffset: base, partition: 0 }]);
            overwrite(made, after, before);
          }
        }
      }
    }
  });

  it('costs the readers of a batch whose count and offsets disagree, and no others', async () => {
    for (const syncReadBytesMax of [0, 1 << 20]) {
      const made = await filled(syncReadBytesMax);
      const before = bytesOf(made);
      const { position, bytes } = tableOf(before)[0]!;
      const starts = [...batchesIn(before.subarray(position, position + bytes))].map((at) => position + at);
      const wrong = [
        { field: batchField.lastOffsetDelta, by: [-1, 1, 2, 100, -0x7000_0000] },
        { field: batchField.count, by: [-1, 1, 1_000_000, -0x7000_0000] },
        { field: batchField.baseOffset + 4, by: [-1, 1, 3, 1000] },
      ];
      for (const { field, by } of wrong) {
        for (const [i, at] of starts.entries()) {
          for (const change of by) {
            const after = Buffer.from(before);
            after.writeInt32BE((before.readInt32BE(at + field) + change) | 0, at + field);
            after.writeUInt32BE(batchCrc(after, at), at + batchField.crc);
            overwrite(made, before, after);
            await expectTruthOnly(made);
            const own = { from: baseOffset(before, at), to: starts[i + 1] ? baseOffset(before, starts[i + 1]!) : 13 };
            const codes: number[] = [];
            for (let offset = 0; offset < 13; offset++)
              codes.push((await made.world.read(made.logs[0]!, offset, 300)).errorCode);
            const right = codes.map((_, offset) => (offset >= own.from && offset < own.to ? 56 : 0));
            expect({ field, i, change, codes }).toEqual({ field, i, change, codes: right });
            expect(await look(after)).toMatchObject([{ partition: 0, fromOffset: own.from }]);
            overwrite(made, after, before);
          }
        }
      }
    }
  });

  it('counts as damaged if its table or a state makes no sense', async () => {
    const before = bytesOf(await filled(0));
    const entries = tableOf(before);
    const found = decodeFooter(before.subarray(-segmentFooterBytes))!;
    const wrong = [
      {},
      [null],
      [1],
      [{ indexPosition: 5 }],
      ...[-1, 1.5, 'x', before.length, 2 ** 53].map((position) => [{ ...entries[0], position }]),
    ];
    for (const table of wrong) {
      const after = Buffer.from(before);
      after.fill(' ', found.position, found.position + found.bytes);
      after.write(JSON.stringify(table), found.position);
      const crcAt = after.length - segmentFooterBytes + 12;
      after.writeUInt32BE(crc32c(after, 0, found.position, found.position + found.bytes), crcAt);
      expect(await look(after)).toEqual([{ position: found.position, what: 'bad table' }]);
    }
    const { indexPosition, indexBytes, stateBytes } = entries[0]!;
    const stateAt = indexPosition + indexBytes;
    for (const state of [
      'x',
      '[]',
      '{"producers":[],"epochs":7}',
      '{"producers":[{}],"epochs":[]}',
      '{"producers":[],"epochs":[{}]}',
    ]) {
      const after = Buffer.from(before);
      after.fill(' ', stateAt + 4, stateAt + stateBytes);
      after.write(state, stateAt + 4);
      after.writeUInt32BE(crc32c(after, 0, stateAt + 4, stateAt + stateBytes), stateAt);
      expect(await look(after)).toMatchObject([{ position: stateAt, what: 'bad state snapshot' }]);
    }
  });
});
