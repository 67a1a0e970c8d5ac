import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { codec } from './batch.ts';
import { compress, withDecompressed } from './compression.ts';

const mebi = 1024 * 1024;
const names = { gzip: codec.gzip, snappy: codec.snappy, lz4: codec.lz4, zstd: codec.zstd } as const;

function residentBytes(): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) * 1024;
}

/**
 * Before, all of this was the garbage collector's, and what snappy and lz4 left was nobody's: 800 MiB and, for lz4, as much as was
 * ever decompressed. What counts is what is there while the readers look.
 */
it.each(Object.entries(names))(
  '%s: 16 bombs at once take the memory of a few',
  async (_name, id) => {
    const bombBytes = 32 * mebi;
    // Different ones: the same would be decompressed once.
    const bombs: Buffer[] = [];
    for (let i = 0; i < 16; i++) bombs.push(await compress(id, Buffer.alloc(bombBytes, i)));
    await withDecompressed(id, bombs[0]!, bombBytes, () => 0);
    const before = residentBytes();
    let peak = 0;
    const look = ({ length }: Buffer): void => {
      expect(length).toBe(bombBytes);
      peak = Math.max(peak, residentBytes() - before);
    };
    await Promise.all(bombs.map((packed) => withDecompressed(id, packed, bombBytes, look)));
    expect(peak).toBeLessThan(8 * bombBytes);
  },
  120_000,
);

it('lends sections: a view that outlives the loan is empty', async () => {
  const packed = await compress(codec.gzip, Buffer.alloc(2 * mebi, 'x'));
  const left = await withDecompressed(codec.gzip, packed, 4 * mebi, (section) => section.subarray(0, 10));
  expect(left.length).toBe(0);
});
