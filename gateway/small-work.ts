/**
 * Counts small requests and messages toward their cluster's share of a turn (fair-turns.ts). Each takes microseconds, but
 * thousands may arrive in one turn. To read the clock for each would cost a part of what it takes, so several are counted
 * together. While one cluster is alone at the door nobody waits for it, and nothing is counted.
 */
import type { Clock } from '../engine/kernel/clock.ts';
import type { FairTurns } from './fair-turns.ts';

const countedTogether = 16;
/** What one takes at most. More has passed when something else was done between them. */
const eachMsMax = 0.1;

export class SmallWork {
  readonly #clock: Clock;
  readonly #turns: FairTurns;
  /** When the turn began that `#begun` is of, and when the first of them began. */
  #turnMs = -1;
  #sinceMs = 0;
  readonly #begun: string[] = [];

  constructor(clock: Clock, turns: FairTurns) {
    this.#clock = clock;
    this.#turns = turns;
  }

  /**
   * Whether the cluster may do a small piece of work now. If not, it belongs in a later turn (FairTurns.later). `turnMs`:
   * the time of this turn (turn-time.ts).
   */
  mayBegin(clusterId: string, turnMs: number): boolean {
    if (this.#turns.isAlone(clusterId, turnMs)) return true;
    if (this.#turns.mustWait(clusterId)) return false;
    if (turnMs !== this.#turnMs) {
      this.#turnMs = turnMs;
      this.#sinceMs = turnMs;
      this.#begun.length = 0;
    }
    if (this.#begun.push(clusterId) >= countedTogether) this.#count();
    return true;
  }

  #count(): void {
    const nowMs = this.#clock.monotonicMs();
    const eachMs = Math.min(eachMsMax, (nowMs - this.#sinceMs) / countedTogether);
    for (const clusterId of this.#begun) this.#turns.used(clusterId, eachMs, this.#sinceMs, nowMs);
    this.#begun.length = 0;
    this.#sinceMs = nowMs;
  }
}
