/** Large answers are made over several turns of the event loop, in which others are served. */
import type { Clock } from '../engine/kernel/clock.ts';
import type { Lanes } from '../engine/kernel/lanes.ts';

/** At a time, at each door: Metadata of 100,000 partitions is some 40 MB until it is encoded. */
export const largeAnswersMax = 2;

/** The next turn: what has come in by then is served before. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise<void>((resolve) => clock.endOfTurn(resolve));
}

/** As nextTurn, for who may be in the part of a turn that I/O has begun: that one ends before anything has come in. */
export async function turnBehindIo(clock: Clock): Promise<void> {
  await nextTurn(clock);
  await nextTurn(clock);
}

export interface Pieces<T> {
  /** What an item costs, in units of `unitsPerTurnMax`. */
  readonly unitsOf: (item: T) => number;
  /** Some 5 ms of work. */
  readonly unitsPerTurnMax: number;
  /** Few large answers are made at a time, for each holds what it has until it has all. */
  readonly lanes: Lanes;
  readonly clock: Clock;
}

/** `show` of each item, at once where they are few. What changes between two turns is shown as it is in the second. */
export async function overTurns<T, R>(
  items: readonly T[],
  { unitsOf, unitsPerTurnMax, lanes, clock }: Pieces<T>,
  show: (item: T) => R,
): Promise<R[]> {
  if (items.reduce((sum, item) => sum + unitsOf(item), 0) <= unitsPerTurnMax) return items.map(show);
  return lanes.run(async () => {
    const shown: R[] = [];
    let unitsNow = 0;
    for (const item of items) {
      shown.push(show(item));
      unitsNow += unitsOf(item);
      if (unitsNow < unitsPerTurnMax) continue;
      unitsNow = 0;
      await nextTurn(clock);
    }
    return shown;
  });
}

/** Some 5 ms of work where `change` has nothing to wait for. */
const changesPerTurnMax = 500;

/** One after the other, each when the one before is done. */
export async function oneByOne<T, R>(
  clock: Clock,
  items: readonly T[],
  change: (item: T) => Promise<R> | R,
): Promise<R[]> {
  const outcomes: R[] = [];
  for (const item of items) {
    outcomes.push(await change(item));
    if (outcomes.length % changesPerTurnMax === 0) await nextTurn(clock);
  }
  return outcomes;
}
