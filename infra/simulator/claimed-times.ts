/**
 * The times that records claim. Most clients stamp a record when they send it; some produce a history of days today, in
 * no order. What is kept by age, and what a time is looked up by, follows the claims.
 */
import { below, type Random, seededRandom } from '../../engine/kernel/random.ts';

/** Mixes of which every second world has such clients. */
const claimingScenarios: readonly string[] = ['again', 'topics', 'parents', 'seldom'];
/** About as old as what is kept by age still is, and almost as old as what a topic keeps that says nothing. */
const recentMsMax = 3000;
const hourMs = 3_600_000;
export const claimedHoursMax = 150;
/** Between the records of a batch. */
const jitterMs = 40;

/** From a random stream of its own, so that other worlds keep their histories. */
export function drawClaims(seed: number, scenario: string): boolean {
  return claimingScenarios.includes(scenario) && below(seededRandom(Math.imul(seed + 1, 0x3c6ef35f)), 2) === 0;
}

/** How old the records of a client's next batch claim to be. */
export class ClaimedAges {
  readonly #random: Random | undefined;

  /** Without a random stream all of them are new. */
  constructor(random: Random | undefined) {
    this.#random = random;
  }

  next(): number {
    if (!this.#random) return 0;
    const kind = below(this.#random, 4);
    if (kind === 0) return below(this.#random, recentMsMax);
    return kind === 1 ? hourMs * (1 + below(this.#random, claimedHoursMax)) : 0;
  }
}

/** Of record `index` of a batch that claims an age: in no order. */
export function claimedMs(wallMs: number, ageMs: number, index: number): number {
  return ageMs === 0 ? wallMs + index : wallMs - ageMs - ((index * 3) % 5) * jitterMs;
}
