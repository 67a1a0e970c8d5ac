import { describe, expect, it } from 'vitest';
import { Lanes } from './lanes.ts';

describe('lanes', () => {
  it('run a fixed number at a time, in order, and continue after a failure', async () => {
    const lanes = new Lanes(2);
    const began: number[] = [];
    let busy = 0;
    let most = 0;
    const work = (i: number): Promise<number> =>
      lanes.run(async () => {
        began.push(i);
        most = Math.max(most, ++busy);
        await new Promise((resolve) => setImmediate(resolve));
        busy--;
        if (i % 3 === 0) throw new Error(`${i}`);
        return i;
      });
    const all = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => work(i)));
    expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(most).toBe(2);
    expect(all.filter(({ status }) => status === 'rejected')).toHaveLength(4);
    expect(await work(1)).toBe(1);
  });

  it('pass from owner to owner, however much work of one of them waits', async () => {
    const lanes = new Lanes(1);
    const began: string[] = [];
    const work = (owner: string): Promise<void> => lanes.run(async () => void began.push(owner), owner);
    await Promise.all(['a', 'a', 'a', 'a', 'a', 'b', 'b', 'c'].map(work));
    expect(began).toEqual(['a', 'a', 'b', 'c', 'a', 'b', 'a', 'a']);
  });
});
