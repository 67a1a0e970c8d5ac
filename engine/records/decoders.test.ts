/** The decoders of ours against the libraries that compress, and against input that no library would make. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gzipSync } from 'node:zlib';
import { codec, CorruptBatch } from './batch.ts';
import { decompress, DecompressedTooLarge } from './compression.ts';

const require = createRequire(import.meta.url);
const snappy = require('snappy') as { compressSync(bytes: Buffer): Buffer };
const lz4 = require('lz4-napi') as { compressFrameSync(bytes: Buffer, options?: object): Buffer };

/** Text with repeats near and far, runs, and noise: all that a match may look like. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(20_000)).map(([unit, times]) => {
        return new Uint8Array(Buffer.alloc(unit.length * (times % 9_000), unit));
      }),
      fc.lorem({ maxCount: 200 }).map((text) => new Uint8Array(Buffer.from(text))),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Buffer.concat([...parts, ...parts.toReversed(), ...parts]));

/** More than one slice, of a text that does not repeat itself at once. */
const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => `${(i * 7_919) % 65_521},`).join(''));
const all = Number.MAX_SAFE_INTEGER;

describe('what the libraries made', () => {
  it('snappy, raw blocks', async () => {
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        expect((await decompress(codec.snappy, snappy.compressSync(bytes), all)).equals(bytes)).toBe(true);
      }),
      { numRuns: 60, examples: [[large]] },
    );
  });

  it('lz4, with checksums and without', async () => {
    await fc.assert(
      fc.asyncProperty(content, fc.boolean(), fc.boolean(), async (bytes, contentChecksum, blockChecksums) => {
        const frame = lz4.compressFrameSync(bytes, { contentChecksum, blockChecksums });
        expect((await decompress(codec.lz4, frame, all)).equals(bytes)).toBe(true);
      }),
      { numRuns: 60, examples: [[large, true, true]] },
    );
  });
});

describe('what none would make', () => {
  const frame = (flags: number, ...block: number[]): Buffer =>
    Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, 0x40, 0, block.length, 0, 0, 0, ...block, 0, 0, 0, 0]);

  it.each([
    ['a match before the start', frame(0x60, 0x10, 0x61, 2, 0)],
    ['a match at no distance', frame(0x60, 0x10, 0x61, 0, 0)],
    ['literals beyond the block', frame(0x60, 0xf0, 200, 0x61)],
    ['a match cut short', frame(0x60, 0x10, 0x61, 1)],
    ['another version', frame(0xa0, 0x10, 0x61)],
    ['a dictionary', frame(0x61, 0x10, 0x61)],
  ])('lz4: %s', async (_name, bytes) => {
    await expect(decompress(codec.lz4, bytes, 1_000)).rejects.toThrow(CorruptBatch);
  });

  it('lz4: an independent block cannot refer to the block before', async () => {
    const two = (flags: number): Buffer =>
      Buffer.from('04224d18604000' + '02000000' + '1061' + '05000000' + '0001001062' + '00000000', 'hex').fill(
        flags,
        4,
        5,
      );
    expect((await decompress(codec.lz4, two(0x40), 100)).toString()).toBe('aaaaab');
    await expect(decompress(codec.lz4, two(0x60), 100)).rejects.toThrow(CorruptBatch);
  });

  it.each([
    ['a match before the start', [5, 0, 0x61, 0x01, 2]],
    ['a match at no distance', [5, 0, 0x61, 0x01, 0]],
    ['more than it states', [1, 4, 0x61, 0x62]],
    ['less than it states', [3, 4, 0x61, 0x62]],
    ['literals beyond the end', [9, 32, 0x61]],
    ['a length cut short', [9, 0xf4, 1]],
    ['no length', [0x80, 0x80]],
  ])('snappy: %s', async (_name, bytes) => {
    await expect(decompress(codec.snappy, Buffer.from(bytes), 1_000)).rejects.toThrow(CorruptBatch);
  });

  it('snappy: far matches, and literals with an explicit length', async () => {
    const literal = Buffer.alloc(70_000, 'abcdefg');
    const head = Buffer.from([0x80 | (140_000 & 0x7f), 0x80 | ((140_000 >> 7) & 0x7f), 140_000 >> 14]);
    const long = Buffer.from([62 << 2, 0, 0, 0]);
    long.writeUIntLE(literal.length - 1, 1, 3);
    const copies: Buffer[] = [];
    for (let left = 70_000; left > 0; left -= 64) {
      const copy = Buffer.from([((Math.min(left, 64) - 1) << 2) | 3, 0, 0, 0, 0]);
      copy.writeUInt32LE(70_000, 1);
      copies.push(copy);
    }
    const block = Buffer.concat([head, long, literal, ...copies]);
    expect((await decompress(codec.snappy, block, all)).equals(Buffer.concat([literal, literal]))).toBe(true);
  });

  it('gzip: several members, and a trailer with too small a size', async () => {
    const members = Buffer.concat([gzipSync(Buffer.alloc(3_000_000, 'one')), gzipSync(Buffer.from('two'))]);
    expect((await decompress(codec.gzip, members, 3_000_003)).length).toBe(3_000_003);
    await expect(decompress(codec.gzip, members, 3_000_002)).rejects.toThrow(DecompressedTooLarge);
    const lying = gzipSync(Buffer.alloc(3_000_000));
    lying.writeUInt32LE(7, lying.length - 4);
    await expect(decompress(codec.gzip, lying, 4_000_000)).rejects.toThrow(CorruptBatch);
    await expect(decompress(codec.gzip, lying, 1_000_000)).rejects.toThrow(DecompressedTooLarge);
  });

  it('gzip: truncated input is damaged, whatever length its last bytes state', async () => {
    const cut = gzipSync(Buffer.from('the quick brown fox '.repeat(50))).subarray(0, -9);
    await expect(decompress(codec.gzip, cut, 100_000)).rejects.toThrow(CorruptBatch);
  });
});
