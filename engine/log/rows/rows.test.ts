import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytewise } from '../../store-limits.ts';
import { RowCorrupt } from '../../store-row-json.ts';
import { decodeLogState, encodeLogState, logPk, logStateKey } from './log-state.ts';
import {
  decodeSegmentFile,
  encodeSegmentFile,
  segmentFileId,
  segmentFileKey,
  segmentFilePrefix,
} from './segment-file.ts';
import type { StateSnapshot } from '../segments/segment-format.ts';
import { decodeSegment, decodeSegmentAndState, encodeSegment, segmentKey, segmentSkPrefix } from './segment.ts';

const topicId = '\0\u00ff234567890abcdef';
const offset = fc.maxSafeNat();

describe('rows of a log', () => {
  it('have keys as documented', () => {
    expect(logPk(topicId, 7)).toBe('LOG#AP8yMzQ1Njc4OTBhYmNkZWY#7');
    expect(logStateKey(topicId, 7)).toEqual({ pk: logPk(topicId, 7), sk: 'STATE' });
    expect(segmentKey(topicId, 7, 255)).toEqual({ pk: logPk(topicId, 7), sk: 'SEG#00000000000000ff' });
    expect(segmentFileKey('x')).toEqual({ pk: 'FILE', sk: 'x' });
  });

  it('decode to what was encoded', () => {
    const epochs = fc.tuple(fc.uniqueArray(fc.nat()), fc.uniqueArray(offset)).map(([some, starts]) => {
      const [first, second] = [some, starts].map((list) => list.toSorted((a, b) => a - b));
      return first!.slice(0, second!.length).map((epoch, i): [number, number] => [epoch, second![i]!]);
    });
    fc.assert(
      fc.property(offset, fc.option(epochs, { nil: undefined }), (startOffset, list) => {
        const row = list ? { startOffset, epochs: list, foldedTo: startOffset } : { startOffset };
        expect(decodeLogState({ ...logStateKey(topicId, 7), value: encodeLogState(row) })).toEqual(row);
      }),
    );
    fc.assert(
      fc.property(fc.array(offset, { minLength: 8, maxLength: 8 }), fc.string(), (n, fileId) => {
        const [baseOffset, endOffset, position, bytes, indexPosition, indexBytes, stateBytes, maxTimestamp] = n as [
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        const row = {
          baseOffset,
          endOffset: Math.max(baseOffset, endOffset),
          fileId,
          position,
          bytes: bytes % 2 ** 31,
          indexPosition,
          indexBytes: indexBytes % 2 ** 31,
          stateBytes: stateBytes % 2 ** 31,
          maxTimestamp,
          version: 3,
        };
        const state: StateSnapshot = { producers: [[5, 0, 1000, [[0, 1, 2, 3]]]], epochs: [[1, 0]] };
        const value = encodeSegment(row, state);
        const key = segmentKey(topicId, 0, baseOffset);
        expect(decodeSegment({ ...key, value, version: 3 })).toEqual(row);
        expect(decodeSegmentAndState({ ...key, value, version: 3 }).state).toEqual(
          row.stateBytes <= 512 ? state : undefined,
        );
      }),
    );
    fc.assert(
      fc.property(offset, fc.nat(), fc.boolean(), (bytes, segments, isSwept) => {
        const row = isSwept ? { bytes, segments, swept: true } : { bytes, segments };
        expect(decodeSegmentFile(encodeSegmentFile(row))).toEqual(row);
      }),
    );
  });

  it('have leader epochs that grow, as offsets do', () => {
    const key = logStateKey(topicId, 0);
    for (const epochs of ['[[2,0],[1,5]]', '[[1,0],[1,5]]', '[[1,5],[2,5]]', '[[-1,0]]', '[[0.5,0]]', '[[1,-1]]']) {
      const value = `{"startOffset":0,"epochs":${epochs}}`;
      expect(() => decodeLogState({ ...key, value })).toThrow(RowCorrupt);
    }
  });

  it('sort by offset, after the prefix of segments', () => {
    fc.assert(
      fc.property(offset, offset, (a, b) => {
        const [x, y] = [segmentKey(topicId, 0, a).sk, segmentKey(topicId, 0, b).sk];
        expect(Math.sign(compareBytewise(x, y))).toBe(Math.sign(a - b));
        expect(compareBytewise(x, segmentSkPrefix)).toBeGreaterThan(0);
      }),
    );
    // One read from the first segment on finds both.
    expect(compareBytewise('STATE', segmentSkPrefix)).toBeGreaterThan(0);
  });

  it('keep the files of one session together, in creation order', () => {
    const ids = [0, 1, 10, 99_999_999].map((counter) => segmentFileId(3, 12, counter, 0xfffffff0));
    expect(ids.toSorted(compareBytewise)).toEqual(ids);
    for (const id of ids) expect(id.startsWith(segmentFilePrefix(3, 12))).toBe(true);
    expect(segmentFileId(3, 120, 0, 0).startsWith(segmentFilePrefix(3, 12))).toBe(false);
  });
});
