import { describe, expect, it } from 'vitest';
import { encodeBatch } from '../../engine/records/encode.ts';
import { overLimits } from './over-limits.ts';

const batch = encodeBatch([{ key: null, value: Buffer.from('value'), timestampMs: 0 }]);
const size = batch.length;

/** An answer with this many batches of each partition. */
function over(counts: readonly number[], partitionMaxBytes: number, maxBytes: number): string | undefined {
  const answer = counts.map((count) => ({
    records: count > 0 ? [Buffer.concat(Array<Buffer>(count).fill(batch))] : [],
  }));
  return overLimits(answer, partitionMaxBytes, maxBytes);
}

describe('the limits of a fetch', () => {
  it('are kept to the last byte', () => {
    expect(over([2, 0, 2], 2 * size, 4 * size)).toBeUndefined();
    expect(over([0, 2], 2 * size - 1, 4 * size)).toContain('place 1');
    expect(over([2, 2], 2 * size, 4 * size - 1)).toContain(`${4 * size} bytes`);
  });

  it('let the first batch of all pass, and no other', () => {
    expect(over([0, 1, 0], 1, 1)).toBeUndefined();
    expect(over([1, 1], size - 1, 9 * size)).toContain('place 1');
    expect(over([1, 1], size, size)).toContain(`${2 * size} bytes`);
    expect(over([2], 1, 9 * size)).toContain('place 0');
  });
});
