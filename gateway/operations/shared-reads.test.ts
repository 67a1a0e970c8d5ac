import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../engine/kernel/clock.ts';
import { type ManualClock, manualClock } from '../../engine/kernel/manual-clock.ts';
import { memoryStore } from '../../engine/store-memory.ts';
import { MemoryEngine } from '../kafka/testing/memory-engine.ts';
import { type Sharer, SharedReads } from './shared-reads.ts';

const asked = (offset: number) => [
  { topicId: 't', partition: 0, offset, maxBytes: 1_000, currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
];

describe('SharedReads', () => {
  let manual: ManualClock;
  /** How long notifying the sharers has taken so far. */
  let spentMs: number;
  let reads: SharedReads;
  let fetched: { readonly offset: number; readonly answer: () => Promise<void> }[];
  let told: number;

  beforeEach(() => {
    manual = manualClock();
    [spentMs, fetched, told] = [0, [], 0];
    const clock: Clock = { ...manual, monotonicMs: () => manual.monotonicMs() + spentMs };
    const engine = new MemoryEngine(manual, memoryStore({ clock: manual }));
    engine.fetch = ([{ offset } = { offset: -1 }]) =>
      new Promise((resolve) => {
        const answer = async (): Promise<void> => {
          resolve([]);
          await manual.settle();
        };
        fetched.push({ offset, answer });
      });
    reads = new SharedReads(engine, clock);
  });

  /** Sharers that read from the next offset as soon as they are notified; each takes `tookMs`. */
  const follow = (offset: number, tookMs: number): void => {
    const sharer: Sharer = {
      answered: () => {
        told++;
        spentMs += tookMs;
        follow(offset + 1, tookMs);
      },
      unanswered: () => {},
    };
    reads.of(asked(offset))!.join(sharer);
  };

  it('starts the next read at once when notifying the sharers was quick', async () => {
    for (let i = 0; i < 20; i++) follow(0, 0);
    await fetched[0]!.answer();
    expect(told).toBe(20);
    expect(fetched.map(({ offset }) => offset)).toEqual([0, 1]);
  });

  it('after notifying many sharers took long, the next read waits a quarter of that time, at most 20 ms', async () => {
    for (const [from, tookMs, pauseMs] of [
      [0, 1, 5],
      [100, 8, 20],
    ] as const) {
      fetched = [];
      for (let i = 0; i < 20; i++) follow(from, tookMs);
      await fetched[0]!.answer();
      expect(fetched.length).toBe(1);
      await manual.advance(pauseMs - 1);
      expect(fetched.length).toBe(1);
      await manual.advance(1);
      expect(fetched.map(({ offset }) => offset)).toEqual([from, from + 1]);
    }
  });

  it('skips a read whose sharers have all left during the pause', async () => {
    const places: [ReturnType<SharedReads['of']>, number][] = [];
    for (let i = 0; i < 20; i++) {
      const sharer: Sharer = {
        answered: () => {
          spentMs += 1;
          const read = reads.of(asked(1))!;
          places.push([read, read.join({ answered: () => {}, unanswered: () => {} })]);
        },
        unanswered: () => {},
      };
      reads.of(asked(0))!.join(sharer);
    }
    await fetched[0]!.answer();
    for (const [read, place] of places) read!.leave(place);
    await manual.advance(30);
    expect(fetched.length).toBe(1);
  });

  it('notifies a few sharers without reading the clock', async () => {
    for (let i = 0; i < 3; i++) follow(0, 50);
    await fetched[0]!.answer();
    expect(fetched.map(({ offset }) => offset)).toEqual([0, 1]);
  });
});
