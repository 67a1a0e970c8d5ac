import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c, crc32cIsNative, crc32cPlain, crc32cSeed } from './crc32c.ts';

const check = Buffer.from('123456789');

describe('crc32c', () => {
  it('yields the check value and zero for nothing', () => {
    expect(crc32c(check)).toBe(0xe3069283);
    expect(crc32cPlain(check)).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
    // RFC 3720 B.4: 32 bytes of zeroes, read as a little-endian word.
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  });

  it('has its native half on the platforms we test on', () => {
    expect(crc32cIsNative).toBe(true);
  });

  it('is the same function in both implementations, at any alignment and length', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2000 }),
        fc.nat(16),
        fc.integer({ min: 0, max: 0xffffffff }),
        (b, cut, seed) => {
          const start = Math.min(cut, b.length);
          expect(crc32c(b, seed, start)).toBe(crc32cPlain(b, seed, start));
          expect(crc32c(b, seed, start)).toBe(crc32cPlain(b.slice(start), seed));
        },
      ),
    );
  });

  it('tells the seed that it began with', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(16),
        fc.integer({ min: 0, max: 0xffffffff }),
        (b, cut, seed) => {
          const start = Math.min(cut, b.length);
          expect(crc32cSeed(b, crc32c(b, seed, start), start)).toBe(seed);
        },
      ),
      { examples: [[new Uint8Array(), 0, 0xffffffff]] },
    );
  });

  it('chains through the seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.uint8Array({ maxLength: 600 }), (a, b) => {
        const whole = Buffer.concat([a, b]);
        expect(crc32c(b, crc32c(a))).toBe(crc32c(whole));
        expect(crc32cPlain(b, crc32cPlain(a))).toBe(crc32c(whole));
      }),
    );
  });
});
