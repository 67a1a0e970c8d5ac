import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowText } from '../../engine/store-row-checksum.ts';
import { decodeVersion, encodeRow, rowKeyBytes } from './lmdb-format.ts';
import { mendSeal, sealBytes, sealState } from './lmdb-seal.ts';

const key = rowKeyBytes('LOG#3k2~#12', 'SEG#000000000000a1f0');
const value = rowText({ endOffset: 41_500, fileId: 'b000001-e0000000001-00000001-0123abcd', position: 10, bytes: 500 });
const row = encodeRow(key, 3, value);

const flipped = (bytes: Buffer, ...bits: number[]): Buffer => {
  const changed = Buffer.from(bytes);
  for (const bit of bits) changed[bit >> 3]! ^= 1 << (bit & 7);
  return changed;
};
/** What the seal covers of a row: the version, the end of the value, and itself. */
const isCovered = (bit: number): boolean => bit >> 3 < 8 || bit >> 3 >= row.length - sealBytes - 18;

describe('the seal of a row', () => {
  it('holds for what was written, and a program that does not know it reads the same JSON', () => {
    expect(sealState(key, row)).toBe('sound');
    expect(JSON.parse(row.toString('utf8', 8))).toEqual(JSON.parse(value));
  });

  it('is missed by nobody in a row of an older program', () => {
    fc.assert(
      fc.property(fc.object(), fc.integer({ min: 1, max: 2 ** 40 }), (fields, version) => {
        const bytes = encodeRow(key, version, rowText(fields));
        expect(sealState(key, bytes)).toBe('sound');
        expect(sealState(key, bytes.subarray(0, -sealBytes))).toBe('none');
      }),
    );
  });

  it('mends every single bit of version, key, the end of the value and itself', () => {
    for (let bit = 0; bit < key.length * 8; bit++) {
      expect(sealState(flipped(key, bit), row)).toBe('broken');
      expect(mendSeal(flipped(key, bit), row)).toEqual({ key, row });
    }
    for (let bit = 0; bit < row.length * 8; bit++) {
      const changed = flipped(row, bit);
      expect({ bit, state: sealState(key, changed) }).toEqual({ bit, state: isCovered(bit) ? 'broken' : 'sound' });
      if (!isCovered(bit)) continue;
      const mended = mendSeal(key, changed);
      expect(mended?.key).toEqual(key);
      // What the seal itself says is nobody's business once it has been judged.
      expect(mended?.row.subarray(0, -sealBytes)).toEqual(row.subarray(0, -sealBytes));
    }
  });

  it('never takes a row with two changed bits for another one', () => {
    const covered = [...Array(row.length * 8).keys()].filter((bit) => isCovered(bit));
    const anyBit = fc.constantFrom(...covered);
    fc.assert(
      fc.property(anyBit, anyBit, fc.nat(key.length * 8 - 1), fc.boolean(), (one, other, ofKey, isKeyHit) => {
        fc.pre(one !== other);
        const changedKey = isKeyHit ? flipped(key, ofKey) : key;
        const changed = isKeyHit ? flipped(row, one) : flipped(row, one, other);
        const state = sealState(changedKey, changed);
        // Two bytes that are no symbols look like the end of a value: that row has no seal, and JSON refuses it.
        if (state === 'none') expect(() => JSON.parse(changed.toString('utf8', 8)) as unknown).toThrow();
        else {
          expect(state).toBe('broken');
          const mended = mendSeal(changedKey, changed);
          if (!mended) return;
          expect(mended.key).toEqual(key);
          expect(mended.row.subarray(0, -sealBytes)).toEqual(row.subarray(0, -sealBytes));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('a version that no row can have counts as one that can be counted on', () => {
    for (const version of [NaN, Infinity, -Infinity, -1, 0, 0.5, 1e300]) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(version);
      const read = decodeVersion(bytes);
      expect(read + 1).toBeGreaterThan(read);
      expect(read).toBe(decodeVersion(bytes));
    }
  });
});
