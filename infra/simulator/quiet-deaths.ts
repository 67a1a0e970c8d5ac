/** In a quiet world no broker dies or counts as dead, except as an operator requested earlier. */
import type { History } from './history.ts';

const deaths = /^(?:.*: )?broker-(?:dead|hung): /;

/** Looks at what the controllers have told since the entry at `from`. */
export function noteDeaths(history: History, from: number): void {
  const told = history.entries.slice(from);
  for (const entry of told) {
    if (entry.kind !== 'engine' || !deaths.test(entry.what) || entry.what.includes('by an operator')) continue;
    history.add({ kind: 'died', what: `in a quiet world: ${entry.what}` });
  }
}
