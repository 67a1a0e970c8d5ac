import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockCache } from './block-cache.ts';

const settings = { blockBytes: 10, cacheBytesMax: 40, readAheadBlocks: 2, fetchesMax: 3 };
const file = Buffer.from(Array.from({ length: 95 }, (_, i) => i));

function counting(fails = (): boolean => false) {
  const fetched: number[] = [];
  let under = 0;
  let most = 0;
  const cache = new BlockCache(settings, async (_, position, bytes) => {
    fetched.push(position);
    most = Math.max(most, ++under);
    await new Promise((resolve) => setImmediate(resolve));
    under--;
    if (fails()) throw new Error('away');
    return file.subarray(position, position + bytes);
  });
  const read = async (position: number, bytes: number): Promise<Buffer> => {
    const target = Buffer.alloc(bytes);
    return target.subarray(0, await cache.read('f', target, position));
  };
  return { cache, fetched, read, most: () => most };
}

describe('the block cache', () => {
  it('returns the bytes of the file for any concurrent reads, with bounded memory and fetches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(110), fc.integer({ min: 1, max: 60 })), { maxLength: 20 }),
        async (reads) => {
          const { cache, read, most } = counting();
          await Promise.all(
            reads.map(async ([at, bytes]) => expect(await read(at, bytes)).toEqual(file.subarray(at, at + bytes))),
          );
          expect(cache.bytes).toBeLessThanOrEqual(settings.cacheBytesMax);
          expect(most()).toBeLessThanOrEqual(settings.fetchesMax);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('fetches a block once for all who want it, and ahead of sequential readers', async () => {
    const { fetched, read } = counting();
    await Promise.all([read(0, 5), read(3, 5), read(1, 9)]);
    expect(fetched).toEqual([0, 10, 20]);
    expect(await read(10, 10)).toEqual(file.subarray(10, 20));
    expect(fetched).toEqual([0, 10, 20, 30]);
  });

  it('caches no failure', async () => {
    let away = true;
    const { read, cache } = counting(() => away);
    await expect(read(50, 10)).rejects.toThrow('away');
    away = false;
    expect(await read(50, 10)).toEqual(file.subarray(50, 60));
    cache.forget('f');
    expect(cache.bytes).toBe(0);
  });
});
