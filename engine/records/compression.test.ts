import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codec, CorruptBatch, type Codec } from './batch.ts';
import { CodecUnavailable, compress, decompress, DecompressedTooLarge } from './compression.ts';
import { lz4Bound, zstdBound } from './frame-bounds.ts';

const snappy = createRequire(import.meta.url)('snappy') as { compressSync(bytes: Buffer): Buffer };

const codecs = [codec.gzip, codec.snappy, codec.lz4, codec.zstd] as const;
const names: Record<Codec, string> = { 0: 'none', 1: 'gzip', 2: 'snappy', 3: 'lz4', 4: 'zstd' };
/** From incompressible to very repetitive, over several blocks of every codec. */
const content = fc
  .tuple(fc.uint8Array({ maxLength: 300 }), fc.nat(2000))
  .map(([bytes, times]) => Buffer.concat(Array.from({ length: times }, () => bytes)));

describe.each(codecs.map((id) => [names[id], id] as const))('%s', (_name, id) => {
  it('round trips, even if the limit is exactly the size', async () => {
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        const packed = await compress(id, bytes);
        expect((await decompress(id, packed, bytes.length)).equals(bytes)).toBe(true);
      }),
      { numRuns: 30, examples: [[Buffer.alloc(0)], [Buffer.alloc(1_000_000, 'abcd')]] },
    );
  });

  it('refuses one byte over the limit', async () => {
    const packed = await compress(id, Buffer.alloc(200_000, 'event'));
    await expect(decompress(id, packed, 199_999)).rejects.toThrow(DecompressedTooLarge);
  });

  it('refuses a bomb without holding its contents', async () => {
    const packed = await compress(id, Buffer.alloc(96 * 1024 * 1024));
    const before = process.memoryUsage().rss;
    await expect(decompress(id, packed, 1_000_000)).rejects.toThrow(DecompressedTooLarge);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  });

  it('reports damaged input as corrupt or too large, and nothing else', async () => {
    const packed = await compress(id, Buffer.from('the quick brown fox '.repeat(200)));
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), async (at, xor, cut) => {
        const bytes = Buffer.from(packed.subarray(0, 1 + (cut % packed.length)));
        bytes[at % bytes.length]! ^= xor;
        const outcome = await decompress(id, bytes, 1 << 20).catch((error: unknown) => error);
        if (Buffer.isBuffer(outcome)) return;
        expect(outcome instanceof CorruptBatch || outcome instanceof DecompressedTooLarge).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('snappy framing', () => {
  it('reads raw blocks as librdkafka sends them and writes what Java reads', async () => {
    const bytes = Buffer.from('hello '.repeat(20_000));
    expect((await decompress(codec.snappy, snappy.compressSync(bytes), bytes.length)).equals(bytes)).toBe(true);
    const framed = await compress(codec.snappy, bytes);
    expect(framed.subarray(0, 16).toString('hex')).toBe('82534e4150505900' + '00000001' + '00000001');
  });
});

describe('frame bounds', () => {
  it('lz4 is exact and finds the end of the frame', async () => {
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        const packed = await compress(codec.lz4, bytes);
        const trailing = Buffer.concat([packed, Buffer.from('trailing')]);
        expect(lz4Bound(trailing, Infinity)).toEqual({ frameBytes: packed.length, outputBytes: bytes.length });
      }),
      { numRuns: 40 },
    );
  });

  it('zstd bounds from above, by less than one block a block', async () => {
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        const bound = zstdBound(await compress(codec.zstd, bytes), 1 << 20);
        expect(bound).toBeGreaterThanOrEqual(bytes.length);
        expect(bound).toBeLessThan(bytes.length + 128 * 1024);
      }),
      { numRuns: 40 },
    );
  });

  it('zstd: accepts streamed frames without a content size, and several frames, and refuses a huge window', async () => {
    // `printf hello | zstd`: no single segment, no content size, checksum.
    const streamed = Buffer.from('28b52ffd0458290000', 'hex');
    const stored = Buffer.concat([streamed, Buffer.from('hello')]);
    // Raw last block of five bytes, window 2 MiB, and no checksum.
    stored[4] = 0;
    const skippable = Buffer.from('502a4d1803000000616263', 'hex');
    const out = await decompress(codec.zstd, Buffer.concat([stored, skippable, stored]), 100);
    expect(out.toString()).toBe('hellohello');
    const wide = Buffer.from(stored);
    wide[5] = 0xf8;
    await expect(decompress(codec.zstd, wide, 100)).rejects.toThrow(DecompressedTooLarge);
  });

  it('refuses codecs that do not exist', async () => {
    await expect(decompress(5, Buffer.alloc(1), 10)).rejects.toThrow(CodecUnavailable);
    await expect(compress(7, Buffer.alloc(1))).rejects.toThrow(CodecUnavailable);
  });
});
