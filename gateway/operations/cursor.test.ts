import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CursorInvalid, decodeCursor, encodeCursor } from './cursor.ts';

const topicId = 'abcdefgh\xff\x00\x01\x02mnop';
const cursors = fc.record({
  topicId: fc.constant(topicId),
  topicTag: fc.nat(0xffff_ffff),
  wholeTopic: fc.boolean(),
  positions: fc.uniqueArray(fc.record({ partition: fc.nat(20_000), offset: fc.maxSafeNat() }), {
    maxLength: 50,
    selector: ({ partition }) => partition,
  }),
});

describe('cursor', () => {
  it('decodes to what was encoded', () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor);
      }),
    );
  });

  it('has room for a place in each of thousands of partitions', () => {
    const positions = Array.from({ length: 5_000 }, (_, i) => ({ partition: i, offset: Number.MAX_SAFE_INTEGER - i }));
    const cursor = { topicId, topicTag: 1, wholeTopic: true, positions };
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor);
  });

  it('is safe in a URL and in an SSE id', () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        expect(encodeCursor(cursor)).toMatch(/^[A-Za-z0-9_-]+$/);
      }),
    );
  });

  it('is refused when any single character is changed or cut off', () => {
    fc.assert(
      fc.property(cursors, fc.nat(), fc.boolean(), (cursor, place, cut) => {
        const text = encodeCursor(cursor);
        const at = place % text.length;
        const other = text[at] === 'A' ? 'B' : 'A';
        const wrong = cut ? text.slice(0, at) : text.slice(0, at) + other + text.slice(at + 1);
        // The last character may carry bits that base64url ignores; changing only those changes nothing.
        if (Buffer.from(wrong, 'base64url').equals(Buffer.from(text, 'base64url'))) return;
        expect(() => decodeCursor(wrong)).toThrow(CursorInvalid);
      }),
    );
  });

  it('is refused when it names a partition twice, which only a forged cursor does', () => {
    const positions = [3, 1, 3].map((partition) => ({ partition, offset: 5 }));
    const forged = encodeCursor({ topicId, topicTag: 1, wholeTopic: false, positions });
    expect(() => decodeCursor(forged)).toThrow(CursorInvalid);
  });

  it('is refused when it is anything but a cursor', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor(text)).toThrow(CursorInvalid);
      }),
    );
  });
});
