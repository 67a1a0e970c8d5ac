/** Does large pieces of work over several turns of the event loop, between which other requests are served. */
import { type Clock, nextTurn } from '../engine/kernel/clock.ts';
import type { Lanes } from '../engine/kernel/lanes.ts';
import type { FairTurns } from './fair-turns.ts';

/** Concurrent answers at each door: Metadata of 100,000 partitions takes some 40 MB until it is encoded. */
export const largeAnswersMax = 2;

/** Like nextTurn, for callers that may run in the I/O phase of a turn: that phase ends before new requests have arrived. */
export async function turnBehindIo(clock: Clock): Promise<void> {
  await nextTurn(clock);
  await nextTurn(clock);
}

export interface Pieces<T> {
  /** What an item costs, in units of `unitsPerTurnMax`. */
  readonly unitsOf: (item: T) => number;
  /** Some 5 ms of work. */
  readonly unitsPerTurnMax: number;
  /** Builds only a few large answers at a time, because each holds its parts until it is complete. */
  readonly lanes: Lanes;
  readonly turns: FairTurns;
  readonly clusterId: string;
}

/**
 * `show` of each item, synchronously where they are few. A change between two turns is shown in its state of the second.
 */
export async function overTurns<T, R>(
  items: readonly T[],
  { unitsOf, unitsPerTurnMax, lanes, turns, clusterId }: Pieces<T>,
  show: (item: T) => R,
): Promise<R[]> {
  if (items.reduce((sum, item) => sum + unitsOf(item), 0) <= unitsPerTurnMax) return items.map(show);
  const shown: R[] = [];
  const showSome = (): void => {
    for (let units = 0; shown.length < items.length && units < unitsPerTurnMax; ) {
      const item = items[shown.length]!;
      shown.push(show(item));
      units += unitsOf(item);
    }
  };
  return lanes.run(async () => {
    while (shown.length < items.length) await turns.complete(clusterId, showSome);
    return shown;
  }, clusterId);
}

/** Some 5 ms of work where `change` has nothing to wait for. */
const changesPerTurnMax = 500;

/** One after the other, each when the previous one is done. */
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
