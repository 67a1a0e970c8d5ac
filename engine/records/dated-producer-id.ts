/**
 * Producer ids that tell when they were given: those of senders over HTTP, who number their records by hand and over several
 * connections. A log takes whatever sequence comes first from a producer that it does not know (KIP-360), because it may
 * have forgotten that producer. A sender whose second request overtakes its first would then have the first refused for
 * ever. Of an id that was given a moment ago nothing can have been forgotten, so that its first sequence must be 0.
 *
 * Kafka's clients count on KIP-360, and get ids without a date: both lie apart, and each is unique.
 *
 *   2^52 + (minute mod 2^20) * 2^32 + (id mod 2^32)        below 2^53, as all that is kept as a plain number
 */
const datedFrom = 2 ** 52;
const minutesModulus = 2 ** 20;
const idModulus = 2 ** 32;
const minuteMs = 60_000;

/**
 * How long an id passes for just given. Long enough for a sender's connections and their repeats to come in order, short
 * against what makes a log forget: a day of silence, ten thousand other producers, retention of all that it holds.
 */
const justGivenMinutesMax = 5;
/** The same, from the beginning of the minute in which it was given. */
export const justGivenMsMax = (justGivenMinutesMax + 1) * minuteMs;

/** `id` from the counter of the installation. */
export function datedProducerId(id: number, nowMs: number): number {
  return datedFrom + minuteOf(nowMs) * idModulus + (id % idModulus);
}

/** Clocks of gateways and brokers may differ by as much as the time itself. False for ids without a date. */
export function wasJustGiven(producerId: number, nowMs: number): boolean {
  if (producerId < datedFrom) return false;
  const minute = Math.floor((producerId - datedFrom) / idModulus);
  const age = (minuteOf(nowMs) - minute + minutesModulus) % minutesModulus;
  return age <= justGivenMinutesMax || age >= minutesModulus - justGivenMinutesMax;
}

function minuteOf(nowMs: number): number {
  return Math.floor(nowMs / minuteMs) % minutesModulus;
}
