/**
 * Producer ids that include the time at which they were given out. Senders over HTTP use them: they number their records
 * themselves, over several connections. A log accepts any first sequence from a producer that it does not know (KIP-360),
 * because it may have forgotten that producer. If a sender's second request overtook its first, the first would be refused
 * for ever. A log cannot have forgotten an id that was given out a moment ago, so for such an id the first sequence must be
 * 0.
 *
 * Kafka's clients rely on KIP-360 and get ids without a date. The two ranges are disjoint, and each id is unique.
 *
 *   2^52 + (minute mod 2^20) * 2^32 + (id mod 2^32)        below 2^53, like everything that is kept as a plain number
 */
const datedFrom = 2 ** 52;
const minutesModulus = 2 ** 20;
const idModulus = 2 ** 32;
const minuteMs = 60_000;

/**
 * How long an id counts as just given. Long enough for a sender's connections and their retries to get in order; short
 * compared with what makes a log forget: a day of silence, ten thousand other producers, retention of everything it holds.
 */
const justGivenMinutesMax = 5;
/** The same, counted from the start of the minute in which the id was given out. */
export const justGivenMsMax = (justGivenMinutesMax + 1) * minuteMs;

/** `id` comes from the installation's counter. */
export function datedProducerId(id: number, nowMs: number): number {
  return datedFrom + minuteOf(nowMs) * idModulus + (id % idModulus);
}

/** Clocks of gateways and brokers may differ by up to that time. False for ids without a date. */
export function wasJustGiven(producerId: number, nowMs: number): boolean {
  if (producerId < datedFrom) return false;
  const minute = Math.floor((producerId - datedFrom) / idModulus);
  const age = (minuteOf(nowMs) - minute + minutesModulus) % minutesModulus;
  return age <= justGivenMinutesMax || age >= minutesModulus - justGivenMinutesMax;
}

function minuteOf(nowMs: number): number {
  return Math.floor(nowMs / minuteMs) % minutesModulus;
}
