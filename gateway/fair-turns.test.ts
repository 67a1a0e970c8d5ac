import { describe, expect, it } from 'vitest';
import { manualClock } from '../engine/kernel/manual-clock.ts';
import { FairTurns } from './fair-turns.ts';

const turnMs = 4;

/** Time that moves only while work runs, turn by turn. */
function world(): {
  readonly turns: FairTurns;
  readonly ran: string[];
  /** Work that takes `ms` and notes its name. */
  readonly work: (name: string, ms: number) => () => void;
  /** Ends one turn of the event loop. */
  readonly turn: () => Promise<void>;
} {
  let nowMs = 1_000;
  const ran: string[] = [];
  const atEnd: (() => void)[] = [];
  const clock = { ...manualClock(), monotonicMs: () => nowMs, endOfTurn: (fn: () => void) => void atEnd.push(fn) };
  return {
    turns: new FairTurns(clock, turnMs),
    ran,
    work: (name, ms) => () => {
      nowMs += ms;
      ran.push(name);
    },
    turn: async () => {
      for (const fn of atEnd.splice(0)) fn();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const times = (count: number, each: (i: number) => void): void => {
  for (let i = 0; i < count; i++) each(i);
};

describe('work of one cluster', () => {
  it('begins at once until its share of the turn is used, and then in later turns, in order', async () => {
    const { turns, ran, work, turn } = world();
    times(10, (i) => turns.begin('a', work(`a${i}`, 1)));
    expect(ran).toHaveLength(turnMs);
    await turn();
    expect(ran).toHaveLength(2 * turnMs);
    await turn();
    expect(ran).toEqual(Array.from({ length: 10 }, (_, i) => `a${i}`));
  });

  it('does not hold back the work of another, however much of it waits', async () => {
    const { turns, ran, work, turn } = world();
    times(10_000, (i) => turns.begin('a', work(`a${i}`, 1)));
    await turn();
    const before = ran.length;
    turns.begin('b', work('b', 1));
    expect(ran.at(-1)).toBe('b');
    expect(before).toBe(2 * turnMs);
  });

  it('pays for a long piece with the turns after it', async () => {
    const { turns, ran, work, turn } = world();
    turns.begin('a', work('long', 5 * turnMs));
    turns.begin('a', work('next', 1));
    for (let i = 0; i < 4; i++) {
      await turn();
      expect(ran).toEqual(['long']);
    }
    await turn();
    expect(ran).toEqual(['long', 'next']);
  });

  it('waits for its turn when it begins inside other work', async () => {
    const { turns, ran, work, turn } = world();
    const outer = (depth: number) => (): void => {
      work(`${depth}`, 3)();
      if (depth < 4) turns.begin('a', outer(depth + 1));
    };
    turns.begin('a', outer(0));
    expect(ran).toEqual(['0']);
    await turn();
    expect(ran).toEqual(['0', '1', '2']);
    await turn();
    await turn();
    expect(ran).toEqual(['0', '1', '2', '3', '4']);
  });

  it('that completes a request comes before work that begins one, and its failure is its own', async () => {
    const { turns, ran, work, turn } = world();
    times(5, (i) => turns.begin('a', work(`a${i}`, turnMs)));
    const done = turns.complete('a', () => {
      work('completed', 1)();
      return 'answer';
    });
    const failed = expect(
      turns.complete('a', () => {
        throw new Error('bad request');
      }),
    ).rejects.toThrow('bad request');
    await turn();
    expect(await done).toBe('answer');
    await failed;
    expect(ran).toEqual(['a0', 'completed', 'a1']);
  });
});

it('goes on at once with the answers of a cluster until its share is used, and then in later turns, in order', async () => {
  const { turns, ran, work, turn } = world();
  turns.begin('b', work('b', 1));
  ran.length = 0;
  const answers = Array.from({ length: 10 }, (_, i) => turns.goOn('a', work(`a${i}`, 1)));
  expect(ran).toHaveLength(turnMs);
  expect(answers[0]).toBeUndefined();
  void turns.goOn('b', work('b', 1));
  expect(ran.at(-1)).toBe('b');
  await turn();
  await turn();
  await turn();
  expect(ran.filter((name) => name !== 'b')).toEqual(Array.from({ length: 10 }, (_, i) => `a${i}`));
  for (const answer of answers) await answer;
});

it('does not hold back the answers of a cluster that is alone', () => {
  const { turns, ran, work } = world();
  times(10, (i) => void turns.goOn('a', work(`a${i}`, 1)));
  expect(ran).toHaveLength(10);
});

it('takes no turns while clusters use little of their shares', () => {
  let [nowMs, turnsAsked] = [1_000, 0];
  const clock = { ...manualClock(), monotonicMs: () => nowMs, endOfTurn: () => void turnsAsked++ };
  const turns = new FairTurns(clock, turnMs);
  times(100, (i) => {
    turns.begin(`c${i % 3}`, () => void (nowMs += 1));
    expect(turns.mustWait(`c${i % 3}`)).toBe(false);
    nowMs += 1;
  });
  expect(turnsAsked).toBe(0);
  // So that clusters which come and go are not all kept.
  times(2_000, (i) => turns.begin(`d${i}`, () => void (nowMs += 1)));
  expect(turnsAsked).toBe(1);
});

it('several clusters share a turn', async () => {
  const { turns, ran, work, turn } = world();
  for (const cluster of ['a', 'b', 'c', 'd']) times(20, () => turns.begin(cluster, work(cluster, 1)));
  ran.length = 0;
  await turn();
  expect(ran.toSorted((one, other) => one.localeCompare(other))).toEqual(['a', 'b', 'c', 'd']);
});
