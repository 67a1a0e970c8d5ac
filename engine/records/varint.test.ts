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
      [63, '7e'],
      [64, '8001'],
      [-64, '7f'],
      [-65, '8101'],
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

  it('refuses values that are truncated or too large', () => {
    expect(() => new VarintReader(Buffer.from([0x80])).varint()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from([0x80])).varlong()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from('ffffffff1f', 'hex')).varint()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.alloc(11, 0xff)).varlong()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from('ffffffffffffffffff01', 'hex')).varlong()).toThrow(CorruptBatch);
    expect(() => new VarintReader(Buffer.from('8080808080808010', 'hex')).varlong()).toThrow(CorruptBatch);
  });

  it('reads the largest value, and redundant zeroes', () => {
    expect(new VarintReader(Buffer.from('feffffffffffff0f', 'hex')).varlong()).toBe(varlongMax);
    expect(new VarintReader(Buffer.from('8080808000', 'hex')).varint()).toBe(0);
    expect(new VarintReader(Buffer.from('80808080808080808000', 'hex')).varlong()).toBe(0);
  });

  it('reads any bytes as far as the value fits, and never past their end', () => {
    // Of evenly drawn bytes half end a number: long ones, and those at the limits, would hardly ever come.
    const byte = fc.oneof(fc.constantFrom(0, 1, 0x0f, 0x10, 0x7f, 0x80, 0xff), fc.nat(0xff));
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), fc.nat(12), (list, cut) => {
        const bytes = Buffer.from(list);
        const end = Math.min(cut, bytes.length);
        for (const [read, zigzagMax] of [
          ['varint', 2n ** 32n],
          ['varlong', 2n ** 53n],
        ] as const) {
          const reader = new VarintReader(bytes, 0, end);
          const expected = plainVarint(bytes.subarray(0, end), read === 'varint' ? 5 : 10, zigzagMax);
          if (expected === undefined) expect(() => reader[read]()).toThrow(CorruptBatch);
          else expect([reader[read](), reader.pos]).toEqual([expected.value, expected.bytes]);
        }
        const reader = new VarintReader(bytes, 0, end);
        try {
          reader.skipSpan();
        } catch (error) {
          expect(error).toBeInstanceOf(CorruptBatch);
        }
        expect(reader.pos).toBeLessThanOrEqual(end);
      }),
    );
  });
});

/** As the encoding guide tells it, over bigints; undefined for what is cut short or does not fit. */
function plainVarint(
  bytes: Uint8Array,
  bytesMax: number,
  zigzagMax: bigint,
): { value: number; bytes: number } | undefined {
  const last = bytes.findIndex((byte) => byte < 0x80);
  if (last < 0 || last >= bytesMax) return undefined;
  const zigzag = bytes.subarray(0, last + 1).reduceRight((sum, byte) => (sum << 7n) | BigInt(byte & 0x7f), 0n);
  if (zigzag >= zigzagMax) return undefined;
  return { value: Number((zigzag >> 1n) ^ -(zigzag & 1n)), bytes: last + 1 };
}
