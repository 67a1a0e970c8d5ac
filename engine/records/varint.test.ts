import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CorruptBatch } from './batch.ts';
import { VarintReader, varintBytes, varlongMax, writeVarint } from './varint.ts';

const int32 = fc.integer();
const int53 = fc.integer({ min: -varlongMax, max: varlongMax });

describe('varint', () => {
  it('matches the examples of the Protocol Buffers encoding guide', () => {
    for (const [value, hex] of [
      [0, '00'],
      [-1, '01'],
      [1, '02'],
      [-2, '03'],
      [0x7fffffff, 'feffffff0f'],
      [-0x80000000, 'ffffffff0f'],
    ] as const) {
      const bytes = Buffer.alloc(varintBytes(value));
      expect(writeVarint(bytes, 0, value)).toBe(bytes.length);
      expect(bytes.toString('hex')).toBe(hex);
    }
  });

  it('reads back what it wrote, in exactly the bytes announced', () => {
    fc.assert(
      fc.property(int32, int53, (small, large) => {
        const bytes = Buffer.alloc(24);
        const middle = writeVarint(bytes, 0, small);
        const end = writeVarint(bytes, middle, large);
        expect(middle).toBe(varintBytes(small));
        expect(end - middle).toBe(varintBytes(large));
        const reader = new VarintReader(bytes, 0, end);
        expect(reader.varint()).toBe(small);
        expect(reader.varlong()).toBe(large);
        expect(reader.pos).toBe(end);
      }),
      { examples: [[-0x80000000, -varlongMax]] },
    );
  });

  it('refuses what is cut short or too large', () => {
    expect(() => new VarintReader(Buffer.from([0x80])).varint()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from([0x80])).varlong()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from('ffffffff1f', 'hex')).varint()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.alloc(11, 0xff)).varlong()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from('ffffffffffffffffff01', 'hex')).varlong()).toThrow(CorruptBatch);
  });

  it('never reads past its end, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), (bytes, cut) => {
        const reader = new VarintReader(bytes, 0, Math.min(cut, bytes.length));
        for (const read of [() => reader.varint(), () => reader.varlong(), () => reader.skipSpan()]) {
          try {
            read();
          } catch (error) {
            expect(error).toBeInstanceOf(CorruptBatch);
          }
          expect(reader.pos).toBeLessThanOrEqual(reader.end);
        }
      }),
    );
  });
});
