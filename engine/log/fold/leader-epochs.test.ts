import { describe, expect, it } from 'vitest';
import { LeaderEpochs } from './leader-epochs.ts';

describe('leader epochs', () => {
  const epochs = (): LeaderEpochs => {
    const list = new LeaderEpochs();
    for (const [epoch, offset] of [
      [1, 0],
      [1, 5],
      [3, 10],
      [4, 20],
      [4, 25],
    ] as const)
      list.observe(epoch, offset);
    return list;
  };

  it('tell where an epoch ended', () => {
    const list = epochs();
    expect(list.endOf(1, 6, 30)).toEqual({ leaderEpoch: 1, endOffset: 10 });
    expect(list.endOf(2, 6, 30)).toEqual({ leaderEpoch: 1, endOffset: 10 });
    expect(list.endOf(3, 6, 30)).toEqual({ leaderEpoch: 3, endOffset: 20 });
    expect(list.endOf(5, 6, 30)).toEqual({ leaderEpoch: 4, endOffset: 30 });
    expect(list.endOf(6, 6, 30)).toEqual({ leaderEpoch: 6, endOffset: 30 });
    expect(list.endOf(7, 6, 30)).toEqual({ leaderEpoch: -1, endOffset: -1 });
    expect(list.endOf(0, 6, 30)).toEqual({ leaderEpoch: 0, endOffset: 0 });
    expect(new LeaderEpochs().endOf(3, 6, 0)).toEqual({ leaderEpoch: -1, endOffset: -1 });
  });

  it('tell which epoch wrote an offset', () => {
    const list = epochs();
    expect([0, 9, 10, 19, 20, 99].map((offset) => list.at(offset))).toEqual([1, 1, 3, 3, 4, 4]);
    expect(new LeaderEpochs([[2, 5]]).at(4)).toBe(-1);
  });

  it('undo what was not written and drop what is deleted', () => {
    const list = epochs();
    list.retractFrom(20);
    expect(list.snapshot()).toEqual([
      [1, 0],
      [3, 10],
    ]);
    list.forgetBefore(9);
    expect(list.snapshot()).toEqual([
      [1, 0],
      [3, 10],
    ]);
    list.forgetBefore(12);
    expect(list.snapshot()).toEqual([[3, 10]]);
    expect(() => list.observe(2, 30)).toThrow('never fall');
  });
});
