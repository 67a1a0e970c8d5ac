import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readI64, writeI64 } from './bytes.ts';
import { datedProducerId, wasJustGiven } from './dated-producer-id.ts';

const minuteMs = 60_000;
const aboutNow = fc.integer({ min: 0, max: 4_000_000_000_000 });
const anId = fc.integer({ min: 0, max: 0xffff_ffff });

describe('dated producer ids', () => {
  it('are unique, exact as 64-bit numbers, and distinct from ids without a date', () => {
    const bytes = Buffer.alloc(8);
    fc.assert(
      fc.property(anId, anId, aboutNow, (id, other, nowMs) => {
        const dated = datedProducerId(id, nowMs);
        expect(Number.isSafeInteger(dated)).toBe(true);
        expect(dated === datedProducerId(other, nowMs)).toBe(id === other);
        expect(wasJustGiven(id, nowMs)).toBe(false);
        writeI64(bytes, 0, dated);
        expect([readI64(bytes, 0), Number(bytes.readBigInt64BE())]).toEqual([dated, dated]);
      }),
    );
  });

  it('count as new for five minutes, even if clocks differ by as much', () => {
    fc.assert(
      fc.property(anId, aboutNow, (id, nowMs) => {
        const dated = datedProducerId(id, nowMs);
        expect([-5, 0, 5].map((minutes) => wasJustGiven(dated, nowMs + minutes * minuteMs))).toEqual([
          true,
          true,
          true,
        ]);
        expect([-7, 7, 60 * 24].map((minutes) => wasJustGiven(dated, nowMs + minutes * minuteMs))).toEqual([
          false,
          false,
          false,
        ]);
      }),
    );
  });
});
