import { expect, it } from 'vitest';
import { batchField } from './batch.ts';
import { writeI16, writeI32 } from './bytes.ts';
import { SequenceGaps } from './sequence-gaps.ts';
import { encodeBatch } from './encode.ts';

const topicId = 't'.repeat(16);

function append(sequence: number, { epoch = 0, partition = 0 } = {}) {
  const record = { key: null, value: Buffer.from('v'), timestampMs: 0 };
  const records = encodeBatch([record], { producerId: 7, producerEpoch: 0, baseSequence: 0 });
  writeI32(records, batchField.baseSequence, sequence);
  writeI16(records, batchField.producerEpoch, epoch);
  return { topicId, partition, records };
}

it('holds back what follows, until the batch returns', () => {
  const gaps = new SequenceGaps();
  gaps.add(append(5), 0);
  expect(gaps.isEarly(append(6), 1)).toBe(true);
  expect(gaps.isEarly(append(5), 2)).toBe(false);
  expect(gaps.isEarly(append(6), 3)).toBe(false);
  expect(gaps.count).toBe(0);
});

it('ignores what the same producer gave up under an earlier epoch', () => {
  const gaps = new SequenceGaps();
  gaps.add(append(0, { epoch: 1 }), 0);
  gaps.add(append(14, { epoch: 0 }), 1);
  expect(gaps.isEarly(append(15, { epoch: 0 }), 2)).toBe(false);
  expect(gaps.isEarly(append(3, { epoch: 1 }), 3)).toBe(true);
  expect(gaps.isEarly(append(0, { epoch: 1 }), 4)).toBe(false);
});

it('waits for the first of several batches, in whatever order they were given up', () => {
  for (const order of [
    [5, 6, 4],
    [4, 5, 6],
    [6, 5, 4],
  ]) {
    const gaps = new SequenceGaps();
    for (const sequence of order) gaps.add(append(sequence), 0);
    expect(gaps.isEarly(append(5), 0)).toBe(true);
    expect(gaps.isEarly(append(4), 0)).toBe(false);
  }
});

it('handles sequences that wrap around', () => {
  const gaps = new SequenceGaps();
  gaps.add(append(2 ** 31 - 1), 0);
  expect(gaps.isEarly(append(0), 0)).toBe(true);
  expect(gaps.isEarly(append(2 ** 31 - 2), 0)).toBe(false);
});

it('holds nothing back in another partition or epoch, nor for ever', () => {
  const gaps = new SequenceGaps();
  gaps.add(append(5), 0);
  expect(gaps.isEarly(append(6, { partition: 1 }), 0)).toBe(false);
  expect(gaps.isEarly(append(6), 9_999)).toBe(true);
  expect(gaps.isEarly(append(6), 10_000)).toBe(false);
  gaps.add(append(5), 10_000);
  expect(gaps.isEarly(append(6, { epoch: 1 }), 10_001)).toBe(false);
});

it('forgets the oldest beyond its limit', () => {
  const gaps = new SequenceGaps();
  for (let partition = 0; partition < 10_001; partition++) gaps.add(append(0, { partition }), 0);
  expect(gaps.count).toBe(10_000);
  expect(gaps.isEarly(append(1, { partition: 0 }), 0)).toBe(false);
  expect(gaps.isEarly(append(1, { partition: 1 }), 0)).toBe(true);
});
